"""`lrl-adapt train`: a language adapter by masked language modelling."""

from pathlib import Path
from typing import Any

import typer

from ..recipes.artifacts import Artifact
from ..recipes.errors import UserError
from . import options
from .console import Terminal, quiet_libraries
from .guard import guarded
from .options import DEFAULT_WORKSPACE, examples

EPILOG = examples(
    "lrl-adapt train --adapter seq_bn",
    "lrl-adapt train quickstart --source graph --set training.max_steps=50",
    "lrl-adapt train --adapter lora --dry-run",
)


def train_cmd(  # noqa: PLR0913, PLR0917
    recipe: options.RecipeArgument = None,
    changes: options.Set = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: options.Language = None,
    adapter: options.AdapterType = None,
    source: options.SourceName = None,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Train the recipe's language adapter on what `prepare` made."""
    from ..recipes.loading import load_recipe
    from .steps import describe, facts_rows, plan, prepared_data

    terminal = Terminal(as_json=as_json)
    loaded = load_recipe(recipe, options.overrides(changes, language=language, adapter=adapter, source=source))
    if loaded.adapter.type == "none":
        raise UserError(
            "adapter none is the base as it is: there is nothing to train; run `lrl-adapt eval --adapter none`"
        )
    if dry_run:
        from ..training.language import adapter_artifact

        prepared = prepared_data(loaded, workspace)
        plan(terminal, loaded, [*prepared.all, adapter_artifact(loaded, workspace, prepared)])
        return
    artifact = train(loaded, workspace, terminal)
    terminal.table(f"Adapter for {loaded.language}", ("fact", "value"), facts_rows(artifact))
    terminal.result(describe(artifact), artifact.folder)


def train(recipe: Any, workspace: Path, terminal: Terminal) -> Artifact:
    """Train the adapter unless it is there."""
    from .steps import prepared_data, require

    prepared = prepared_data(recipe, workspace)
    require(prepared.all, "prepare", recipe)
    from ..training.language import adapter_artifact, train_adapter

    quiet_libraries()
    there = adapter_artifact(recipe, workspace, prepared).exists
    artifact = train_adapter(recipe, workspace, prepared, terminal)
    terminal.say(f"adapter: {'there already, ' if there else ''}{artifact.folder}")
    return artifact


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("train", epilog=EPILOG)(guarded(train_cmd))
