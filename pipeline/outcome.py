"""What a plan made, what failed and why, and what was therefore not started."""

import errno
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..training.launch import ProcessesFailedError
from ..workspace.artifacts import Artifact
from ..workspace.errors import UserError

if TYPE_CHECKING:
    from ..eval.scores import Score

USER, BUG = 2, 1
"""Exit codes."""
FULL_OR_READ_ONLY = (errno.ENOSPC, errno.EROFS, errno.EDQUOT)


@dataclass(frozen=True)
class Failure:
    """A step that failed, or a run that could not start."""

    what: str
    """The step's kind and details; "" for a whole run."""
    runs: tuple[str, ...]
    """Labels of the runs that needed it."""
    error: Exception

    @property
    def reason(self) -> str:
        """What went wrong, without a traceback."""
        return summary_of(self.error)


@dataclass(frozen=True)
class NotStarted:
    """A step that was not started because a step that it needs failed."""

    what: str
    runs: tuple[str, ...]


class PlanFailedError(Exception):
    """Steps of a plan failed. The message names all of them, and the steps that were therefore not started."""

    def __init__(self, message: str, failures: Iterable[Failure]) -> None:
        super().__init__(message)
        self.failures = list(failures)


@dataclass
class Outcome:
    """The result of executing a plan."""

    runs: tuple[str, ...]
    """Labels of the plan's runs."""
    artifacts: list[Artifact] = field(default_factory=list)
    """Corpora, graphs and adapters, made now or before."""
    scores_by_folder: "dict[Path, list[Score]]" = field(default_factory=dict)
    report: Path | None = None
    """The page."""
    compared: Any = None
    """The results that the report shows (`eval.report.compared_results.Results`)."""
    costs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By run, what training would take; see `Plan.estimate`."""
    failures: list[Failure] = field(default_factory=list)
    not_started: list[NotStarted] = field(default_factory=list)

    @property
    def scores(self) -> "list[Score]":
        """Every score, made now or before."""
        return [score for scores in self.scores_by_folder.values() for score in scores]

    @property
    def failed_runs(self) -> dict[str, str]:
        """Why runs failed, by label."""
        return {run: self._reasons(run) for run in self.runs if any(run in failure.runs for failure in self.failures)}

    def raise_if_failed(self, verb: str = "failed") -> None:
        """Raise the error of the only failure, or a PlanFailedError that names all of them; nothing without one.

        `verb` is what the runs did: "failed", or "cannot start" in a dry run.
        """
        if not self.failures:
            return
        if len(self.runs) > 1:
            failed = self.failed_runs
            runs_by_reason: dict[str, list[str]] = {}
            for run, reason in failed.items():
                runs_by_reason.setdefault(reason, []).append(run)
            lines = [f"{len(failed)} of {len(self.runs)} runs {verb}:"]
            lines += [f"  {format_runs(runs)}: {reason}" for reason, runs in runs_by_reason.items()]
            raise PlanFailedError("\n".join(lines), self.failures)
        if len(self.failures) == 1 and not self.not_started:
            raise self.failures[0].error
        raise PlanFailedError(self._message_of_one_run(), self.failures)

    def _reasons(self, run: str) -> str:
        """Why one of several runs failed, on one line."""
        failures = [failure for failure in self.failures if run in failure.runs]
        reasons = dict.fromkeys(failure.reason for failure in failures)
        left_out = [step.what for step in self.not_started if run in step.runs]
        return "; ".join([*reasons, *([f"not started: {', '.join(left_out)}"] if left_out else [])])

    def _message_of_one_run(self) -> str:
        steps: dict[str, list[str]] = {}
        for failure in self.failures:
            steps.setdefault(failure.reason, []).append(failure.what)
        lines = list(steps)
        if len(steps) > 1 or len(self.failures) > 1:
            lines = [f"{len(self.failures)} steps failed:"]
            lines += [f"  {', '.join(names)}: {reason}" for reason, names in steps.items()]
        if self.not_started:
            lines.append(f"not started: {', '.join(step.what for step in self.not_started)}")
        return "\n".join(lines)


def format_runs(runs: Sequence[str]) -> str:
    """The labels of runs, of more than two the first and the number of the others."""
    return ", ".join(runs) if len(runs) <= 2 else f"{runs[0]} and {len(runs) - 1} others"


def exit_code_of(error: BaseException) -> int:
    """2 for what the user can fix, 1 for a bug."""
    if isinstance(error, PlanFailedError):
        return USER if {exit_code_of(failure.error) for failure in error.failures} == {USER} else BUG
    if isinstance(error, ProcessesFailedError):
        return error.exit_code
    return USER if _is_users(error) else BUG


def summary_of(error: BaseException) -> str:
    """What went wrong, without a traceback."""
    if isinstance(error, UserError | PlanFailedError | ProcessesFailedError):
        return str(error)
    if _is_users(error):
        return f"{error}; choose another folder with --workspace"
    return f"{type(error).__name__}: {error} (a bug in lrl-adapt; --debug shows the traceback)"


def release_locals(error: BaseException | None) -> None:
    """Free what the frames of a traceback hold, such as a model on the GPU; the traceback can still be printed."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _is_users(error: BaseException) -> bool:
    return isinstance(error, UserError | PermissionError) or (
        isinstance(error, OSError) and error.errno in FULL_OR_READ_ONLY
    )
