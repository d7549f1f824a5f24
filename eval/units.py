"""What a text is labelled by: words, signs of punctuation, and in scripts without spaces the tokenizer's pieces."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TSHEG = "\u0f0b\u0f0c"  # ends a syllable in Tibetan
JOINERS = "\u200c\u200d"  # zero width, inside words of Persian, Sinhala and others
TIBETAN = range(0x0F00, 0x1000)
UNSPACED = (
    range(0x0E00, 0x0F00),  # Thai, Lao
    range(0x1000, 0x10A0),  # Myanmar
    range(0x1780, 0x1800),  # Khmer
    range(0x2E80, 0x2FE0),  # Han radicals
    range(0x3005, 0x3008),  # Han marks of iteration, zero
    range(0x3040, 0x3100),  # Kana
    range(0x31F0, 0x3200),
    range(0x3400, 0xA000),  # Han, with some signs that are no letters
    range(0xA9E0, 0xAA00),  # Myanmar
    range(0xAA60, 0xAA80),
    range(0xF900, 0xFB00),  # Han
    range(0xFF66, 0xFFA0),  # Kana, half width
    range(0x20000, 0x32400),  # Han
)
GAP, WORD, SIGN, SYLLABLE, RUN = "gap", "word", "sign", "syllable", "run"


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
    """Words as CoNLL files have them: runs of letters, marks and digits, or single signs; Tibetan by syllable."""
    found: list[Word] = []
    before = GAP
    for place, sign in enumerate(text):
        kind = _kind(sign, before)
        if kind != GAP:
            goes_on = kind == before and kind != SIGN
            start = found.pop().start if goes_on else place
            found.append(Word(start, place + 1, kind == RUN))
        before = GAP if sign in TSHEG else kind
    return found


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
            if last.start < last.end <= begin < word.end and not _is_mark(text[begin]):
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


def _is_mark(sign: str) -> bool:
    return unicodedata.category(sign)[0] == "M"


def _kind(sign: str, before: str) -> str:
    group = unicodedata.category(sign)[0]
    if sign in TSHEG:
        return before if before == SYLLABLE else SIGN
    if _is_mark(sign) or sign in JOINERS:
        return before if before not in (GAP, SIGN) else WORD
    if group in "LN":
        code = ord(sign)
        if code in TIBETAN:
            return SYLLABLE
        return RUN if any(code in some for some in UNSPACED) else WORD
    return SIGN if group in "PS" else GAP
