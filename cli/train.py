"""`lrl-adapt train`: a language adapter by masked language modelling."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from ..recipes.artifacts import Artifact
from ..recipes.errors import UserError
from . import options
from .console import Terminal, quiet_libraries
from .guard import guarded
from .options import DEFAULT_WORKSPACE, examples
from .runs import Failures, run_label

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
    from ..training.launch import is_main, joined, reports_result
    from .steps import use_cpu

    use_cpu(cpu)
    terminal = Terminal(as_json=as_json, logs=is_main(), results=reports_result())
    overrides = options.overrides(changes, language=language, adapter=adapter, source=source)
    runs = [(words, run) for words, run in load_runs(recipe, overrides) if run.adapter.type != "none"]
    if not runs:
        raise UserError(
            "adapter none is the base as it is: there is nothing to train; run `lrl-adapt eval --adapter none`"
        )
    if len(runs) > 1 and joined():
        raise UserError(
            f"this recipe is a grid of {len(runs)} runs, and several processes train one run: choose it with --set or "
            "the short options, or start `lrl-adapt train` without torchrun or srun"
        )
    _join_slurm()
    if dry_run:
        told = [_tell_costs(run, workspace, terminal, gpus) for _, run in runs]
        terminal.result(told[0] if len(told) == 1 else {"runs": told})
        return
    failures = Failures(len(runs), terminal, debug=debug)
    trained: dict[str, Artifact] = {}
    for words, run in runs:
        how = How(recipe, words, gpus=gpus, resume=resume, debug=debug)
        with failures.collect(how.label):
            trained[how.label] = train(run, workspace, terminal, how)
    if reports_result():
        if len(runs) == 1:
            _show_adapter(terminal, runs[0][1].language, *trained.values())
        else:
            _show_adapters(terminal, trained, failures)
    failures.raise_if_any()


@dataclass(frozen=True)
class How:
    """How to train: what decides the processes, and the words that tell each of them what to do."""

    recipe: str | None
    overrides: list[str]
    gpus: int | None = None
    resume: str = "auto"
    debug: bool = False

    def arguments(self, workspace: Path) -> list[str]:
        """The command line of one process."""
        changes = [word for change in self.overrides for word in ("--set", change)]
        named = [self.recipe] if self.recipe else []
        options = ["--workspace", str(workspace), "--resume", self.resume, *(["--debug"] if self.debug else [])]
        return ["train", *named, *changes, *options]

    @property
    def label(self) -> str:
        """What chooses this run of a grid, in words."""
        return run_label(self.overrides)


def _join_slurm() -> None:
    """Make known to torch which processes srun started, if it did."""
    from ..training import launch

    if launch.joined():
        os.environ.update(launch.join_slurm(os.environ, launch.visible_gpus()))


def _show_adapter(terminal: Terminal, language: str, artifact: Artifact) -> None:
    """The facts of one adapter."""
    from .steps import describe, facts_rows

    terminal.table(f"Adapter for {language}", ("fact", "value"), facts_rows(artifact))
    terminal.result(describe(artifact), artifact.folder)


def _show_adapters(terminal: Terminal, trained: dict[str, Artifact], failures: Failures) -> None:
    """The adapters of a grid by their runs, with how well each did on validation text."""
    from .steps import describe

    rows = []
    for label, artifact in trained.items():
        facts = artifact.manifest()["facts"]
        rows.append((label, f"{facts['validation_loss']:.4f}", str(facts["best_step"]), artifact.folder.name))
    if rows:
        terminal.table("Adapters", ("run", "validation loss", "at step", "folder"), rows)
    adapters = [describe(artifact) | {"run": label} for label, artifact in trained.items()]
    folders = [artifact.folder.parent for artifact in trained.values()]
    terminal.result({"adapters": adapters} | failures.as_json, folders[-1] if folders else None)


def train(recipe: Any, workspace: Path, terminal: Terminal, how: How) -> Artifact:
    """Train the adapter unless it is there, in as many processes as there are GPUs."""
    from .steps import prepared_data, require

    prepared = prepared_data(recipe, workspace)
    require(prepared.all, "prepare", recipe)
    from ..training import launch
    from ..training.language import adapter_artifact, train_adapter

    quiet_libraries()
    artifact = adapter_artifact(recipe, workspace, prepared)
    there = artifact.exists
    count = 1 if there else launch.processes(how.gpus)
    if count > 1:
        threads = [f"{name}={number}" for name, number in launch.threads_of(count, os.environ).items()]
        terminal.say(f"starting {shlex.join([*threads, *launch.command_of(count, how.arguments(workspace))])}")
        launch.start(count, how.arguments(workspace))
    else:
        train_adapter(recipe, workspace, prepared, terminal, resume=how.resume == "auto")
        launch.leave()
    if launch.reports_result():
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
    from ..training.launch import leave

    quiet_libraries()
    processes = launch.processes(gpus)
    artifact = adapter_artifact(recipe, workspace, prepared)
    facts: dict[str, Any] = {}
    needed = [made for made in artifact.parents if made.kind != "base"]
    if not artifact.exists and all(made.exists for made in needed):
        facts = estimate(recipe, workspace, prepared, terminal, processes=processes)
        leave()
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
