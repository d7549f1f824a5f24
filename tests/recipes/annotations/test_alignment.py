"""Spans of characters as tags of words."""

from collections import Counter
from typing import Any

import pytest
from lrl_adapt.recipes.annotations.alignment import (
    NO_WORD,
    OTHER_TEXT,
    OUTSIDE_TEXT,
    OVERLAP,
    WIDENED,
    align_records,
    tag_words,
)
from lrl_adapt.recipes.annotations.records import CHARACTERS, GRAPHEMES, UTF_16, Record, Span

ALL_UNITS = (CHARACTERS, UTF_16, GRAPHEMES)


def spans_in(text: str, *marked: str) -> list[Span]:
    """Spans of parts of a text, written "LABEL part"."""
    spans = []
    for each in marked:
        label, _, part = each.partition(" ")
        spans.append(Span(text.index(part), text.index(part) + len(part), label))
    return spans


@pytest.mark.parametrize(
    ("text", "marked", "words", "tags", "counts"),
    [
        (
            "Amina Juma yuko Nairobi.",
            ["PER Amina Juma", "LOC Nairobi"],
            ["Amina", "Juma", "yuko", "Nairobi", "."],
            ["B-PER", "I-PER", "O", "B-LOC", "O"],
            {},
        ),
        ("L-Għid u Għawdex", ["LOC Għawdex"], ["L", "-", "Għid", "u", "Għawdex"], ["O", "O", "O", "O", "B-LOC"], {}),
        # a span that cuts a word, and spaces at its ends, which do not
        ("mji wa Nairobini", ["LOC Nairobi"], ["mji", "wa", "Nairobini"], ["O", "O", "B-LOC"], {WIDENED: 1}),
        ("mji wa Nairobi tu", ["LOC  Nairobi "], ["mji", "wa", "Nairobi", "tu"], ["O", "O", "B-LOC", "O"], {}),
        # the longest of overlapping spans; the same span twice
        (
            "Chuo Kikuu cha Nairobi",
            ["LOC Nairobi", "ORG Chuo Kikuu cha Nairobi", "ORG Chuo Kikuu cha Nairobi"],
            ["Chuo", "Kikuu", "cha", "Nairobi"],
            ["B-ORG", "I-ORG", "I-ORG", "I-ORG"],
            {OVERLAP: 1},
        ),
        # side by side
        ("Juma Nairobi", ["PER Juma", "LOC Nairobi"], ["Juma", "Nairobi"], ["B-PER", "B-LOC"], {}),
        # without spaces between words each character is one; marks stay with theirs
        (
            "ไปเชียงใหม่",
            ["LOC เชียงใหม่"],
            [*list("ไปเ"), "ชี", "ย", "ง", "ใ", "ห", "ม่"],
            ["O"] * 2 + ["B-LOC"] + ["I-LOC"] * 6,
            {},
        ),
        # a tsheg and soft hyphens at the edge of a span are no part of the word
        ("བོད་ལྗོངས་", ["LOC བོད"], ["བོད་", "ལྗོངས་"], ["B-LOC", "O"], {}),
        ("Nai\xadrobi\xad tu", ["LOC Nai\xadrobi"], ["Nai\xadrobi", "tu"], ["B-LOC", "O"], {}),
    ],
)
def test_words_get_the_tags_of_their_spans(
    text: str, marked: list[str], words: list[str], tags: list[str], counts: dict[str, int]
) -> None:
    alignment = align_records([Record("", text, spans=spans_in(text, *marked))], [CHARACTERS])
    assert alignment.sentences == [(words, tags)]
    assert +alignment.counts == counts


def test_spans_outside_the_text_are_counted() -> None:
    text = "Juma yuko Nairobi"
    spans = [
        Span(-1, 3, "PER"),
        Span(10, 18, "LOC"),
        Span(5, 5, "X"),
        Span(0, 4, "PER", "Amina"),
        Span(4, 5, "X"),
        Span(10, 17, "LOC", "Nairobi "),
    ]
    alignment = align_records([Record("", text, spans=spans)], [CHARACTERS])
    assert alignment.sentences == [(["Juma", "yuko", "Nairobi"], ["O", "O", "B-LOC"])]
    assert alignment.counts == {OUTSIDE_TEXT: 3, OTHER_TEXT: 1, NO_WORD: 1}


def test_lines_are_sentences_unless_a_span_crosses_their_break() -> None:
    text = "Juma yuko\r\n\r\nNairobi.\nChuo\nKikuu cha Dodoma\n"
    spans = spans_in(text, "PER Juma", "LOC Nairobi", "ORG Chuo\nKikuu", "LOC Dodoma")
    alignment = align_records([Record("", text, spans=spans)], [CHARACTERS])
    assert alignment.sentences == [
        (["Juma", "yuko"], ["B-PER", "O"]),
        (["Nairobi", "."], ["B-LOC", "O"]),
        (["Chuo", "Kikuu", "cha", "Dodoma"], ["B-ORG", "I-ORG", "O", "B-LOC"]),
    ]


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize("unit", ALL_UNITS)
def test_the_unit_of_the_offsets_is_that_which_fits_the_words(unit: str) -> None:
    import regex

    length: dict[str, Any] = {CHARACTERS: len, UTF_16: utf16, GRAPHEMES: lambda text: len(regex.findall(r"\X", text))}
    text = "👩🏾‍🎓👍🏾 Amina yuko Nairobi"
    start, end = (length[unit](text[:place]) for place in (text.index("Nairobi"), len(text)))
    alignment = align_records([Record("", text, spans=[Span(start, end, "LOC")])], ALL_UNITS)
    assert alignment.unit == unit
    assert alignment.sentences[0][1][-1] == "B-LOC"
    assert alignment.sentences[0][1].count("O") == len(alignment.sentences[0][1]) - 1
    assert not +alignment.counts


def test_characters_are_counted_where_all_units_agree() -> None:
    assert align_records([Record("", "Juma", spans=[Span(0, 4, "PER")])], ALL_UNITS).unit == CHARACTERS


def test_a_text_without_words_is_no_sentence() -> None:
    counts: Counter[str] = Counter()
    assert tag_words(" \u200e ", [Span(0, 3, "X")], counts) is None
    assert counts == {NO_WORD: 1}
