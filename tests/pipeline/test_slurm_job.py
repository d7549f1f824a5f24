"""What one Slurm job does: its step, its exit code, and whether it is queued again."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.pipeline import slurm, slurm_job
from lrl_adapt.pipeline.slurm import read_plan, submit
from lrl_adapt.pipeline.steps import Step
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.progress import QUIET, Progress

from ..said import Said
from ..slurm_commands import Commands
from .slurm_plans import RUNS, Steps, step


def test_a_job_of_another_version_is_an_error(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "__version__", "0.0.1")
    submit(Steps().plan, QUIET)
    monkeypatch.setattr(slurm, "__version__", "0.0.2")
    (plan_file,) = (RUNS / "logs" / "plans").iterdir()
    with pytest.raises(UserError, match=r"lrl-adapt 0\.0\.1 submitted this job, and 0\.0\.2 is installed now"):
        read_plan(plan_file)


def stop(checkpoint: Path | None, progress: Progress) -> None:
    """Training that is asked to stop."""
    if checkpoint:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.touch()
    raise KeyboardInterrupt("seq_bn: stopped after step 10; run the same command again to resume")


@pytest.fixture
def adapter(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> Step:
    """The step of job 77, which is running."""
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setattr(slurm_job.signal, "signal", lambda *_: None)
    commands.set_state("RUNNING\n")
    return step("adapter", "swh")


LOG = Path("adapter.log")


def run_until_stopped(adapter: Step, *, checkpoint: str = "") -> int:
    adapter.make = partial(stop, adapter.artifact.resume_dir / checkpoint if checkpoint else None)
    return slurm_job._exit_code(adapter, LOG)


@pytest.mark.parametrize("state", ["COMPLETING", "PENDING"])  # it was cancelled; Slurm has queued it again itself
def test_a_job_that_slurm_stops_is_not_queued_again(
    commands: Commands, adapter: Step, capfd: pytest.CaptureFixture[str], state: str
) -> None:
    commands.set_state(f"{state}\n")
    assert run_until_stopped(adapter, checkpoint="step-1") == 1
    assert commands.said_to("controlled") == []
    assert capfd.readouterr().err.splitlines() == ["seq_bn: stopped after step 10", "stopped by Slurm"]


def test_a_job_is_queued_again_until_it_stops_four_times_in_a_row_without_a_checkpoint(
    commands: Commands, adapter: Step, capfd: pytest.CaptureFixture[str]
) -> None:
    LOG.with_suffix(".job").write_text("77")
    for checkpoint in ("step-1", "step-2", "", "", "", "step-3", "", "", ""):
        assert run_until_stopped(adapter, checkpoint=checkpoint) == 1
        assert capfd.readouterr().err.splitlines() == [
            "seq_bn: stopped after step 10",
            "waits in the queue to be started again",
        ]
    assert commands.said_to("controlled") == ["requeue 77"] * 9
    assert LOG.with_suffix(".job").exists()
    assert run_until_stopped(adapter) == 1
    assert commands.said_to("controlled") == ["requeue 77"] * 9
    assert capfd.readouterr().err.splitlines()[-1] == (
        "error: stopped 4 times in a row without a new checkpoint: set a longer slurm.time"
    )
    assert not LOG.with_suffix(".job").exists()


def fail(progress: Progress) -> None:
    raise UserError("no such file")


def test_the_exit_code_of_a_job_is_that_of_its_step(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert slurm_job._exit_code(Step("scores", "x", None, Said().say), LOG) == 0
    assert slurm_job._exit_code(Step("scores", "x", None, fail), LOG) == 2
    assert slurm_job._exit_code(Step("scores", "x", None, lambda progress: 1 / 0), LOG) == 1
    assert "error: no such file" in capfd.readouterr().err.splitlines()


@pytest.mark.parametrize("make_it", [Said().say, fail])
def test_the_number_of_a_job_that_has_ended_is_deleted(folder: Path, make_it: Any) -> None:
    LOG.with_suffix(".job").write_text("77")
    slurm_job._exit_code(Step("scores", "x", None, make_it), LOG)
    assert not LOG.with_suffix(".job").exists()
