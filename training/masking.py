"""Choosing which tokens a masked language model must predict (Devlin et al. 2019, section 3.1)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .tokens import line_break

# Of the chosen tokens 80% become [MASK], 10% a random token and 10% stay as they are (Devlin et al. 2019). Raise
# `ADAPTER_CACHE_VERSION` in artifacts.py if you change them; the description of mlm_probability names them, too.
MASK_FRACTION, RANDOM_FRACTION = 0.8, 0.1
IGNORE_INDEX = -100  # label of tokens without a prediction: the default `ignore_index` of PyTorch's cross-entropy


@dataclass(frozen=True)
class Masking:
    """What masking needs to know of a tokenizer."""

    mask_token_id: int
    special_ids: np.ndarray
    """Ids that are never chosen: [CLS], [SEP], padding, and [UNK], which is easy to predict and teaches nothing."""
    vocab_size: int
    mlm_probability: float
    is_continuation: np.ndarray | None = None
    """(vocabulary,) true for pieces that continue a word, for whole-word masking; None masks each piece by itself."""
    line_break_ids: tuple[int, ...] = ()
    """Ids that stand between joined lines; for whole-word masking."""

    @classmethod
    def from_tokenizer(cls, tokenizer: Any, mlm_probability: float, *, whole_word_mask: bool = False) -> "Masking":
        """The masking for a tokenizer of transformers."""
        special_ids = np.array(tokenizer.all_special_ids)
        is_continuation = _continuation_pieces(tokenizer) if whole_word_mask else None
        line_break_ids = tuple(line_break(tokenizer)) if whole_word_mask else ()
        return cls(
            tokenizer.mask_token_id, special_ids, len(tokenizer), mlm_probability, is_continuation, line_break_ids
        )

    def apply(self, ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Ids (tokens,) of one or several sequences -> masked ids and labels, (tokens,): the true id or -100."""
        special = np.isin(ids, self.special_ids)
        draw = rng.random(len(ids), dtype=np.float32)
        if self.is_continuation is not None:
            # One draw decides for a whole word. cumsum numbers the words, and all pieces of word n take draw n. A
            # special token or a line break is a word by itself, and a word begins after it, even with a piece that
            # looks like a continuation: of a word that was cut at the end of the sequence before, or of the line before
            # where pieces mark only spaces.
            alone = special | np.isin(ids, self.line_break_ids)
            word_starts = ~self.is_continuation[ids] | alone
            word_starts[1:] |= alone[:-1]
            draw = draw[np.cumsum(word_starts) - word_starts[0]]
        chosen = (draw < self.mlm_probability) & ~special
        replacement = rng.random(len(ids), dtype=np.float32)
        random_ids = rng.integers(self.vocab_size, size=len(ids))
        to_mask = chosen & (replacement < MASK_FRACTION)
        to_random = chosen & (replacement >= MASK_FRACTION) & (replacement < MASK_FRACTION + RANDOM_FRACTION)
        masked = np.where(to_random, random_ids, np.where(to_mask, self.mask_token_id, ids))
        return masked, np.where(chosen, ids, IGNORE_INDEX)


def random_for(*numbers: int) -> np.random.Generator:
    """A random generator that depends on these numbers alone, such as (seed, epoch, batch)."""
    return np.random.default_rng(numbers)


def _continuation_pieces(tokenizer: Any) -> np.ndarray:
    """(vocabulary,) true for pieces that continue a word.

    WordPiece marks them with ##; SentencePiece and byte-level BPE mark the pieces that begin a word, with ▁ or Ġ.
    """
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    if any(piece.startswith("##") for piece in pieces):
        return np.array([piece.startswith("##") for piece in pieces])
    return np.array([not piece.startswith(("▁", "Ġ")) for piece in pieces])
