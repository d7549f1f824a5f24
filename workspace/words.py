"""Split a text into words and punctuation.

Words follow Unicode's word boundaries (UAX 29), as implemented by the library `regex`: marks, variation selectors and
joiners stay with their base, an emoji of several characters is one unit, apostrophes and what is used as one (Uzbek o‘,
Hebrew gershayim, Armenian question marks, the Catalan middle dot) stay inside words, a number keeps its decimal point.
Unlike UAX 29, and as in CoNLL files,

- a run in a script without spaces (Thai, Chinese, ...) is one word, as its words cannot be told apart by rules;
- a Tibetan syllable keeps the tsheg that ends it;
- o‘ and g‘ stay whole at the end of an Uzbek word too, unless the text has quotation marks of the German kind (‚…‘).
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import regex

from .scripts import TIBETAN, is_unspaced

TSHEG = "\u0f0b\u0f0c"  # ends a syllable in Tibetan
JOINERS = "\u200c\u200d"  # zero width, inside words of Persian, Sinhala and others
TURNED_COMMA, LOW_COMMA = "\u2018", "\u201a"
# Kinds of words, and of segments between two word boundaries
SPACE, WORD, PUNCTUATION, UNSPACED_RUN = "space", "word", "punctuation", "unspaced run"
WORD_BOUNDARY = regex.compile(r"(?V1w)\b")  # w: the boundaries of UAX 29


@dataclass(frozen=True)
class Word:
    """Characters `start` to `end` of a text; `unspaced` if they may be several words."""

    start: int
    end: int
    unspaced: bool


def split_words(text: str) -> list[Word]:
    """Words and punctuation, in order, as the module describes them, without white space and control characters."""
    words: list[Word] = []
    previous_kind = SPACE
    for start, end in _segments(text):
        kind = kind_of(text[start:end])
        if _continues_word(text, start, kind, previous_kind):
            words[-1] = Word(words[-1].start, end, words[-1].unspaced)
        elif kind != SPACE:
            words.append(Word(start, end, kind == UNSPACED_RUN))
        previous_kind = PUNCTUATION if text[start] in TSHEG else kind  # a tsheg ends its syllable
    return words


def kind_of(segment: str) -> str:
    """WORD, UNSPACED_RUN, PUNCTUATION or SPACE: what a word, which is not empty, consists of."""
    for character in segment:
        if unicodedata.category(character)[0] in "LN":
            return UNSPACED_RUN if is_unspaced(character) else WORD
    categories = [unicodedata.category(character)[0] for character in segment]
    if categories[0] == "M":
        return WORD
    return PUNCTUATION if "P" in categories or "S" in categories else SPACE


def _segments(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of the segments between word boundaries, which together are the whole text."""
    return pairwise(match.start() for match in WORD_BOUNDARY.finditer(text))


def _continues_word(text: str, start: int, kind: str, previous_kind: str) -> bool:
    """Whether the segment that begins at `start` belongs to the word that ends there."""
    if previous_kind == UNSPACED_RUN:
        return kind == UNSPACED_RUN
    if previous_kind != WORD:
        return False
    first, previous = text[start], text[start - 1]
    if first in TSHEG:
        return ord(previous) in TIBETAN
    return first == TURNED_COMMA and previous in "oOgG" and LOW_COMMA not in text
