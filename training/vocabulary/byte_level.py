"""Byte-level BPE (GPT-2, RoBERTa, ModernBERT): new merges, which come after the base's own.

BPE applies its merges in their order (Sennrich et al. 2016, https://aclanthology.org/P16-1162), so new ones work on the
pieces that the base's leave: text to which no new merge applies is split as before. Pieces are spelled with a letter
for each byte (https://github.com/openai/gpt-2/blob/master/src/encoder.py).
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

from ..wordpiece import Pair, merge_most_frequent
from .splitter import Splitter

SPACE = "Ġ"  # the letter of the space, which begins the pieces that begin a word
CONTINUATION_BYTES = frozenset(range(0x80, 0xC0))  # of UTF-8: all bytes of a character but its first


def is_byte_level(tokenizer: Any) -> bool:
    """Whether a tokenizer, of transformers, is byte-level BPE; BPE that falls back to bytes is another kind."""
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    is_bpe = type(getattr(backend, "model", None)).__name__ == "BPE"
    return is_bpe and "ByteLevel" in repr(backend.pre_tokenizer) and not backend.model.byte_fallback


@cache
def _byte_of_letter() -> dict[str, int]:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return {letter: number for number, letter in bytes_to_unicode().items()}


def _bytes(piece: str) -> bytes:
    return bytes(_byte_of_letter()[letter] for letter in piece.removeprefix(SPACE) if letter in _byte_of_letter())


def decode_piece(piece: str) -> str:
    """The text of a piece without the space before a word, and without characters that it has only in part."""
    return _bytes(piece).decode("utf-8", "ignore")


class BpeSplitter(Splitter):
    """A byte-level BPE with pieces that are made by merges after the base's."""

    kind = "BPE"

    def __init__(self, model: Mapping[str, Any], new: Mapping[str, Pair]) -> None:
        """`model` is that of a tokenizer.json, `new` the two parts of each new piece."""
        from tokenizers import models

        self._state, self._new = model, new
        merges: list[Any] = [tuple(pair.split(" ") if isinstance(pair, str) else pair) for pair in model["merges"]]
        # RoBERTa's ids have no holes, but those of others may
        first = max(model["vocab"].values()) + 1
        vocab = model["vocab"] | {piece: number for number, piece in enumerate(new, first)}
        options = {"ignore_merges": True} if model.get("ignore_merges") else {}
        self._model: Any = models.BPE(vocab, [*merges, *new.values()], **options)

    def with_pieces(self, pieces: Mapping[str, Any]) -> "BpeSplitter":
        """The same with more pieces, each with its two parts."""
        return BpeSplitter(self._state, {**self._new, **pieces})

    def split(self, word: str) -> list[str | None]:
        """The pieces of a word; none is unknown."""
        return [token.value for token in self._model.tokenize(word)]

    def length(self, piece: str) -> int:
        """The number of characters that begin in a piece."""
        return sum(byte not in CONTINUATION_BYTES for byte in _bytes(piece))

    def is_partial(self, piece: str) -> bool:
        """Whether a piece begins inside a character."""
        return not CONTINUATION_BYTES.isdisjoint(_bytes(piece)[:1])

    def buildable(self, pieces: Mapping[str, Any]) -> dict[str, Any]:
        """Those whose parts are the base's, or among them before."""
        kept: dict[str, Any] = {}
        for piece, parts in pieces.items():
            if all(part in self._state["vocab"] or part in kept for part in parts):
                kept[piece] = parts
        return kept


def learn_merged_pieces(
    splitter: BpeSplitter, known: Collection[str], words: Counter[str], most: int
) -> dict[str, Pair]:
    """At most `most` pieces that are not in `known`, each with its two parts, for counted words.

    They are made by merging the most frequent neighbours among the base's pieces, so a piece is made in one way only.
    """
    spelling = {word: [piece for piece in splitter.split(word) if piece] for word in sorted(words)}
    pieces: dict[str, Pair] = {}
    taken = set(known)
    for left, right in merge_most_frequent(spelling, words, _join, lambda pair: _join(pair) in taken):
        if len(pieces) == most:
            break
        pieces[left + right] = (left, right)
        taken.add(left + right)
    return pieces


def _join(pair: Sequence[str]) -> str:
    return "".join(pair)
