import itertools
import math

import pytest
import torch
from accelerate import Accelerator
from lrl_adapt.recipes.errors import UserError
from lrl_adapt.training.loop import Schedule, choose_precision, fit
from torch import Tensor, nn

INPUTS = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
TRUE = torch.tensor([1.0, -2.0, 0.5, 3.0])


class Linear(nn.Module):
    """Least squares: (batch, 4) inputs, the mean squared error as loss."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4))
        self.frozen = nn.Parameter(torch.ones(4), requires_grad=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return ((input_ids @ self.weight - input_ids @ TRUE) ** 2).mean()


def schedule(**changes) -> Schedule:
    settings = {"max_steps": 200, "learning_rate": 0.1, "warmup_steps": 20, "weight_decay": 0.0}
    return Schedule(**{**settings, "clip_norm": 10.0, "eval_every": 50, "log_every": 10, **changes})


def run(model: Linear, plan: Schedule, values=None, batch=None) -> tuple:
    entries: list[dict] = []
    batch = batch or {"input_ids": INPUTS, "attention_mask": torch.ones(64, 4, dtype=torch.long)}
    values = values or (lambda: float(model(**batch).detach()))
    outcome = fit(model, itertools.repeat(batch), plan, values, Accelerator(), log=entries.append)
    return outcome, entries


def test_it_learns_and_leaves_frozen_weights_alone() -> None:
    model = Linear()
    outcome, _ = run(model, schedule())
    torch.testing.assert_close(model.weight.detach(), TRUE, atol=0.05, rtol=0.05)
    assert torch.equal(model.frozen, torch.ones(4))
    assert outcome.best_step in (150, 200)


def test_the_weights_of_the_best_step_are_put_back() -> None:
    model, snapshots = Linear(), []
    values = iter([5.0, 1.0, 3.0, 2.0, 4.0])

    def value() -> float:
        snapshots.append(model.weight.detach().clone())
        return next(values)

    outcome, _ = run(model, schedule(), value)
    assert (outcome.best_step, outcome.best_value) == (50, 1.0)
    assert torch.equal(model.weight, snapshots[1])
    assert not torch.equal(model.weight, snapshots[-1])


def test_the_rate_rises_then_falls_to_zero() -> None:
    _, entries = run(Linear(), schedule(max_steps=100, log_every=1))
    rates = [entry["learning_rate"] for entry in entries if "learning_rate" in entry]
    assert rates[:20] == pytest.approx([0.1 * step / 20 for step in range(1, 21)])
    assert rates[20:] == pytest.approx([0.1 * (100 - step) / 80 for step in range(20, 100)])


def test_what_is_logged() -> None:
    _, entries = run(Linear(), schedule())
    assert [e["step"] for e in entries if "validation_loss" in e] == [0, 50, 100, 150, 200]
    assert [e["step"] for e in entries if "loss" in e] == list(range(10, 201, 10))
    assert all(e["tokens_per_second"] > 0 for e in entries if "loss" in e)


def test_a_loss_that_is_no_number_stops_with_advice() -> None:
    batch = {"input_ids": INPUTS * math.inf, "attention_mask": torch.ones(64, 4, dtype=torch.long)}
    with pytest.raises(UserError, match="step 10 is nan: lower the learning rate"):
        run(Linear(), schedule(), lambda: 0.0, batch)


def test_precision_is_chosen_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_precision("auto") == ("no", "fp32: no GPU with bf16")
    assert choose_precision("fp32")[0] == "no"
    assert choose_precision("bf16") == ("bf16", "bf16: CPU, as asked")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")
    for capability, expected in (((9, 0), "bf16"), ((7, 5), "no")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda c=capability: c)
        assert choose_precision("auto")[0] == expected
