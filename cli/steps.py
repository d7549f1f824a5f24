"""What the commands share: reading the recipe, and finding or making the artifacts a step needs."""

import json
import os
from pathlib import Path
from typing import Any

from ..recipes.artifacts import Artifact, Prepared
from ..recipes.errors import UserError
from ..recipes.schema import Recipe
from .console import Terminal


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
        hint = " - a change of eval's data too makes another corpus: their lines are left out of the text"
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


def plan(terminal: Terminal, recipe: Recipe, artifacts: list[Artifact]) -> None:
    """What --dry-run shows of a run: the resolved recipe, and what is there or would be made."""
    terminal.result(planned_work(terminal, recipe, artifacts))


def planned_work(
    terminal: Terminal, recipe: Recipe, artifacts: list[Artifact], costs: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The same, for --json, when it is shown."""
    rows = [(a.kind, "there" if a.exists else "to be made", str(a.folder)) for a in artifacts]
    terminal.say(as_yaml(recipe))
    terminal.table("Dry run: nothing was done", ("artifact", "state", "folder"), rows)
    resolved = recipe.model_dump(mode="json")
    return {
        "recipe": resolved,
        "artifacts": [{"kind": k, "state": s, "folder": f} for k, s, f in rows],
        **({"training": costs} if costs else {}),
    }


def as_yaml(recipe: Recipe) -> str:
    """The resolved recipe, defaults filled in."""
    import yaml

    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120).rstrip()


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
