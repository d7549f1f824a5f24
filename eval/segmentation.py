"""Splits a text into the units that get a label: words, punctuation, and tokens in scripts without spaces.

Words follow Unicode's word boundaries (UAX 29), as implemented by the library `regex`: marks, variation selectors and
joiners stay with their base, an emoji of several characters is one unit, apostrophes and what is used as one (Uzbek o‘,
Hebrew gershayim, Armenian question marks, the Catalan middle dot) stay inside words, a number keeps its decimal point.
Unlike UAX 29, and as in CoNLL files,

- a run in a script without spaces (Thai, Chinese, ...) is one word, which is cut where the tokenizer cuts it;
- a Tibetan syllable keeps the tsheg that ends it;
- o‘ and g‘ stay whole at the end of an Uzbek word too, unless the text has quotation marks of the German kind (‚…‘).
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import regex

from ..workspace.scripts import TIBETAN, is_unspaced

TSHEG = "\u0f0b\u0f0c"  # ends a syllable in Tibetan
JOINERS = "\u200c\u200d"  # zero width, inside words of Persian, Sinhala and others
TURNED_COMMA, LOW_COMMA = "\u2018", "\u201a"
# Kinds of segments between two word boundaries
SPACE, WORD, PUNCTUATION, UNSPACED_RUN = "space", "word", "punctuation", "unspaced run"
WORD_BOUNDARY = regex.compile(r"(?V1w)\b")  # w: the boundaries of UAX 29


@dataclass(frozen=True)
class Word:
    """Characters `start` to `end` of a text; `unspaced` if they may be several words."""

    start: int
    end: int
    unspaced: bool


@dataclass(frozen=True)
class Unit:
    """Characters `start` to `end` of a text, which get one label: that of the token at index `token`."""

    start: int
    end: int
    token: int


def split_words(text: str) -> list[Word]:
    """Words and punctuation, in order, as the module describes them, without white space and control characters."""
    words: list[Word] = []
    previous_kind = SPACE
    for start, end in _segments(text):
        kind = _kind(text[start:end])
        if _continues_word(text, start, kind, previous_kind):
            words[-1] = Word(words[-1].start, end, words[-1].unspaced)
        elif kind != SPACE:
            words.append(Word(start, end, kind == UNSPACED_RUN))
        previous_kind = PUNCTUATION if text[start] in TSHEG else kind  # a tsheg ends its syllable
    return words


def label_units(text: str, tokenizer: Any) -> tuple[list[int], list[Unit]]:
    """The token ids of a text, without special tokens, and the units to label.

    Words are tokenised one by one, as those of labelled files are, and labelled by their first token. In scripts
    without spaces each token is a unit.
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
    previous_word = None
    for token, (word_index, offsets) in enumerate(zip(encoded.word_ids(), encoded["offset_mapping"], strict=True)):
        word = words[word_index]
        start, end = word.start + offsets[0], word.start + offsets[1]
        if word_index != previous_word:
            units.append(Unit(word.start, end if word.unspaced else word.end, token))
        elif word.unspaced:
            # SentencePiece's token for the space before a word is empty, and one character may take several tokens
            # (bytes): neither can be a unit of its own. The first goes with the next token, the second with the last.
            last = units[-1]
            if last.start < last.end <= start < word.end and not _is_dependent(text[start]):
                units.append(Unit(start, end, token))
            else:
                units[-1] = Unit(last.start, end, last.token)
        previous_word = word_index
    return encoded["input_ids"], units


def word_ends(text: str, offsets: Sequence[tuple[int, int]], is_special: Sequence[bool | int]) -> list[int]:
    """For each token of a text, the index after the last token of its word.

    `offsets` are the first character and the end of each token. A token belongs to the word that it begins in, or to
    the next one if it begins between words. A special token is a word by itself, and so is each token in scripts
    without spaces, unless it shares a character with the one before.
    """
    words = split_words(text)
    last_characters = [word.end for word in words]
    ends = list(range(1, len(offsets) + 1))
    for token in reversed(range(1, len(offsets))):
        if is_special[token - 1] or is_special[token]:
            continue
        (previous_start, previous_end), (start, _) = offsets[token - 1], offsets[token]
        word = bisect_right(last_characters, start)
        in_same_word = word == bisect_right(last_characters, previous_start) < len(words) and not words[word].unspaced
        # SentencePiece's token for the space before a word, and the bytes of one character, share a character
        if in_same_word or start < previous_end:
            ends[token - 1] = ends[token]
    return ends


def window_starts(tokens: int, window: int, margin: int) -> list[int]:
    """Where windows of `window` tokens begin that cover a text of `tokens`, each `2 * margin` into the one before.

    The tokens at a window's edge lack context on one side. With the overlap every token is at least `margin` tokens
    from the edges of some window, except at the ends of the text.
    """
    step = window - 2 * margin
    return list(range(0, max(1, tokens - 2 * margin), step))


def window_of(token: int, starts: Sequence[int], margin: int) -> int:
    """The window that has the token at index `token` at least `margin` from its edges, except those of the text."""
    step = starts[1] if len(starts) > 1 else token + 1
    return min(max(0, token - margin) // step, len(starts) - 1)


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


def _kind(segment: str) -> str:
    for character in segment:
        if unicodedata.category(character)[0] in "LN":
            return UNSPACED_RUN if is_unspaced(character) else WORD
    category = unicodedata.category(segment[0])[0]
    if category == "M":
        return WORD
    return PUNCTUATION if category in "PS" else SPACE


def _is_dependent(character: str) -> bool:
    """Whether a character cannot stand without the one before it."""
    return unicodedata.category(character)[0] == "M" or character in JOINERS
