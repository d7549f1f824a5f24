"""Splits a text into the units that get a label: words, punctuation, and tokens in scripts without spaces.

Words are those of `workspace.words`; a run in a script without spaces (Thai, Chinese, ...) is cut where the tokenizer
cuts it.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..workspace.scripts import TIBETAN
from ..workspace.words import JOINERS, PUNCTUATION, UNSPACED_RUN, kind_of, split_words


@dataclass(frozen=True)
class Unit:
    """Characters `start` to `end` of a text, which get one label: that of the token at index `token`."""

    start: int
    end: int
    token: int


def words_as_in_text(words: Sequence[str], tokenizer: Any) -> list[str]:
    """The words in the form in which their tokens, word by word, are those of running text.

    WordPiece and SentencePiece mark by themselves where a word begins. The byte-level BPE of RoBERTa and ModernBERT and
    the byte-fallback BPE of mmBERT mark the space before a word instead, so for them each word but the first gets one.
    No space stands beside a word of a script that puts none between words (Thai, Chinese, ...) or syllables (Tibetan).
    Punctuation after such a word counts as part of that script.
    """
    if _marks_words(tokenizer):
        return list(words)
    in_text: list[str] = []
    previous_unspaced: bool | None = None  # before the first word
    for word in words:
        if not word:  # nothing was left of it when the text was normalised
            in_text.append(word)
            continue
        unspaced = _is_unspaced(word) or (previous_unspaced is True and kind_of(word) == PUNCTUATION)
        in_text.append(f" {word}" if previous_unspaced is False and not unspaced else word)
        previous_unspaced = unspaced
    return in_text


@lru_cache(maxsize=1)
def _marks_words(tokenizer: Any) -> bool:
    """Whether words given one by one have the tokens of running text."""
    one_by_one = tokenizer(["a", "a"], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    return one_by_one == tokenizer("a a", add_special_tokens=False)["input_ids"]


def label_units(text: str, tokenizer: Any) -> tuple[list[int], list[Unit]]:
    """The token ids of a text, without special tokens, and the units to label.

    Words are tokenised one by one, as those of labelled files are, and labelled by their first token. In scripts
    without spaces each token is a unit.
    """
    words = split_words(text)
    if not words:
        return [], []
    encoded = tokenizer(
        words_as_in_text([text[word.start : word.end] for word in words], tokenizer),
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


def _is_unspaced(word: str) -> bool:
    """Whether a word is of a script that puts no spaces between words or syllables."""
    return kind_of(word) == UNSPACED_RUN or ord(word[0]) in TIBETAN


def _is_dependent(character: str) -> bool:
    """Whether a character cannot stand without the one before it."""
    return unicodedata.category(character)[0] == "M" or character in JOINERS
