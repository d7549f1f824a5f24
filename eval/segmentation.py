"""What a text is labelled by: words, signs of punctuation, and in scripts without spaces the tokenizer's pieces.

Words are those of Unicode's word boundaries (UAX 29), which the library `regex` knows: marks, variation selectors and
joiners stay with their base, an emoji of several characters is one sign, apostrophes and what acts as one (Uzbek o‘,
Hebrew gershayim, Armenian question marks, the Catalan middle dot) stay inside words, a number keeps its point. As in
CoNLL files, and unlike UAX 29,

- a run in a script without spaces is one word, to be cut where the tokenizer cuts it;
- a Tibetan syllable keeps the tsheg that ends it;
- o‘ and g‘ stay whole at the end of an Uzbek word too, unless the text has quotation marks of the German kind (‚…‘).
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import regex

from ..workspace.scripts import TIBETAN, is_unspaced

TSHEG = "\u0f0b\u0f0c"  # ends a syllable in Tibetan
JOINERS = "\u200c\u200d"  # zero width, inside words of Persian, Sinhala and others
TURNED_COMMA, LOW_COMMA = "\u2018", "\u201a"
GAP, WORD, SIGN, RUN = "gap", "word", "sign", "run"
BOUNDARY = regex.compile(r"(?V1w)\b")  # w: the boundaries of UAX 29


@dataclass(frozen=True)
class Word:
    """Characters `start` to `end` of a text; `unspaced` where they may be several words."""

    start: int
    end: int
    unspaced: bool


@dataclass(frozen=True)
class Unit:
    """What one label is for: characters `start` to `end`, asked for at the piece `place`."""

    start: int
    end: int
    place: int


def split_words(text: str) -> list[Word]:
    """Words and single signs, in order, as the module describes them; white space and controls lie between."""
    words: list[Word] = []
    kind_before = GAP
    for start, end in _segments(text):
        kind = _kind(text[start:end])
        if _goes_on(text, start, kind, kind_before):
            words[-1] = Word(words[-1].start, end, words[-1].unspaced)
        elif kind != GAP:
            words.append(Word(start, end, kind == RUN))
        kind_before = SIGN if text[start] in TSHEG else kind
    return words


def label_units(text: str, tokenizer: Any) -> tuple[list[int], list[Unit]]:
    """The ids of a text's pieces, without special tokens, and the units to label.

    Words are tokenised one by one, as those of labelled files are; the first piece of each stands for it. In scripts
    without spaces each piece is a unit.
    """
    words = split_words(text)
    if not words:
        return [], []
    encoded = tokenizer(
        [text[word.start : word.end] for word in words],
        is_split_into_words=True,
        add_special_tokens=False,
        return_offsets_mapping=True,
        verbose=False,
    )
    units: list[Unit] = []
    before = None
    for place, (number, (start, end)) in enumerate(zip(encoded.word_ids(), encoded["offset_mapping"], strict=True)):
        word = words[number]
        if number != before:
            units.append(Unit(word.start, word.start + end if word.unspaced else word.end, place))
        elif word.unspaced:
            last, begin = units[-1], word.start + start
            # a piece for the space before a word goes with the next, one for part of a character with the last
            if last.start < last.end <= begin < word.end and not _clings(text[begin]):
                units.append(Unit(begin, word.start + end, place))
            else:
                units[-1] = Unit(last.start, word.start + end, last.place)
        before = number
    return encoded["input_ids"], units


def window_starts(length: int, room: int, margin: int) -> list[int]:
    """Where windows of `room` pieces begin that cover `length`, each `2 * margin` into the one before."""
    step = room - 2 * margin
    return list(range(0, max(1, length - 2 * margin), step))


def window_of(place: int, starts: Sequence[int], margin: int) -> int:
    """The window that has `place` at least `margin` from its edges, those of the text apart."""
    step = starts[1] if len(starts) > 1 else place + 1
    return min(max(0, place - margin) // step, len(starts) - 1)


def _segments(text: str) -> Iterator[tuple[int, int]]:
    """The start and end of what stands between two boundaries, which together are the whole text."""
    return pairwise(match.start() for match in BOUNDARY.finditer(text))


def _goes_on(text: str, start: int, kind: str, before: str) -> bool:
    """Whether what begins at `start` belongs to the word, of the kind `before`, that ends there."""
    if before == RUN:
        return kind == RUN
    if before != WORD:
        return False
    first, last = text[start], text[start - 1]
    if first in TSHEG:
        return ord(last) in TIBETAN
    return first == TURNED_COMMA and last in "oOgG" and LOW_COMMA not in text


def _kind(segment: str) -> str:
    for sign in segment:
        if unicodedata.category(sign)[0] in "LN":
            return RUN if is_unspaced(sign) else WORD
    group = unicodedata.category(segment[0])[0]
    return WORD if group == "M" else SIGN if group in "PS" else GAP


def _clings(sign: str) -> bool:
    """Whether a character cannot stand without the one before it."""
    return unicodedata.category(sign)[0] == "M" or sign in JOINERS
