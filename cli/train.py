"""`lrl-adapt train`: a language adapter by masked language modelling."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from ..recipes.artifacts import Artifact
from ..recipes.errors import UserError
from ..recipes.progress import QUIET
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
    gpus: options.Gpus = None,
    cpu: options.Cpu = False,
    resume: options.Resume = "auto",
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Train the recipe's language adapter on what `prepare` made, on every GPU there is.

    Under torchrun, accelerate launch or srun it joins the processes there. An interrupted run is gone on with.
    --dry-run tries a few steps and tells what the whole would take. Of a recipe with a grid, every run.
    """
    from ..recipes.loading import load_runs
    from ..training.launch import joined
    from .steps import use_cpu

    use_cpu(cpu)
    terminal = Terminal(as_json=as_json)
    overrides = options.overrides(changes, language=language, adapter=adapter, source=source)
    runs = [(words, run) for words, run in load_runs(recipe, overrides) if run.adapter.type != "none"]
    if not runs:
        raise UserError(
            "adapter none is the base as it is: there is nothing to train; run `lrl-adapt eval --adapter none`"
        )
    if dry_run:
        told = [_tell_costs(run, workspace, terminal, gpus) for _, run in runs]
        terminal.result(told[0] if len(told) == 1 else {"runs": told})
        return
    if len(runs) > 1 and joined():
        raise UserError(f"{recipe} is a grid of {len(runs)} runs: torchrun and srun train one, which --set chooses")
    hows = [How(recipe, words, gpus=gpus, resume=resume) for words, _ in runs]
    artifacts = [train(run, workspace, terminal, how) for how, (_, run) in zip(hows, runs, strict=True)]
    if hows[0].talks:
        _show(terminal, runs[0][1].language, hows, artifacts)


@dataclass(frozen=True)
class How:
    """How to train: what decides the processes, and the words that tell each of them what to do."""

    recipe: str | None
    overrides: list[str]
    gpus: int | None = None
    resume: str = "auto"

    def arguments(self, workspace: Path) -> list[str]:
        """The command line of one process."""
        changes = [word for change in self.overrides for word in ("--set", change)]
        named = [self.recipe] if self.recipe else []
        return ["train", *named, *changes, "--workspace", str(workspace), "--resume", self.resume]

    @property
    def chosen(self) -> str:
        """What chooses this run of a grid, in words."""
        return " ".join(word for word in self.overrides if word != "grid=null")

    @property
    def talks(self) -> bool:
        """False in the processes that only help."""
        from ..training.launch import is_main

        return is_main()


def _show(terminal: Terminal, language: str, hows: list[How], artifacts: list[Artifact]) -> None:
    """The facts of one adapter, or of several what they were told and how well they did on validation text."""
    from .steps import describe, facts_rows

    if len(artifacts) == 1:
        terminal.table(f"Adapter for {language}", ("fact", "value"), facts_rows(artifacts[0]))
        terminal.result(describe(artifacts[0]), artifacts[0].folder)
        return
    rows = []
    for how, artifact in zip(hows, artifacts, strict=True):
        facts = artifact.manifest()["facts"]
        rows.append((how.chosen, f"{facts['validation_loss']:.4f}", str(facts["best_step"]), artifact.folder.name))
    terminal.table("Adapters", ("run", "validation loss", "at step", "folder"), rows)
    told = [describe(artifact) | {"run": how.chosen} for how, artifact in zip(hows, artifacts, strict=True)]
    terminal.result({"adapters": told}, artifacts[-1].folder.parent)


def train(recipe: Any, workspace: Path, terminal: Terminal, how: How) -> Artifact:
    """Train the adapter unless it is there, in as many processes as there are GPUs."""
    from .steps import prepared_data, require

    prepared = prepared_data(recipe, workspace)
    require(prepared.all, "prepare", recipe)
    from ..training import launch
    from ..training.language import adapter_artifact, train_adapter

    quiet_libraries()
    os.environ.update(launch.join_slurm(os.environ, launch.visible_gpus()))
    artifact = adapter_artifact(recipe, workspace, prepared)
    there = artifact.exists
    count = 1 if there else launch.processes(how.gpus)
    if count > 1:
        terminal.say(f"starting {shlex.join(launch.command_of(count, how.arguments(workspace)))}")
        launch.start(count, how.arguments(workspace))
    else:
        progress = terminal if how.talks else QUIET
        train_adapter(recipe, workspace, prepared, progress, resume=how.resume == "auto")
        launch.leave()
    if how.talks:
        terminal.say(f"adapter: {'there already, ' if there else ''}{artifact.folder}")
    return artifact


def _tell_costs(recipe: Any, workspace: Path, terminal: Terminal, gpus: int | None) -> dict[str, Any]:
    """What is there, and where data are prepared what training would take on `gpus` GPUs (None: all visible ones).

    Raises UserError when there are fewer GPUs.
    """
    from .steps import planned_work, prepared_data

    prepared = prepared_data(recipe, workspace)
    from ..training import launch
    from ..training.language import adapter_artifact, estimate

    quiet_libraries()
    processes = launch.processes(gpus)
    artifact = adapter_artifact(recipe, workspace, prepared)
    facts: dict[str, Any] = {}
    needed = [made for made in artifact.parents if made.kind != "base"]
    if not artifact.exists and all(made.exists for made in needed):
        facts = estimate(recipe, workspace, prepared, terminal, processes=processes)
    told = planned_work(terminal, recipe, [*prepared.all, artifact], facts)
    if facts:
        terminal.table(
            "What training would take here", ("fact", "value"), [(name, f"{value}") for name, value in facts.items()]
        )
    elif not artifact.exists:
        terminal.say("time and memory are told once what the adapter is made from is there")
    return told


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("train", epilog=EPILOG)(guarded(train_cmd))
