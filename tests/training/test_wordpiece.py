"""The tokenizer of a base made from scratch: what scripts are spelled with stays, also when it is loaded again."""

import unicodedata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from lrl_adapt.training.base import load_tokenizer
from lrl_adapt.training.wordpiece import train_tokenizer
from lrl_adapt.workspace.text import clean_line
from transformers import AutoTokenizer, BertConfig

SINHALA, PERSIAN, KHMER = "ශ්\u200dරී", "می\u200cخواهم", "ខ្ញុំ\u200bទៅ"
TOKENIZER = train_tokenizer([f"{SINHALA} {PERSIAN} {KHMER} búburú"] * 9, 300)


def test_joiners_stay_and_other_format_characters_go(tmp_path: Path) -> None:
    TOKENIZER.save_pretrained(tmp_path)
    BertConfig().save_pretrained(tmp_path)
    for tokenizer in (TOKENIZER, AutoTokenizer.from_pretrained(tmp_path), load_tokenizer(str(tmp_path), None, "base")):
        assert tokenizer.tokenize(f"{SINHALA} {PERSIAN}") == [SINHALA, PERSIAN]
        assert tokenizer.tokenize(KHMER) == KHMER.split("\u200b")
        assert tokenizer.tokenize("\x07bu\u0301\xadburu\u0301\u200f\ufeff\ufffd") == ["búburú"]
        encoded = tokenizer("búburú [MASK]")
        assert tokenizer.convert_ids_to_tokens(encoded["input_ids"]) == ["[CLS]", "búburú", "[MASK]", "[SEP]"]
        assert encoded["token_type_ids"] == [0, 0, 0, 0]


def test_an_alphabet_may_hold_joiners() -> None:
    assert {"\u200d", "##\u200d"} <= set(train_tokenizer(["a b"], 64, alphabet="\u200dක").get_vocab())


@given(st.text(st.one_of(st.sampled_from("bur\u0301ú\u200d\xad 가\u1161"), st.characters(exclude_categories=["Cs"]))))
def test_normal_forms_give_the_same_pieces(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert TOKENIZER(composed)["input_ids"] == TOKENIZER(decomposed)["input_ids"]


def test_format_characters_that_texts_keep_stay() -> None:
    signs = "\u06dd\u070f\U000110bd\u180e"
    tokenizer = train_tokenizer([f"a{sign}b" for sign in signs] * 9, 64)
    for sign in signs:
        assert clean_line(f"a{sign}b") == f"a{sign}b"
        assert tokenizer.backend_tokenizer.normalizer.normalize_str(f"a{sign}b") == f"a{sign}b"
        assert tokenizer.decode(tokenizer(f"a{sign}b", add_special_tokens=False)["input_ids"]) == f"a{sign}b"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_all_text_loses_is_lost_here_too(text: str) -> None:
    for sign in text:
        kept = TOKENIZER.backend_tokenizer.normalizer.normalize_str(f"a{sign}b")
        assert kept != f"a{sign}b" or clean_line(f"a{sign}b") == f"a{sign}b" or sign.isspace()
