"""Small tokenizers of the two kinds that bases have: WordPiece as mBERT's, Unigram as XLM-R's."""

from collections.abc import Sequence
from typing import Any

from lrl_adapt.training.wordpiece import train_tokenizer
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def wordpiece(texts: Sequence[str]) -> Any:
    return train_tokenizer(list(texts), 100)


def unigram(texts: Sequence[str]) -> Any:
    model = Tokenizer(models.Unigram())
    model.normalizer = normalizers.NFKC()
    model.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer = trainers.UnigramTrainer(vocab_size=150, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    model.train_from_iterator(list(texts) * 10, trainer)
    model.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=model, cls_token="<s>", sep_token="</s>", **names)
