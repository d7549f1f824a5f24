"""What the commands share: reading the recipe, and finding or making the artifacts a step needs."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..recipes.placeholders import public_settings
from ..recipes.schema import Recipe
from ..workspace.artifacts import Artifact, Prepared
from ..workspace.errors import UserError
from .console import Terminal

if TYPE_CHECKING:
    from .plan import Step


def prepared_data(recipe: Recipe, workspace: Path) -> Prepared:
    """Where the recipe's prepared data lie, made or not."""
    from ..corpora.prepare import corpus_artifact
    from ..graphs.prepare import graph_artifact

    return Prepared(
        corpus_artifact(recipe, workspace) if recipe.corpus else None,
        graph_artifact(recipe, workspace) if recipe.graph else None,
    )


def require(artifacts: tuple[Artifact, ...], command: str, recipe: Recipe) -> None:
    """Raise a UserError that names the command to run first, unless all artifacts are there."""
    missing = [artifact.folder for artifact in artifacts if not artifact.exists]
    if missing:
        names = ", ".join(map(str, missing))
        hint = "; note: a change of eval's data also makes another corpus, as their lines are left out of the text"
        raise UserError(
            f"{names} is not there yet; run `lrl-adapt {command}` with the same options first ({recipe.name})"
            + (hint if any(artifact.kind == "corpus" for artifact in artifacts if not artifact.exists) else "")
        )


def use_cpu(wanted: bool) -> None:
    """Say --cpu in accelerate's way, which processes that are started hear too."""
    if wanted:
        os.environ["ACCELERATE_USE_CPU"] = "true"


def require_single_process(command: str) -> None:
    """Raise a UserError in a process that torchrun or srun started together with others."""
    from ..training.launch import joined

    if joined():
        raise UserError(
            f"`lrl-adapt {command}` runs in one process: start it without torchrun, or with srun --ntasks 1 "
            "(only `lrl-adapt train` uses several)"
        )


def planned_work(terminal: Terminal, runs: Sequence[tuple[str, Recipe]], steps: "Sequence[Step]") -> dict[str, Any]:
    """Show the steps of a dry run, below the resolved recipe of a single run; returns both for --json.

    `runs` are labels and recipes. The recipes of several are in the JSON object alone.
    """
    if len(runs) == 1:
        terminal.say(as_yaml(runs[0][1]))
    rows = [(step.kind, step.details, step.state, str(step.folder or "")) for step in steps]
    terminal.table("Dry run: nothing was done", ("step", "details", "state", "folder"), rows)
    recipes = [{"run": label, "recipe": public_settings(recipe)} for label, recipe in runs]
    about = {"recipe": recipes[0]["recipe"]} if len(runs) == 1 else {"runs": recipes}
    return about | {"artifacts": [step.as_json() for step in steps]}


def as_yaml(recipe: Recipe) -> str:
    """The resolved recipe, defaults filled in and secrets of addresses left out."""
    import yaml

    return yaml.safe_dump(public_settings(recipe), sort_keys=False, allow_unicode=True, width=120).rstrip()


def describe(artifact: Artifact) -> dict[str, Any]:
    """An artifact for --json."""
    manifest = artifact.manifest()
    return {"kind": artifact.kind, "folder": str(artifact.folder), "facts": manifest["facts"]}


def facts_rows(artifact: Artifact) -> list[tuple[str, str]]:
    """The facts of an artifact as table rows, nested ones in short."""
    facts = artifact.manifest()["facts"]
    return [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in facts.items()
    ]
