"""Small tokenizers of the kinds that bases have, each trained on a few texts in its base's layout."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from lrl_adapt.training.wordpiece import train_tokenizer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def wordpiece(texts: Sequence[str]) -> Any:
    """As mBERT's."""
    return train_tokenizer(list(texts), 100)


def unigram(texts: Sequence[str]) -> Any:
    """As XLM-R's."""
    model = Tokenizer(models.Unigram())
    model.normalizer = normalizers.NFKC()
    model.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    model.train_from_iterator(list(texts) * 10, trainer)
    model.decoder = decoders.Metaspace()
    model.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return _for_transformers(model)


def byte_level(texts: Sequence[str], *, add_prefix_space: bool = False) -> Any:
    """As RoBERTa's, whose offsets leave out the space before a word."""
    model = _train_byte_level(texts, add_prefix_space=add_prefix_space)
    model.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=add_prefix_space
    )
    return _for_transformers(model)


def byte_level_with_prefix(texts: Sequence[str]) -> Any:
    """As RoBERTa's, loaded with a space before the first word, too."""
    return byte_level(texts, add_prefix_space=True)


def byte_level_with_template(texts: Sequence[str]) -> Any:
    """As ModernBERT's, whose offsets include the space before a word."""
    model = _train_byte_level(texts, add_prefix_space=False)
    model.normalizer = normalizers.NFC()
    model.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return _for_transformers(model)


def byte_fallback(texts: Sequence[str]) -> Any:
    """As mmBERT's."""
    names = {"bos": "<bos>", "cls": "<bos>", "eos": "<eos>", "sep": "<eos>", "pad": "<pad>", "unk": "<unk>"}
    named = {f"{name}_token": piece for name, piece in names.items()}
    return PreTrainedTokenizerFast(tokenizer_object=train_byte_fallback(texts), mask_token="<mask>", **named)


FAMILIES: dict[str, Callable[[Sequence[str]], Any]] = {
    "WordPiece": wordpiece,
    "Unigram": unigram,
    "byte-level BPE": byte_level,
    "byte-level BPE with a prefix space": byte_level_with_prefix,
    "byte-level BPE with a template": byte_level_with_template,
    "byte-fallback BPE": byte_fallback,
}


def train_byte_fallback(texts: Sequence[str]) -> Tokenizer:
    """BPE in the layout of Gemma's tokenizer.json, which is mmBERT's: a piece for each byte, no space prepended."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")  # so that training learns words
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    every_byte = [f"<0x{number:02X}>" for number in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[*special, *every_byte], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] in special]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    ends = [(name, tokenizer.token_to_id(name)) for name in ("<bos>", "<eos>")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>", pair="<bos> $A <eos> $B <eos>", special_tokens=ends
    )
    return tokenizer


def _train_byte_level(texts: Sequence[str], *, add_prefix_space: bool) -> Tokenizer:
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(list(texts) * 10, trainer)
    return model


def _for_transformers(model: Tokenizer) -> Any:
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=model, cls_token="<s>", sep_token="</s>", **names)
