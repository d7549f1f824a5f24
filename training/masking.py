"""Choosing which tokens a masked language model must guess (Devlin et al. 2019, section 3.1)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .data import IGNORED, Batch

MASKED, RANDOM = 0.8, 0.1  # of the chosen tokens; the rest stay as they are


@dataclass(frozen=True)
class Masking:
    """What masking needs to know of a tokenizer."""

    mask_id: int
    special_ids: Tensor
    """Ids that are never chosen: [CLS], [SEP], padding, and [UNK], which is easy to guess and teaches nothing."""
    vocab_size: int
    probability: float

    @classmethod
    def of(cls, tokenizer: Any, probability: float) -> "Masking":
        """Take the ids from a tokenizer."""
        return cls(tokenizer.mask_token_id, torch.tensor(tokenizer.all_special_ids), len(tokenizer), probability)

    def apply(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The batch with masked `input_ids` and `labels` (batch, seq): the true id where chosen, else -100."""
        ids = batch["input_ids"]
        chance = torch.rand(ids.shape, generator=generator)
        chosen = (chance < self.probability) & ~torch.isin(ids, self.special_ids)
        fate = torch.rand(ids.shape, generator=generator)
        random_ids = torch.randint(self.vocab_size, ids.shape, generator=generator)
        masked = torch.where(chosen & (fate < MASKED), torch.full_like(ids, self.mask_id), ids)
        masked = torch.where(chosen & (fate >= MASKED) & (fate < MASKED + RANDOM), random_ids, masked)
        return {**batch, "input_ids": masked, "labels": torch.where(chosen, ids, torch.full_like(ids, IGNORED))}


def generator_for(*numbers: int) -> torch.Generator:
    """A random generator that depends on these numbers alone, such as (seed, epoch, batch)."""
    state = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(state % 2**63)
