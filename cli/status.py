"""`lrl-adapt status`: which steps of a recipe are waiting, running, finished, failed or stopped."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from ..workspace.home import DEFAULT_WORKSPACE
from . import options
from .console import Terminal
from .options import examples
from .steps import failed_json, labelled_runs

if TYPE_CHECKING:
    from ..pipeline.status import StepStatus

EPILOG = examples("lrl-adapt status", "lrl-adapt status quickstart --json")
WIDTH = 200  # characters of a line of a log


def status_cmd(  # noqa: PLR0913, PLR0917
    recipe: options.RecipeArgument = None,
    changes: options.Set = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: options.Language = None,
    adapter: options.AdapterType = None,
    source: options.SourceName = None,
    tasks: options.Tasks = None,
    limit: options.Limit = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show the state of each step of `lrl-adapt run`, here or on a Slurm cluster: waiting, running, finished or failed.

    Use the recipe and options of the run. Steps that run, failed or were stopped are shown with a line of their log.
    """
    from ..pipeline.status import plan_of_run, status_of

    terminal = Terminal(as_json=as_json)
    short = options.overrides(changes, language=language, adapter=adapter, source=source, tasks=tasks, limit=limit)
    planned = plan_of_run(labelled_runs(recipe, short), workspace)
    statuses = status_of(planned, terminal)
    refusals = planned.refusals()
    for run, reason in refusals.failed_runs.items():
        terminal.say(f"cannot start, {run}: {reason}")
    rows = [
        (
            status.step.kind,
            status.step.details,
            _state(status),
            status.job.number if status.job else "",
            status.line[:WIDTH],
        )
        for status in statuses
    ]
    counts = Counter(status.state for status in statuses)
    legend = ", ".join(f"{count} {state}" for state, count in counts.items())
    columns = ("step", "details", "state", "job", "from its log")
    if not any(status.job for status in statuses):  # on this machine
        columns, rows = (*columns[:3], columns[4]), [(*row[:3], row[4]) for row in rows]
    terminal.table("Steps", columns, rows, legend)
    terminal.result({"steps": [_json(status) for status in statuses]} | failed_json(refusals))


def _state(status: "StepStatus") -> str:
    """The state; for a job that waits in Slurm's queue with the reason, in Slurm's words."""
    waits = status.job is not None and status.job.waiting and status.job.reason != "None"
    return f"{status.state} ({status.job.reason})" if status.job and waits else status.state


def _json(status: "StepStatus") -> dict[str, Any]:
    job = {"job": status.job.number, "reason": status.job.reason} if status.job else {}
    return status.step.as_json() | {"state": status.state, "log": status.log, "line": status.line} | job
