"""The plan of one run or of a grid: every step in order, shared ones once. Planning loads no torch and fetches no file.

`Builder` puts the steps together; `Plan` holds them, and `Execution` or `ParallelExecution` does them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from ..recipes.preflight import Source, unusable_sources
from ..recipes.schema import Recipe
from ..training import launch
from ..workspace.artifacts import Artifact
from ..workspace.errors import UserError
from ..workspace.machine import avoid_spinning
from ..workspace.progress import Progress, say_once
from .execution import Execution
from .jobs import ParallelExecution
from .logs import delete_old_logs
from .outcome import Failure, Outcome, format_runs, release_locals, summary_of
from .sources import sources_of

SETTING = re.compile(r" (?=[\w.]+=)")
"""What separates the settings in the label of a run: training.seed=1 adapter.type="lora"."""


@dataclass(eq=False)
class Step:
    """One artifact of the plan, or the report."""

    kind: str
    """corpus, edges, graph, base, vocabulary, tokens, adapter, adapters (trained together), scores or report."""
    details: str
    artifact: Artifact | None
    """None for the report, and for tokens while the tokenizer is not known."""
    make: Callable[[Progress], Any]
    """Makes the artifact unless it is finished; returns the scores, or the report."""
    needs: tuple["Step", ...] = ()
    after: tuple["Step", ...] = field(default=(), kw_only=True)
    """Steps that it waits for besides, whether or not they fail."""
    runs: list[str] = field(default_factory=list)
    """Labels of the runs that need it."""
    folder: Path | None = None
    """None where the artifact is."""
    made_by_training: bool = False
    """Whether training makes it too: processes that were started together leave it to that."""

    @property
    def finished(self) -> bool:
        """Whether the artifact exists; a report is always written anew."""
        return self.artifact is not None and self.artifact.exists

    @property
    def state(self) -> str:
        """The word for the table of a dry run."""
        return "finished" if self.finished else "to do"

    @property
    def title(self) -> str:
        """Kind and details, for messages."""
        return f"{self.kind} {self.details}"

    def as_json(self) -> dict[str, Any]:
        """The step as an entry of the --json object."""
        folder = str(self.folder) if self.folder else None
        return {"kind": self.kind, "details": self.details, "state": self.state, "folder": folder}


@dataclass
class Plan:
    """The steps of labelled runs in the order in which they are done."""

    workspace: Path
    parts: tuple[str, ...]
    runs: dict[str, Recipe] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    refused: dict[str, Exception] = field(default_factory=dict)
    """Why runs cannot start, by label."""
    unmet: dict[str, UserError] = field(default_factory=dict)
    """By label, what has to be made first by a command of another part."""
    notes: dict[str, None] = field(default_factory=dict)
    """Lines on tasks that are skipped, and on finished artifacts that are used although their inputs are missing."""
    sources: "dict[tuple[str, Source], None]" = field(default_factory=dict)
    """By language, what the runs need from elsewhere; see `recipes.preflight`."""

    def check_sources(self) -> None:
        """Check that all models and data that the runs need are available, and refuse the runs that lack something."""
        for label, recipe in self.runs.items():
            if label in self.refused:
                continue
            try:
                sources = sources_of(recipe, self.workspace)
            except UserError as error:
                self.refused[label] = error
                continue
            self.sources |= dict.fromkeys(sources)
            if problems := unusable_sources(source for _, source in sources):
                self.refused[label] = UserError(problems)

    def require_writable_workspace(self) -> None:
        """Raise a UserError if a step is left and nothing can be written to the workspace, or where it will be made."""
        existing = next(folder for folder in (self.workspace, *self.workspace.absolute().parents) if folder.exists())
        try:
            if not all(step.finished for step in self.steps):
                TemporaryFile(dir=existing).close()  # as root, os.access allows everything, even in /proc
        except OSError as error:
            message = f"cannot write to {self.workspace} ({error.strerror}): choose another --workspace"
            raise UserError(message) from error

    def tell_steps_apart(self) -> None:
        """Add what their runs differ in, such as training.seed=2, to the details of steps with the same title."""
        same_title: dict[str, list[Step]] = {}
        for step in self.steps:
            same_title.setdefault(step.title, []).append(step)
        for steps in same_title.values():
            settings = [set.intersection(*(set(SETTING.split(label)) for label in step.runs or [""])) for step in steps]
            common = set.intersection(*settings)
            for step, own in zip(steps, settings, strict=True):
                step.details = ", ".join([step.details, *sorted(own - common)])

    def steps_of(self, label: str) -> list[Step]:
        """The steps that a run needs."""
        return [step for step in self.steps if label in step.runs]

    def adapter_of(self, label: str) -> Artifact:
        """The adapter that a run trains."""
        return next(a for s in reversed(self.steps_of(label)) if s.kind == "adapter" and (a := s.artifact))

    def say_notes(self, progress: Progress) -> None:
        """Print the notes, in one of several processes."""
        for note in self.notes if launch.reports_result() else ():
            say_once(progress, note)

    def execute(self, progress: Progress, jobs: int = 1) -> Outcome:
        """Do the steps one after the other, or up to `jobs` at once. One that fails stops only the steps that need it.

        Errors are collected in the outcome's `failures`. A single run that cannot start at all raises the error before
        anything is done, as does a workspace that cannot be written to. KeyboardInterrupt stops everything.
        """
        outcome = self.begin(progress)
        to_do = any(not step.finished for step in self.steps if step.kind != "report")
        # processes that were started together would take each other for other work
        if to_do and not launch.joined() and (line := avoid_spinning(for_others=jobs > 1)):
            progress.say(line)
        if launch.reports_result():
            delete_old_logs(self)
        if jobs > 1:
            jobs = min(jobs, sum(not step.finished for step in self.steps if step.kind != "report"))
        execution = (
            ParallelExecution(self, progress, outcome, jobs=jobs) if jobs > 1 else Execution(self, progress, outcome)
        )
        execution.run()
        return outcome

    def begin(self, progress: Progress) -> Outcome:
        """Make the workspace, and say which runs cannot start; returns the outcome so far. For errors see `execute`."""
        self.say_notes(progress)
        self.refused = self.unmet | self.refused
        outcome = self.refusals()
        if len(self.runs) == 1:
            outcome.raise_if_failed()
        self.require_writable_workspace()
        self.workspace.mkdir(parents=True, exist_ok=True)
        for failure in outcome.failures:
            progress.say(f"failed, {format_runs(failure.runs)}: {failure.reason}")
        return outcome

    def refusals(self) -> Outcome:
        """The outcome as it stands before anything is done: the runs that cannot start."""
        labels_by_reason: dict[str, list[str]] = {}
        for label, error in self.refused.items():
            labels_by_reason.setdefault(summary_of(error), []).append(label)
        failures = [Failure("", tuple(labels), self.refused[labels[0]]) for labels in labels_by_reason.values()]
        return Outcome(tuple(self.runs), failures=failures)

    def estimate(self, progress: Progress, gpus: int | None = None) -> Outcome:
        """An outcome with the `costs` of training on `gpus` GPUs (None: all visible ones); see `estimate_training`.

        Raises the error of a single run.
        """
        from .training import estimate_training

        outcome, single = self.refusals(), len(self.runs) == 1
        for label, recipe in self.runs.items():
            if label in self.refused:
                continue
            suffix = "" if single else f", {label}"
            try:
                outcome.costs[label] = estimate_training(recipe, self.workspace, progress, gpus=gpus, suffix=suffix)
            except Exception as error:
                if single:
                    raise
                release_locals(error)
                outcome.failures.append(Failure("", (label,), error))
        return outcome
