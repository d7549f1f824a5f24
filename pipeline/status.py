"""What has become of the steps of a plan, as far as artifacts, locks, logs and Slurm's queue tell."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..workspace.artifacts import MANIFEST
from ..workspace.locks import is_locked
from .slurm import Job, jobs_in_queue
from .workers import last_line, log_files

if TYPE_CHECKING:
    from .steps import Plan, Step

WAITING, RUNNING, FINISHED = "waiting", "running", "finished"
FAILED, NOT_STARTED = "failed", "not started"  # not started: since a step that it needs failed


@dataclass(frozen=True)
class StepStatus:
    """A step of a plan, and whether it is waiting, running, finished, failed or not started."""

    step: "Step"
    state: str
    job: Job | None
    """Its job in Slurm's queue."""
    log: Path | None
    line: str
    """The last line of its log, if it is running or has failed."""


def status_of(plan: "Plan") -> list[StepStatus]:
    """The status of each step. Raises UserError if steps were submitted to Slurm and its queue cannot be read."""
    jobs = jobs_in_queue(plan)
    statuses: dict[Step, StepStatus] = {}
    for step in plan.steps:
        job = jobs.get(step)
        log = next((file for file in log_files(plan, step) if file.is_file()), None)
        line = last_line(log) if log else ""
        states = {each.state for each in statuses.values()}
        if step.finished or (step.kind == "report" and states.isdisjoint({WAITING, RUNNING}) and _is_new(plan, step)):
            state = FINISHED
        elif job:
            state = WAITING if job.waiting else RUNNING
        elif step.artifact and is_locked(step.artifact.lock):
            state = RUNNING
        elif any(statuses[need].state in (FAILED, NOT_STARTED) for need in step.needs):
            state = NOT_STARTED
        else:
            state = FAILED if line else WAITING
        statuses[step] = StepStatus(step, state, job, log, line if state in (RUNNING, FAILED) else "")
    return [*statuses.values()]


def _is_new(plan: "Plan", report: "Step") -> bool:
    """Whether a report was written after the newest score of the plan."""
    page = report.folder / "index.html" if report.folder else None
    scores = [step.folder / MANIFEST for step in plan.steps if step.kind == "scores" and step.finished and step.folder]
    if page is None or not page.is_file():
        return False
    return all(page.stat().st_mtime >= score.stat().st_mtime for score in scores)
