"""How long and how fast to train."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from ..recipes.training import LrSchedulerType


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Numbers of steps are optimiser steps."""

    max_steps: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    clip_norm: float
    eval_every: int
    log_every: int
    shape: LrSchedulerType = "linear"
    patience: int | None = None
    """Stop after so many validations without a better one."""
    seed: int = 0
    """Dropout depends on (seed, step, process) alone, so a resumed run drops what the first would have dropped."""

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 1: rises over the warm-up, then takes its shape."""
        done = step - 1
        if done < self.warmup_steps:
            return self.learning_rate * step / self.warmup_steps
        left = max(0.0, (self.max_steps - done) / max(1, self.max_steps - self.warmup_steps))
        factor = {"linear": left, "cosine": (1 - math.cos(math.pi * left)) / 2, "constant_with_warmup": 1.0}[self.shape]
        return self.learning_rate * factor

    def optimizer(self, parameters: Iterable[nn.Parameter]) -> torch.optim.AdamW:
        """AdamW; weight decay for matrices alone, as in BERT: no biases, no LayerNorm."""
        given = list(parameters)
        groups = [
            {"params": [p for p in given if p.dim() > 1], "weight_decay": self.weight_decay},
            {"params": [p for p in given if p.dim() <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW([group for group in groups if group["params"]], self.learning_rate, fused=True)
