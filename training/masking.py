"""Choosing which tokens a masked language model must guess (Devlin et al. 2019, section 3.1)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

MASKED, RANDOM = 0.8, 0.1  # of the chosen tokens; the rest stay as they are
IGNORED = -100  # the label of a place where nothing is asked


@dataclass(frozen=True)
class Masking:
    """What masking needs to know of a tokenizer."""

    mask_id: int
    special_ids: np.ndarray
    """Ids that are never chosen: [CLS], [SEP], padding, and [UNK], which is easy to guess and teaches nothing."""
    vocab_size: int
    probability: float
    continues: np.ndarray | None = None
    """(vocabulary,) true for pieces that go on with a word: a word is masked whole. None: each piece by itself."""

    @classmethod
    def of(cls, tokenizer: Any, probability: float, *, whole_words: bool = False) -> "Masking":
        """Take the ids from a tokenizer."""
        special = np.array(tokenizer.all_special_ids)
        continues = _continues(tokenizer) if whole_words else None
        return cls(tokenizer.mask_token_id, special, len(tokenizer), probability, continues)

    def apply(self, ids: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Ids (tokens,), of one or several sequences -> masked ids and labels, (tokens,): the true id or -100."""
        special = np.isin(ids, self.special_ids)
        chance = random.random(len(ids), dtype=np.float32)
        if self.continues is not None:
            starts = ~self.continues[ids] | special
            starts[1:] |= special[:-1]
            chance = chance[np.cumsum(starts) - starts[0]]
        chosen = (chance < self.probability) & ~special
        fate = random.random(len(ids), dtype=np.float32)
        random_ids = random.integers(self.vocab_size, size=len(ids))
        masked = np.where(chosen & (fate < MASKED), self.mask_id, ids)
        masked = np.where(chosen & (fate >= MASKED) & (fate < MASKED + RANDOM), random_ids, masked)
        return masked, np.where(chosen, ids, IGNORED)


def random_for(*numbers: int) -> np.random.Generator:
    """A random generator that depends on these numbers alone, such as (seed, epoch, batch)."""
    return np.random.default_rng(numbers)


def _continues(tokenizer: Any) -> np.ndarray:
    """By the tokenizer's own signs: ## before a piece that goes on (WordPiece), ▁ or Ġ before one that begins."""
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    if any(piece.startswith("##") for piece in pieces):
        return np.array([piece.startswith("##") for piece in pieces])
    return np.array([not piece.startswith(("▁", "Ġ")) for piece in pieces])
