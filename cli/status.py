"""`lrl-adapt status`: which steps of a recipe are waiting, running, finished or failed."""

from collections import Counter

import typer

from ..workspace.home import DEFAULT_WORKSPACE
from . import options
from .console import Terminal
from .guard import guarded
from .options import examples
from .steps import failed_json, labelled_runs

EPILOG = examples("lrl-adapt status", "lrl-adapt status quickstart --json")
LINE_CHARACTERS = 100


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
    """Show which steps of `lrl-adapt run` are waiting, running, finished or failed, here or on a Slurm cluster.

    Use the recipe and options of the run. A running or failed step is shown with the last line of its log.
    """
    from ..pipeline import plan
    from ..pipeline.status import status_of

    terminal = Terminal(as_json=as_json)
    short = options.overrides(changes, language=language, adapter=adapter, source=source, tasks=tasks, limit=limit)
    planned = plan(labelled_runs(recipe, short), workspace=workspace)
    statuses = status_of(planned)
    refusals = planned.refusals()
    for run, reason in refusals.failed_runs.items():
        terminal.say(f"cannot start, {run}: {reason}")
    rows = [
        (status.step.kind, status.step.details, status.state, status.job, status.line[:LINE_CHARACTERS])
        for status in statuses
    ]
    counts = Counter(status.state for status in statuses)
    legend = ", ".join(f"{count} {state}" for state, count in counts.items())
    terminal.table("Steps", ("step", "details", "state", "job", "last line of the log, or why it waits"), rows, legend)
    steps = [
        status.step.as_json()
        | {"state": status.state, "line": status.line, "log": status.log, "job": status.job or None}
        for status in statuses
    ]
    terminal.result({"steps": steps} | failed_json(refusals))


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("status", epilog=EPILOG)(guarded(status_cmd))
