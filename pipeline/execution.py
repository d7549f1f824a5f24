"""Doing the steps of a plan one after the other, and recording results, failures and what was not started.

`jobs.ParallelExecution` does several at once.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..training import launch
from ..workspace.progress import Progress
from .logs import log_error, log_file
from .outcome import Failure, NotStarted, Outcome, format_runs, release_locals

if TYPE_CHECKING:
    from .steps import Plan, Step

PARTS = ("prepare", "train", "eval", "report")
PART_OF = {"corpus": "prepare", "edges": "prepare", "graph": "prepare", "scores": "eval", "report": "report"}
"""By kind of step; all others belong to train."""
RESULTS = ("corpus", "graph", "adapter")
"""Kinds of artifacts that are named in the result of a command."""


@dataclass
class Execution:
    """One run through the steps of a plan."""

    plan: "Plan"
    progress: Progress
    outcome: Outcome
    stopped: "set[Step]" = field(default_factory=set)
    """Steps that failed or were not started."""
    heading: str = ""

    def run(self) -> None:
        """Do every step that a run needs and whose own needs are met."""
        for step in self.steps():
            if not self.leave_out(step):
                self._announce(step, self.runs_of(step)[0])
                self.do(step)

    def steps(self) -> "list[Step]":
        """The steps to do, in the order of the plan."""
        return [
            step for step in self.plan.steps if self.runs_of(step) and not (step.made_by_training and launch.joined())
        ]

    def runs_of(self, step: "Step") -> tuple[str, ...]:
        """Labels of the runs that need the step and can start."""
        return tuple(label for label in step.runs if label not in self.plan.refused)

    def leave_out(self, step: "Step") -> bool:
        """Whether the step cannot be done since one that it needs failed, which is recorded."""
        if self.stopped.isdisjoint(step.needs) and (step.kind != "report" or self._has_scores()):
            return False
        self.stopped.add(step)
        self.outcome.not_started.append(NotStarted(step.title, self.runs_of(step)))
        return True

    def do(self, step: "Step") -> None:
        """Do the step in this process, and record its result or its failure."""
        try:
            result = step.make(self.progress)
        except BrokenPipeError:  # the reader of our output has gone
            raise
        except Exception as error:
            release_locals(error)
            self.record_failure(step, error)
            return
        self.record(step, result)

    def record(self, step: "Step", result: Any) -> None:
        """Put what the step made into the outcome."""
        if step.kind == "report":
            self.outcome.report, self.outcome.compared = result
        elif step.kind == "scores" and step.folder:
            self.outcome.scores_by_folder[step.folder] = result
        elif step.kind in RESULTS and step.artifact and not step.made_by_training:
            self.outcome.artifacts.append(step.artifact)

    def record_failure(self, step: "Step", error: Exception, where: str = "") -> None:
        """Put the failure into the outcome, and say it, with `where` to read more, unless the command ends with it."""
        runs = self.runs_of(step)
        self.stopped.add(step)
        failure = Failure(step.title, runs, error)
        self.outcome.failures.append(failure)
        if launch.reports_result():
            log_error(log_file(self.plan, step), failure.reason)
        if step is not self.plan.steps[-1]:
            named = step.title if len(self.plan.runs) == 1 else format_runs(runs)
            self.progress.say(f"failed, {named}: {failure.reason}{where}")

    def _has_scores(self) -> bool:
        return bool(self.outcome.scores_by_folder) or "eval" not in self.plan.parts

    def _announce(self, step: "Step", label: str) -> None:
        """A heading where a run comes to its next part, if the plan has all parts."""
        if self.plan.parts != PARTS:
            return
        part, recipe = PART_OF.get(step.kind, "train"), self.plan.runs[label]
        is_group = step.kind == "adapters"
        details = {"prepare": recipe.language, "train": step.details if is_group else recipe.run_name}.get(part, "")
        heading = f"{PARTS.index(part) + 1}/{len(PARTS)} {part} {details}".rstrip()
        if len(self.plan.runs) > 1 and part != "report" and not is_group:
            heading += f" (run {list(self.plan.runs).index(label) + 1} of {len(self.plan.runs)}: {label})"
        if heading != self.heading:
            self.progress.say(heading)
            self.heading = heading
