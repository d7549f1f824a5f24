"""The logs of a plan's steps, in the workspace's folder `logs`: where they are, and what their last lines say."""

import hashlib
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..workspace.locks import is_locked

if TYPE_CHECKING:
    from .steps import Plan, Step

LOGS = "logs"
"""Folder of the workspace."""
TAIL_BYTES = 4096
ERROR = "error: "
"""How the line with the error of a step begins."""


def log_file(plan: "Plan", step: "Step") -> Path:
    """Where a log of the step is written: by the folder of its artifact, or by its title while that is not known."""
    return log_files(plan, step)[0]


def log_files(plan: "Plan", step: "Step") -> list[Path]:
    """Where a log of the step may be: by the folder of its artifact, and as before that folder was known."""
    if step.kind == "report" and step.folder:
        names = [f"{step.folder.relative_to(plan.workspace)}-{_hash_of_results(plan)}"]
    else:
        # steps of one plan may share a title, those of several recipes also the number
        title = re.sub(r"[^\w.-]+", "-", step.details)
        needs = [need.folder.name for need in step.needs if need.folder]
        names = [f"{step.kind}/{'-'.join([title, str(plan.steps.index(step) + 1), *needs])}"]
        if step.folder:
            names.insert(0, str(step.folder.relative_to(plan.workspace)))
    return [plan.workspace / LOGS / f"{name}.log" for name in names]


def number_file(log: Path) -> Path:
    """Where the number of the Slurm job that writes the log is kept until the job ends."""
    return log.with_suffix(".job")


def restarts_file(log: Path) -> Path:
    """Where a Slurm job keeps how often it was started again since its last checkpoint."""
    return log.with_suffix(".restarts")


def delete_old_logs(plan: "Plan") -> None:
    """Delete the logs of unfinished steps, except of those that another command or a job is making."""
    for step in plan.steps:
        for log in [] if step.finished else log_files(plan, step):
            if not number_file(log).exists() and not is_locked(log):
                with suppress(OSError):
                    log.unlink()


def log_error(log: Path, reason: str) -> None:
    """Write the error of a step to its log, unless the log has it or cannot be written."""
    if not error_line(log):
        with suppress(OSError):
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a", encoding="utf-8") as file:
                file.write(f"{ERROR}{reason}\n")


def last_line(log: Path) -> str:
    """The last line of a log that is not empty; "" if there is none, or the log was deleted."""
    return next((line.strip() for line in reversed(_last_lines(log)) if line.strip()), "")


def error_line(log: Path) -> str:
    """The line with the error, if the step has failed; other lines may follow it."""
    return next((line.strip() for line in reversed(_last_lines(log)) if line.startswith(ERROR)), "")


def _last_lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            return file.read().decode(errors="replace").split("\n")
    except OSError:
        return []


def _hash_of_results(plan: "Plan") -> str:
    """A hash of a plan's adapters and scores: recipes in the same language share a report, but not the job for it."""
    names = sorted(step.folder.name for step in plan.steps if step.kind in ("adapter", "scores") and step.folder)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]
