"""Learning rates against their formulas and transformers' schedulers."""

import math

import pytest
import torch
from lrl_adapt.training.lr_scheduler import FACTORS, learning_rate
from transformers import get_scheduler


def rates(lr_scheduler_type: str, *, max_steps: int = 100, warmup_steps: int = 20, peak: float = 0.1) -> list[float]:
    settings = {"peak": peak, "warmup_steps": warmup_steps, "max_steps": max_steps}
    return [learning_rate(step, **settings, lr_scheduler_type=lr_scheduler_type) for step in range(1, max_steps + 1)]


def test_the_rate_rises_to_its_peak_then_follows_the_schedule() -> None:
    for lr_scheduler_type in FACTORS:
        assert rates(lr_scheduler_type)[:20] == [0.1 * step / 20 for step in range(1, 21)]
    assert rates("linear")[20:] == [0.1 * ((100 - step) / 80) for step in range(20, 100)]
    assert rates("cosine")[20:] == pytest.approx([0.05 * (1 + math.cos(math.pi * step / 80)) for step in range(80)])
    assert set(rates("constant_with_warmup")[20:]) == {0.1}


@pytest.mark.parametrize("lr_scheduler_type", FACTORS)
@pytest.mark.parametrize("warmup_steps", [0, 20])
def test_after_the_warm_up_the_rates_are_those_of_transformers(lr_scheduler_type: str, warmup_steps: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = get_scheduler(lr_scheduler_type, optimizer, warmup_steps, 100)
    theirs = []
    for _ in range(100):
        theirs.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    ours = rates(lr_scheduler_type, warmup_steps=warmup_steps)
    assert ours[warmup_steps:] == pytest.approx(theirs[warmup_steps:], abs=1e-12)
    assert ours[: max(0, warmup_steps - 1)] == pytest.approx(theirs[1:warmup_steps], abs=1e-12)  # one step ahead
