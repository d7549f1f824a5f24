"""A job of a Slurm cluster, which makes one step of a plan: `python -m lrl_adapt.pipeline.slurm_job PLAN NUMBER`.

Slurm sends SIGTERM before the time limit, before it gives the GPU to a more important job, and when the job is
cancelled. Training then writes a checkpoint. A job that still counts as running asks Slurm to start it again later.
"""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..training import launch
from ..workspace.errors import UserError
from ..workspace.machine import CORES_VARIABLE
from ..workspace.progress_bars import ProgressBars
from .logs import ERROR, log_file, number_file, restarts_file
from .outcome import BUG, USER, exit_code_of
from .slurm import read_plan, run_command
from .worker import FAILED, make_step

if TYPE_CHECKING:
    from .steps import Step

MAX_RESTARTS = 3
"""How often a job is started again without a new checkpoint: Slurm's time limit may be too short for the step."""


def main() -> None:
    """Make the step; the exit code tells Slurm whether that succeeded."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # except in training, which has its own handler
    os.environ[CORES_VARIABLE] = os.environ.get("SLURM_CPUS_PER_TASK", "")
    os.environ.update(launch.threads_of(int(os.environ.get("SLURM_GPUS_ON_NODE") or 1), os.environ))
    try:
        plan = read_plan(Path(sys.argv[1]))
        step = plan.steps[int(sys.argv[2])]
        sys.exit(_exit_code(step, log_file(plan, step)))
    except UserError as error:
        _say(f"{ERROR}{error}")
        sys.exit(USER)


def _exit_code(step: "Step", log: Path) -> int:
    """Make the step, and return the exit code."""
    before = _checkpoints(step)
    try:
        kind, content = make_step(step.make, ProgressBars())
    except KeyboardInterrupt as stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Slurm repeats it
        _say(str(stop).partition("; run the same command again")[0] or "stopped")
        _say(_start_again(log, progressed=_checkpoints(step) != before))
        return BUG
    _delete_files(log)
    return exit_code_of(content) if kind == FAILED else 0


def _start_again(log: Path, *, progressed: bool) -> str:
    """Let Slurm queue this job again, unless it was cancelled or Slurm does that itself; returns a line for the log."""
    number = os.environ["SLURM_JOB_ID"]
    if run_command("squeue", "--noheader", "--format=%T", f"--jobs={number}") != "RUNNING":
        return "stopped by Slurm"
    file = restarts_file(log)
    restarts = 0 if progressed else 1 + (int(file.read_text(encoding="utf-8")) if file.exists() else 0)
    if restarts > MAX_RESTARTS:
        _delete_files(log)
        return f"{ERROR}stopped {restarts} times in a row without a new checkpoint: set a longer slurm.time"
    file.write_text(str(restarts), encoding="utf-8")
    run_command("scontrol", "requeue", number)
    return "waits in the queue to be started again"


def _delete_files(log: Path) -> None:
    """Delete what is known of this job, which ends now."""
    for file in (number_file(log), restarts_file(log)):
        file.unlink(missing_ok=True)


def _checkpoints(step: "Step") -> set[str]:
    return {file.name for file in step.artifact.resume_dir.glob("step-*")} if step.artifact else set()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
