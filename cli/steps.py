"""What the commands share: reading the recipe, and showing plans, artifacts and failures."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..workspace.artifacts import Artifact
from ..workspace.formatting import format_number
from .console import Terminal

if TYPE_CHECKING:
    from ..pipeline.outcome import Outcome
    from ..pipeline.steps import Plan, Step
    from ..recipes.schema import Recipe


def labelled_runs(recipe: str | None, *overrides: Sequence[str]) -> "dict[str, Recipe]":
    """Every run of a recipe's grid with each of the sets of overrides, by the overrides that select it."""
    from ..recipes.loading import DEFAULT_FILE, DEFAULT_NAME, load_runs
    from ..training.launch import is_main

    runs = {_label(words): run for choice in overrides for words, run in load_runs(recipe, choice)}
    if recipe is None and not DEFAULT_FILE.is_file() and is_main():
        typer.echo(f"no {DEFAULT_FILE} in this folder: using the bundled recipe {DEFAULT_NAME}", err=True)
    return runs


def show_plan(terminal: Terminal, plan: "Plan") -> dict[str, Any]:
    """Show the steps of a dry run; returns them and the resolved recipes for --json.

    Raises UserError if the workspace cannot be written to.
    """
    from ..recipes.placeholders import public_settings

    plan.require_writable_workspace()
    runs = list(plan.runs.items())
    rows = [(step.kind, step.details, step.state, _inside(step.folder, plan.workspace)) for step in plan.steps]
    legend = f"Folders are in {plan.workspace}. `lrl-adapt recipes show RECIPE --resolved` prints the whole recipe."
    terminal.table("Dry run: nothing was done", ("step", "details", "state", "folder"), rows, legend)
    recipes: list[dict[str, Any]] = [{"run": label, "recipe": public_settings(recipe)} for label, recipe in runs]
    about = {"recipe": recipes[0]["recipe"]} if len(runs) == 1 else {"runs": recipes}
    return about | {"artifacts": [step.as_json() for step in plan.steps]}


def finish_dry_run(terminal: Terminal, plan: "Plan") -> None:
    """End a command that only plans: notes, steps, the JSON object, then the errors of runs that cannot start."""
    plan.say_notes(terminal)
    for reason in dict.fromkeys(map(str, plan.unmet.values())):
        terminal.say(f"note: {reason}")
    outcome = plan.refusals()
    terminal.result(show_plan(terminal, plan) | failed_json(outcome))
    outcome.raise_if_failed()


def describe(artifact: Artifact) -> dict[str, Any]:
    """An artifact for --json."""
    manifest = artifact.manifest()
    return {"kind": artifact.kind, "folder": str(artifact.folder), "facts": manifest["facts"]}


def describe_all(artifacts: Iterable[Artifact]) -> list[dict[str, Any]]:
    """Several artifacts for --json."""
    return [describe(artifact) for artifact in artifacts]


def jobs_json(jobs: "Mapping[Step, str]") -> dict[str, Any]:
    """The numbers of Slurm jobs, with their steps, for --json."""
    return {"jobs": [step.as_json() | {"job": number} for step, number in jobs.items()]}


def failed_json(outcome: "Outcome") -> dict[str, Any]:
    """The failed runs as an entry of a command's --json object; empty if there are none."""
    failed = [{"run": run, "error": reason} for run, reason in outcome.failed_runs.items()]
    return {"failed": failed} if failed else {}


def values_rows(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Named values as table rows: without those that are None, numbers formatted, nested values as JSON."""
    return [(name.replace("_", " "), _text_of(value)) for name, value in values.items() if value is not None]


def _text_of(value: Any) -> str:
    """A value as readers see it."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return format_number(value, 0 if isinstance(value, int) else 3)
    return json.dumps(value, ensure_ascii=False)


def _inside(folder: Path | None, workspace: Path) -> str:
    """A folder relative to the workspace, if it is in it."""
    if folder is None:
        return ""
    return str(folder.relative_to(workspace) if folder.is_relative_to(workspace) else folder)


def _label(overrides: Sequence[str]) -> str:
    """The overrides that select a run of a grid, as text."""
    return " ".join(word for word in overrides if word != "grid=null")
