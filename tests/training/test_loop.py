import itertools
import math
import os
import signal
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from lrl_adapt.training.batches import Step
from lrl_adapt.training.checkpoint import Checkpoints
from lrl_adapt.training.loop import MAX_SKIPPED_STEPS, LoopSettings, Stopped, fit, training_loop
from lrl_adapt.training.metrics_logger import MetricsLogger
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.progress import QUIET
from lrl_adapt.workspace.progress_bars import ProgressBars
from torch import Tensor, nn

TRUE = torch.tensor([1.0, -2.0, 0.5, 3.0])


class Linear(nn.Module):
    """Least squares with dropout: (batch, 4) inputs, the summed squared error as loss."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4))
        self.frozen = nn.Parameter(torch.ones(4), requires_grad=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, input_ids: Tensor, labels: Tensor) -> Tensor:
        return ((self.dropout(input_ids) @ self.weight - labels) ** 2).sum()


class Points:
    """Step n has 64 points of its own; from `bad` on their labels are no numbers."""

    def __init__(self, bad: range = range(0), then=lambda step: None, cut: int = 1) -> None:
        self.bad, self.then, self.cut = bad, then, cut

    def steps(self, start=None):
        for number in itertools.count(1 + (start or {}).get("number", 0)):
            self.then(number)
            inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(number))
            labels = inputs @ TRUE * (math.nan if number in self.bad else 1.0)
            pieces = zip(inputs.chunk(self.cut), labels.chunk(self.cut), strict=True)
            yield Step([{"input_ids": x, "labels": y} for x, y in pieces], 64, 256, {"number": number})


def schedule(**changes) -> LoopSettings:
    settings = {"max_steps": 200, "learning_rate": 0.1, "warmup_steps": 20, "weight_decay": 0.0}
    return LoopSettings(**{**settings, "max_grad_norm": 10.0, "eval_steps": 50, "logging_steps": 10, **changes})


def run(model: Linear, plan: LoopSettings, feed=None, values=None, folder: Path | None = None, progress=QUIET) -> tuple:
    entries: list[dict] = []
    logger = MetricsLogger(
        plan.max_steps,
        plan.logging_steps,
        track=lambda facts, step: entries.append({**facts, "step": step}),
        progress=progress,
    )
    values = values or (lambda: float(((model.weight.detach() - TRUE) ** 2).sum()))
    checkpoints = Checkpoints(folder, save_steps=10, save_total_limit=2) if folder else None
    AcceleratorState._reset_state()  # a test before may have taken bf16, which a process keeps
    accelerator = Accelerator(cpu=True, mixed_precision="no")
    training = training_loop(model, feed or Points(), plan, values, accelerator, logger, checkpoints=checkpoints)
    return fit(training), entries


def test_it_learns_and_leaves_frozen_weights_alone() -> None:
    model = Linear()
    outcome, _ = run(model, schedule())
    torch.testing.assert_close(model.weight.detach(), TRUE, atol=0.05, rtol=0.05)
    assert torch.equal(model.frozen, torch.ones(4))
    assert (outcome.steps, outcome.tokens, outcome.skipped_steps) == (200, 200 * 256, 0)


def test_a_step_in_several_forwards_is_the_same_step() -> None:
    whole, pieces = Linear(), Linear()
    run(whole, schedule(max_steps=30))
    run(pieces, schedule(max_steps=30), Points(cut=3))
    torch.testing.assert_close(whole.weight, pieces.weight, atol=1e-6, rtol=1e-6)


def test_the_last_weights_stay_and_those_of_the_best_step_can_be_put_back() -> None:
    model, snapshots = Linear(), []
    values = iter([5.0, 1.0, 3.0, 2.0, 4.0])

    def value() -> float:
        snapshots.append(model.weight.detach().clone())
        return next(values)

    outcome, _ = run(model, schedule(), values=value)
    assert (outcome.best_step, outcome.best_loss) == (50, 1.0)
    assert torch.equal(model.weight, snapshots[-1])
    outcome.restore_best()
    assert torch.equal(model.weight, snapshots[1])


def test_training_stops_early_after_so_many_validations_without_a_better_one() -> None:
    values = iter([5.0, 4.0, 4.5, 4.2, 0.0])
    outcome, _ = run(Linear(), schedule(early_stopping_patience=2), values=lambda: next(values))
    assert (outcome.steps, outcome.best_step) == (150, 50)


def test_what_is_logged() -> None:
    _, entries = run(Linear(), schedule())
    assert [e["step"] for e in entries if "validation_loss" in e] == [0, 50, 100, 150, 200]
    assert [e["step"] for e in entries if "loss" in e] == list(range(10, 201, 10))
    assert all(e["tokens_per_second"] > 0 for e in entries if "loss" in e)


def test_steps_whose_loss_is_no_number_are_left_out_and_counted() -> None:
    model, clean = Linear(), Linear()
    outcome, entries = run(model, schedule(), Points(bad=range(30, 33)))
    assert outcome.skipped_steps == 3
    assert entries[-2]["skipped"] == 3
    torch.testing.assert_close(model.weight.detach(), TRUE, atol=0.05, rtol=0.05)
    run(clean, schedule())
    assert not torch.equal(model.weight, clean.weight)


def test_a_stop_without_checkpoints_says_that_the_work_starts_again() -> None:
    interrupt = Points(then=lambda step: os.kill(os.getpid(), signal.SIGTERM) if step == 25 else None)
    with pytest.raises(
        Stopped, match=r"^train: stopped after step .*; run the same command again to start this task again$"
    ):
        run(Linear(), schedule(), interrupt)


def test_too_many_of_them_stop_the_run_with_advice() -> None:
    with pytest.raises(
        UserError, match=rf"{MAX_SKIPPED_STEPS} steps .* the last one {MAX_SKIPPED_STEPS}: lower training.learning"
    ):
        run(Linear(), schedule(), Points(bad=range(1000)))


def test_a_resumed_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(Linear(), schedule(max_steps=25), folder=tmp_path, progress=ProgressBars())
    assert "resuming" not in capsys.readouterr().err
    run(Linear(), schedule(max_steps=40), folder=tmp_path, progress=ProgressBars())
    assert capsys.readouterr().err.count("resuming from step 20 of 40\n") == 1


@pytest.mark.parametrize("moment", [1, 25, 50, 199])
@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_weights_to_the_bit(moment: int, tmp_path: Path) -> None:
    straight, broken = Linear(dropout=0.2), Linear(dropout=0.2)
    expected, entries = run(straight, schedule())
    interrupt = Points(then=lambda step: os.kill(os.getpid(), signal.SIGTERM) if step == moment else None)
    with pytest.raises(Stopped, match=r"^train: stopped after step .*; run the same command again to resume$"):
        run(broken, schedule(), interrupt, folder=tmp_path)
    resumed = Linear(dropout=0.2)
    outcome, rest = run(resumed, schedule(), folder=tmp_path)
    assert torch.equal(resumed.weight, straight.weight)
    for one in (expected, outcome):
        one.restore_best()
    assert torch.equal(resumed.weight, straight.weight)
    assert (outcome.best_step, outcome.best_loss, outcome.tokens) == (
        expected.best_step,
        expected.best_loss,
        expected.tokens,
    )
    assert rest[-1] == entries[-1]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    class PowerCutError(Exception):
        pass

    def cut(step: int) -> None:
        if step == 57:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        run(Linear(), schedule(), Points(then=cut), folder=tmp_path)
    assert [file.name for file in sorted(tmp_path.iterdir())] == [
        "step-00000040.safetensors",
        "step-00000050.safetensors",
    ]
    resumed, straight = Linear(), Linear()
    run(resumed, schedule(), folder=tmp_path)
    run(straight, schedule())
    assert torch.equal(resumed.weight, straight.weight)


def test_a_first_validation_that_is_no_number_is_beaten() -> None:
    values = iter([math.nan, 3.0, 4.0])
    outcome, entries = run(Linear(), schedule(max_steps=20, eval_steps=10), values=lambda: next(values))
    assert (outcome.best_step, outcome.best_loss) == (10, 3.0)
    assert entries[0] == {"step": 0}
