"""What has become of the steps of a plan, as far as artifacts, locks, logs and Slurm's queue tell."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..workspace.artifacts import MANIFEST
from ..workspace.errors import UserError
from ..workspace.locks import is_locked
from ..workspace.progress import QUIET, Progress
from .build import build_plan
from .execution import PARTS
from .logs import error_line, last_line, log_files
from .slurm import Job, jobs_in_queue, submitted_plan
from .training import TrainOptions

if TYPE_CHECKING:
    from ..recipes.schema import Recipe
    from .steps import Plan, Step

WAITING, RUNNING, FINISHED, FAILED = "waiting", "running", "finished", "failed"
STOPPED = "stopped"  # it was started, and has neither finished nor failed
NOT_STARTED = "not started"  # since a step that it needs failed or was stopped


@dataclass(frozen=True)
class StepStatus:
    """A step of a plan, and whether it is waiting, running, finished, failed, stopped or not started."""

    step: "Step"
    state: str
    job: Job | None
    """Its job in Slurm's queue."""
    log: Path | None
    line: str
    """The last line of its log, if it is running or was stopped; if it has failed, the error.

    Where an adapter that is being trained has no log, the steps that were made."""


def plan_of_run(runs: "Mapping[str, Recipe]", workspace: Path) -> "Plan":
    """The plan of a run that was started before; data that it needs may be missing now, or have mistakes.

    Where it can no longer be planned, it is the plan that was submitted to Slurm. Raises UserError if there is none.
    """
    try:
        plan = build_plan(runs, workspace, PARTS, TrainOptions(), check_data=False)
    except UserError:
        if submitted := submitted_plan(runs, workspace):
            return submitted
        raise
    return (submitted_plan(runs, workspace) if plan.refused else None) or plan


def status_of(plan: "Plan", progress: Progress = QUIET) -> list[StepStatus]:
    """The status of each step, from the logs and locks alone if Slurm's queue cannot be read, which is said."""
    try:
        jobs = jobs_in_queue(plan)
    except UserError as error:
        progress.say(f"note: {error}; steps whose jobs are running may be shown as waiting or stopped")
        jobs = {}
    statuses: dict[Step, StepStatus] = {}
    for step in plan.steps:
        job = jobs.get(step)
        log = next((file for file in log_files(plan, step) if file.is_file()), None)
        states = {status.state for status in statuses.values()}
        if step.finished or (step.kind == "report" and states.isdisjoint({WAITING, RUNNING}) and _is_new(plan, step)):
            state = FINISHED
        elif job:
            state = WAITING if job.waiting else RUNNING
        elif (step.artifact and is_locked(step.artifact.lock)) or (log and is_locked(log)):
            state = RUNNING
        elif any(statuses[need].state in (FAILED, STOPPED, NOT_STARTED) for need in step.needs):
            state = NOT_STARTED
        else:
            state = _ended_as(log)
        line = {RUNNING: last_line, STOPPED: last_line, FAILED: error_line}.get(state)
        text = line(log) if line and log else ""
        if state == RUNNING and log is None:
            text = _steps_made(plan, step)
        statuses[step] = StepStatus(step, state, job, log, text)
    return [*statuses.values()]


def _steps_made(plan: "Plan", step: "Step") -> str:
    """The progress of an adapter without a log of its own: trained together with others, or by a run without --jobs."""
    if step.kind != "adapter" or step.artifact is None:
        return ""
    try:
        metrics = json.loads(last_line(step.artifact.resume_dir / "metrics.jsonl"))
        return f"step {metrics['step']:,} of {plan.runs[step.runs[0]].training.max_steps:,}"
    except (ValueError, KeyError):  # none yet, or a line that is being written
        return ""


def _ended_as(log: Path | None) -> str:
    """The state of a step that is neither finished nor running."""
    if log and error_line(log):
        return FAILED
    return STOPPED if log and last_line(log) else WAITING


def _is_new(plan: "Plan", report: "Step") -> bool:
    """Whether a report was written after the newest score of the plan."""
    page = report.folder / "index.html" if report.folder else None
    scores = [step.folder / MANIFEST for step in plan.steps if step.kind == "scores" and step.finished and step.folder]
    if page is None or not page.is_file():
        return False
    return all(page.stat().st_mtime >= score.stat().st_mtime for score in scores)
