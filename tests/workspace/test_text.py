"""The rules that all text goes through, and the way back to what the user wrote."""

import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lrl_adapt.workspace.scripts import is_unspaced
from lrl_adapt.workspace.text import (
    EMPTIED,
    NAMES,
    align,
    clean_field,
    clean_line,
    clean_page,
    clean_pages,
    describe_changes,
)

# Characters that the rules are about stand beside others far more often than in random text.
ODD = (
    "\u200b\u200c\u200d\u200e\ufe0f\u180b\xad\ufeff\u2028\x85\xa0\r\n\t\x07 ﬁ\u0301\u0323áệKa❤🏴\U000e0067កខ東가\u1161"
)
TEXTS = st.text(st.one_of(st.sampled_from(ODD), st.characters(exclude_categories=["Cs"])))


@pytest.mark.parametrize(
    ("text", "cleaned", "counts"),
    [
        ("Habari ya leo.", "Habari ya leo.", {}),
        ("bu\u0301buru\u0301", "búburú", {"NFC": 1}),
        ("e\u200b\u0301", "é", {"zero-width spaces": 1}),
        ("ki\xadta\xadbu", "kitabu", {"soft hyphens": 2}),
        ("\ufeffNeno", "Neno", {"byte-order marks": 1}),
        ("Ne\x07no\x00", "Neno", {"control characters": 2}),
        ("\u202bשלום\u200f\u202c", "שלום", {"direction marks": 3}),
        ("a\u2060b\ufffcc", "abc", {"other format characters": 2}),
        ("moja\u2028mbili\x85tatu\r\nnne\u2029", "moja mbili tatu nne", {"line breaks": 3}),
        ("moja\xa0mbili\u3000tatu", "moja mbili tatu", {"unusual spaces": 2}),
        ("moja \t  mbili ", "moja mbili", {}),
        ("می\u200cخواهم", "می\u200cخواهم", {}),  # Persian
        ("ශ්\u200dරී", "ශ්\u200dරී", {}),  # Sinhala
        ("അവന്\u200d", "അവന്\u200d", {}),  # Malayalam, a chillu at a word's end
        ("\u200d\u200d", "", {"stray joiners": 2, "texts left empty": 1}),
        (" \n", "", {}),
        ("neno \u200cneno\u200d\u200d", "neno neno\u200d", {"stray joiners": 2}),
        ("❤\ufe0f Amina \ufe0f", "❤\ufe0f Amina", {"stray joiners": 1}),
        ("👩\u200d💻 1\ufe0f\u20e3", "👩\u200d💻 1\ufe0f\u20e3", {}),
        (
            "🏴\U000e0067\U000e0062\U000e007f a\U000e0067",
            "🏴\U000e0067\U000e0062\U000e007f a",
            {"other format characters": 1},
        ),
        ("ខ្ញុំ\u200bទៅ\u200b\u200bផ្សារ\u200b", "ខ្ញុំ\u200bទៅ\u200bផ្សារ", {"zero-width spaces": 2}),
        ("ᠠ\u180bᠨ\u180eᠠ", "ᠠ\u180bᠨ\u180eᠠ", {}),  # Mongolian
        ("“ﬁ” ＡＢ ﷺ \ufffd", "“ﬁ” ＡＢ ﷺ \ufffd", {}),
    ],
)
def test_rules(text: str, cleaned: str, counts: dict[str, int]) -> None:
    result: Counter[str] = Counter()
    assert clean_line(text, result) == cleaned
    assert dict(result) == counts
    assert set(result) <= {*NAMES, EMPTIED}


def test_a_page_keeps_its_line_breaks() -> None:
    assert clean_page("a\xadb\r\n\u200d\x0bc\u2028d  e\xa0") == "ab\r\n\x0bc\u2028d  e "


def test_words_and_tags_keep_their_number() -> None:
    assert clean_field(["\u200e", "o\u0300"]) == ["", "ò"]
    assert clean_field("o\u0300 ") == "ò"


def test_changes_are_told_in_one_line() -> None:
    assert describe_changes(Counter()) == ""
    counts = Counter({"unusual spaces": 3, "NFC": 1312, "soft hyphens": 4})
    assert (
        describe_changes(counts)
        == "NFC: 1,312 texts changed, soft hyphens: 4 dropped, unusual spaces: 3 replaced by spaces"
    )


@given(TEXTS)
def test_every_normal_form_becomes_the_same_text_and_stays_it(text: str) -> None:
    cleaned = clean_line(text)
    assert clean_line(unicodedata.normalize("NFD", text)) == cleaned
    assert clean_line(unicodedata.normalize("NFC", text)) == cleaned
    assert clean_line(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert cleaned == " ".join(cleaned.split())


@settings(deadline=None)  # the first call makes a table
@given(st.lists(TEXTS, max_size=4))
def test_pages_together_are_as_each_alone(texts: list[str]) -> None:
    alone, together = Counter[str](), Counter[str]()
    assert clean_pages(texts, together) == [clean_page(text, alone) for text in texts]
    assert together == alone


@given(TEXTS)
def test_places_lead_back_to_the_text_as_it_was_written(text: str) -> None:
    aligned = align(text)
    assert aligned.text == clean_line(text)
    assert len(aligned.spans) == len(aligned.text)
    end_before = 0
    for (start, end), character in zip(aligned.spans, aligned.text, strict=True):
        assert 0 <= start < end <= len(text)
        assert end >= end_before
        end_before = end
        assert character in clean_line(f"({text[start:end]}(") or character == " "  # no mark joins with a bracket


def test_a_word_is_found_again_with_what_was_dropped_in_it() -> None:
    text = " Wa\xadtoto  wa\u0301\u0323na\u200f"
    aligned = align(text)
    assert aligned.text == "Watoto wạ́na"
    assert text[slice(*aligned.original(0, 6))] == "Wa\xadtoto"
    assert text[slice(*aligned.original(7, len(aligned.text)))] == "wa\u0301\u0323na"


def test_the_documentation_has_every_rule() -> None:
    page = (Path(__file__).parents[2] / "docs" / "text.md").read_text(encoding="utf-8")
    table = next(part for part in page.split("\n\n") if "| NFC |" in part)
    rules = re.findall(r"^\| ([^|`]+) \|", table, re.MULTILINE)
    assert rules[1:] == list(NAMES)


def test_code_points_that_are_no_characters_are_dropped_in_every_plane() -> None:
    for plane in range(17):
        for code in (0xFFFE, 0xFFFF):
            counts: Counter[str] = Counter()
            assert clean_line(f"a{chr(plane * 0x10000 + code)}b", counts) == "ab"
            assert counts == {"control characters": 1}
    assert clean_line("a\ufdd0b\ufdefc") == "abc"


def test_zero_width_spaces_part_words_of_the_scripts_that_units_take_for_unspaced() -> None:
    for sign in ("ก", "ក", "ꦏ", "漢", "ｶ"):
        assert clean_line(f"{sign}\u200b{sign}") == f"{sign}\u200b{sign}"
        assert is_unspaced(sign)
    assert clean_line("ཀ\u200bཀ") == "ཀ\u200bཀ"
    assert not is_unspaced("ཀ")
    assert not is_unspaced("a")
