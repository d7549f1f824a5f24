"""Learning-rate schedules.

A new one that depends on the remaining share of the steps alone is an entry in `FACTORS`, any other a branch in
`learning_rate`; its name goes into `LrSchedulerType` in recipes/training.py.
"""

import math
from collections.abc import Callable

from ..recipes.training import LrSchedulerType

# The factor on the peak learning rate, by the share of the steps after the warm-up that is still to come (1 to 0).
FACTORS: dict[LrSchedulerType, Callable[[float], float]] = {
    "linear": lambda remaining: remaining,
    "cosine": lambda remaining: (1 - math.cos(math.pi * remaining)) / 2,
    "constant_with_warmup": lambda remaining: 1.0,
}


def learning_rate(
    step: int, *, peak: float, warmup_steps: int, max_steps: int, lr_scheduler_type: LrSchedulerType
) -> float:
    """The learning rate of optimizer step `step`, counted from 1: linear warm-up to `peak`, then the schedule.

    After the warm-up the values are those of `transformers.get_scheduler`. During it they are one step ahead: there the
    first step has rate 0 and trains nothing. A pure function of the step needs no state in checkpoints.
    """
    completed = step - 1
    if completed < warmup_steps:
        return peak * step / warmup_steps
    remaining = max(0.0, (max_steps - completed) / max(1, max_steps - warmup_steps))
    return peak * FACTORS[lr_scheduler_type](remaining)
