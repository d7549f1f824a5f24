"""`lrl-adapt train`: a language adapter by masked language modelling."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from ..workspace.artifacts import Artifact
from ..workspace.errors import UserError
from ..workspace.library_logs import quiet_libraries
from . import options
from .console import Terminal
from .guard import guarded
from .options import DEFAULT_WORKSPACE, examples
from .preflight import say_skipped
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
    """Train the recipe's language adapter on the prepared data, on all visible GPUs.

    Resumes an interrupted run. Under torchrun, accelerate launch or srun, joins the processes that they started.
    With --dry-run, tries a few steps and estimates time and memory. For a grid recipe, trains every run; one that
    fails does not stop the others.
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
    failures = Failures(len(runs), terminal, debug=debug)
    if reports_result():
        say_skipped(terminal, [run for _, run in runs], workspace)
    if dry_run:
        _plan([(run_label(words), run) for words, run in runs], workspace, terminal, failures, gpus)
        failures.raise_if_any()
        return
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


@quiet_libraries()
def train(recipe: Any, workspace: Path, terminal: Terminal, how: How) -> Artifact:
    """Train the adapter unless it is there, in as many processes as there are GPUs."""
    from .steps import prepared_data, require

    prepared = prepared_data(recipe, workspace)
    require(prepared.all, "prepare", recipe)
    from ..training import launch
    from ..training.language_adapter import adapter_artifact, train_adapter

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


@quiet_libraries()
def _plan(
    runs: list[tuple[str, Any]], workspace: Path, terminal: Terminal, failures: Failures, gpus: int | None
) -> None:
    """Show the steps up to the adapters, and what training on `gpus` GPUs (None: all visible ones) would take.

    Raises UserError when there are fewer GPUs.
    """
    from ..training import launch
    from .plan import Plan, plan_runs
    from .steps import planned_work

    def add(plan: Plan, run: Any) -> None:
        plan.add_prepare(run)
        plan.add_train(run)

    plan = plan_runs(runs, workspace, failures, add)
    result = planned_work(terminal, runs, plan.steps)
    for number, (label, run) in enumerate(runs):
        with failures.collect(label):
            costs = _estimate(run, workspace, terminal, f", {label}" if len(runs) > 1 else "", launch.processes(gpus))
            if costs:
                about = result if len(runs) == 1 else result["runs"][number]
                about["training"] = costs
    terminal.result(result | failures.as_json)


def _estimate(recipe: Any, workspace: Path, terminal: Terminal, place: str, processes: int) -> dict[str, Any]:
    """Show what training would take on this machine; empty for a finished adapter, or where something is missing."""
    from ..training.language_adapter import adapter_artifact, estimate
    from ..training.launch import leave
    from .steps import prepared_data

    prepared = prepared_data(recipe, workspace)
    artifact = adapter_artifact(recipe, workspace, prepared)
    if artifact.exists:
        return {}
    missing = [parent.kind for parent in artifact.parents if parent.kind != "base" and not parent.exists]
    if missing:
        terminal.say(f"time and memory can be estimated once this is finished: {', '.join(missing)}{place}")
        return {}
    costs = estimate(recipe, workspace, prepared, terminal, processes=processes)
    leave()
    title = f"What training would take here{place}"
    terminal.table(title, ("fact", "value"), [(name, f"{value}") for name, value in costs.items()])
    return costs


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("train", epilog=EPILOG)(guarded(train_cmd))
