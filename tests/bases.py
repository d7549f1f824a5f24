"""Small stand-ins for published bases: the same files and formats, with tiny random weights and vocabularies."""

import io
import json
from pathlib import Path

import sentencepiece
import torch
from transformers import ModernBertConfig, ModernBertForMaskedLM, XLMRobertaConfig, XLMRobertaForMaskedLM

from .tiny_tokenizers import train_byte_fallback

TEXTS = [
    "watoto wanacheza mpira uwanjani na mwalimu anaandika ubaoni kila siku asubuhi",
    "habari za asubuhi ndugu zangu wapendwa wa kijiji chetu",
    "leo mvua inanyesha sana na barabara zimejaa maji",
] * 20
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
XLMR_SIZES = {**SIZES, "max_position_embeddings": 514, "type_vocab_size": 1}
MASK = {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "normalized": True, "rstrip": False}


def write_glot500(folder: Path) -> None:
    """Like cis-lmu/glot500-base: safetensors, a sentencepiece model and no tokenizer.json."""
    folder.mkdir(parents=True)
    pieces = train_sentencepiece()
    (folder / "sentencepiece.bpe.model").write_bytes(pieces)
    _write_json(
        folder / "tokenizer_config.json",
        {
            "bos_token": "<s>",
            "cls_token": "<s>",
            "eos_token": "</s>",
            "mask_token": {**MASK, "single_word": False},
            "model_max_length": 512,
            "name_or_path": "xlm-roberta-base",
            "pad_token": "<pad>",
            "sep_token": "</s>",
            "sp_model_kwargs": {},
            "special_tokens_map_file": None,
            "tokenizer_class": "XLMRobertaTokenizer",
            "unk_token": "<unk>",
            "use_fast": True,
        },
    )
    # sentencepiece numbers <unk>, <s>, </s>; XLM-R puts <pad> among them and <mask> at the end
    size = sentencepiece.SentencePieceProcessor(model_proto=pieces).get_piece_size() + 2
    _xlmr(size).save_pretrained(folder)


def write_afroxlmr(folder: Path) -> None:
    """Like Davlan/afro-xlmr-base: safetensors and tokenizer.json beside the sentencepiece model."""
    from transformers import AutoTokenizer

    write_glot500(folder)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)


def write_mmbert(folder: Path) -> None:
    """Like jhu-clsp/mmBERT-base: weights as pytorch_model.bin alone; BPE that falls back to bytes, no space prepended.

    The decoder's weight is tied and saved, its bias is a parameter of its own.
    """
    folder.mkdir(parents=True)
    tokenizer = train_byte_fallback(TEXTS)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos": "<bos>", "cls": "<bos>", "eos": "<eos>", "sep": "<eos>", "pad": "<pad>", "unk": "<unk>"}
    _write_json(
        folder / "tokenizer_config.json",
        {
            **{f"{name}_token": piece for name, piece in names.items()},
            "mask_token": {**MASK, "normalized": False, "single_word": False},
            "model_max_length": 8192,
            "tokenizer_class": "PreTrainedTokenizerFast",
        },
    )
    torch.manual_seed(0)
    config = ModernBertConfig(
        **SIZES,
        vocab_size=tokenizer.get_vocab_size(),
        max_position_embeddings=8192,
        pad_token_id=tokenizer.token_to_id("<pad>"),
        bos_token_id=tokenizer.token_to_id("<bos>"),
        cls_token_id=tokenizer.token_to_id("<bos>"),
        eos_token_id=tokenizer.token_to_id("<eos>"),
        sep_token_id=tokenizer.token_to_id("<eos>"),
        architectures=["ModernBertForMaskedLM"],
    )
    config.save_pretrained(folder)
    torch.save(ModernBertForMaskedLM(config).state_dict(), folder / "pytorch_model.bin")


def train_sentencepiece() -> bytes:
    """A small unigram model, as sentencepiece writes it."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=model, vocab_size=60, hard_vocab_limit=False, minloglevel=2
    )
    return model.getvalue()


def _xlmr(vocab_size: int) -> XLMRobertaForMaskedLM:
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        **XLMR_SIZES, vocab_size=vocab_size, pad_token_id=1, bos_token_id=0, eos_token_id=2, layer_norm_eps=1e-5
    )
    return XLMRobertaForMaskedLM(config)


def _write_json(file: Path, content: dict) -> None:
    file.write_text(json.dumps(content, indent=2), encoding="utf-8")
