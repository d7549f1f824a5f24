"""Splitting words into pieces by a model that is quick to build: one with the pieces that the words can hold."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ..base import LONGEST_WORD
from ..wordpiece import CONTINUATION

WORD_START = "▁"  # SentencePiece's mark before a piece that begins a word


class Splitter:
    """A WordPiece or Unigram model with pieces and their log-probabilities, which only Unigram uses."""

    def __init__(self, kind: str, scores: Mapping[str, float], unknown: str) -> None:
        from tokenizers import models

        self.kind, self.scores, self._unknown = kind, scores, unknown
        pieces = [unknown, *(piece for piece in scores if piece != unknown)]
        if kind == "WordPiece":
            vocab = {piece: number for number, piece in enumerate(pieces)}
            self._model: Any = models.WordPiece(vocab, unk_token=unknown, max_input_chars_per_word=LONGEST_WORD)
        else:
            self._model = models.Unigram([(piece, scores.get(piece, 0.0)) for piece in pieces], unk_id=0)

    @classmethod
    def of_tokenizer(cls, state: Mapping[str, Any], words: Iterable[str]) -> "Splitter":
        """The model in `state`, a tokenizer.json's content, for words of the same characters as these."""
        model = state["model"]
        if model["type"] == "WordPiece":
            return cls("WordPiece", dict.fromkeys(model["vocab"], 0.0), model["unk_token"])
        characters = set().union(*words)
        entries = model["vocab"]
        scores = {piece: score for piece, score in entries if characters.issuperset(piece)}
        # what an unknown character costs depends on the lowest score of all
        lowest, score = min(entries, key=lambda entry: entry[1])
        return cls("Unigram", {**scores, lowest: score}, entries[model["unk_id"]][0])

    def with_pieces(self, pieces: Mapping[str, Any]) -> "Splitter":
        """The same with more pieces."""
        return Splitter(self.kind, {**self.scores, **pieces}, self._unknown)

    def split(self, word: str) -> list[str | None]:
        """The pieces of a word, which is in the form that `count_words` gives; None stands for an unknown one."""
        return [token.value if token.id else None for token in self._model.tokenize(word)]

    def length(self, piece: str) -> int:
        """The number of characters in a piece or word."""
        return len(bare(piece))

    def is_partial(self, piece: str) -> bool:
        """Whether a piece begins inside a character."""
        return False

    def buildable(self, pieces: Mapping[str, Any]) -> dict[str, Any]:
        """Those new pieces that can be used without others: all of them, except in BPE."""
        return dict(pieces)

    def count_pieces(self, words: Counter[str]) -> Counter[str | None]:
        """How often each piece occurs in counted words."""
        used: Counter[str | None] = Counter()
        for word, count in words.items():
            for piece in self.split(word):
                used[piece] += count
        return used


def bare(piece: str) -> str:
    """A piece without the marks that say whether it begins or continues a word."""
    return piece.removeprefix(CONTINUATION).removeprefix(WORD_START)
