"""`lrl-adapt train`: a language adapter by masked language modelling."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..workspace.artifacts import Artifact
from ..workspace.errors import UserError
from ..workspace.home import DEFAULT_WORKSPACE
from . import options
from .console import Terminal
from .options import examples
from .steps import describe, failed_json, labelled_runs, show_plan, values_rows

if TYPE_CHECKING:
    from ..pipeline.outcome import Outcome
    from ..pipeline.steps import Plan

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
    together: options.Together = 1,
    cpu: options.Cpu = False,
    resume: options.Resume = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the steps and estimate time and memory from a few training steps.")
    ] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Train the recipe's language adapter on the prepared data, on all visible GPUs.

    Resumes an interrupted run. Under torchrun, accelerate launch or srun, joins the processes that they started.
    With --dry-run, tries a few steps and estimates time and memory. For a grid recipe, trains every run; one that
    fails does not stop the others.
    """
    from ..pipeline import plan, require_adapter
    from ..training.launch import is_main, joined, reports_result

    terminal = Terminal(as_json=as_json, logs=is_main(), results=reports_result())
    all_runs = labelled_runs(recipe, options.overrides(changes, language=language, adapter=adapter, source=source))
    require_adapter(list(all_runs.values()))
    runs = {label: run for label, run in all_runs.items() if run.adapter.type != "none"}
    if len(runs) > 1 and joined():
        raise UserError(
            f"this recipe is a grid of {len(runs)} runs, but several processes train one run: choose one with --set or "
            "the short options, or start `lrl-adapt train` without torchrun or srun"
        )
    parts = ("prepare", "train") if dry_run else ("train",)
    planned = plan(
        runs,
        workspace=workspace,
        parts=parts,
        resume=resume == "auto",
        gpus=gpus,
        together=together,
        debug=debug,
    )
    if dry_run:
        _show_plan(planned, terminal, gpus)
        return
    outcome = planned.execute(terminal)
    if len(runs) == 1:
        outcome.raise_if_failed()
    if reports_result():
        if len(runs) == 1:
            _show_adapter(terminal, outcome.artifacts[-1])
        else:
            _show_adapters(terminal, planned, outcome)
    outcome.raise_if_failed()


def _show_adapter(terminal: Terminal, artifact: Artifact) -> None:
    """The facts of one adapter."""
    rows = values_rows(artifact.manifest()["facts"])
    terminal.table(f"Adapter for {artifact.section['language']}", ("", "value"), rows)
    terminal.result(describe(artifact), artifact.folder)


def _show_adapters(terminal: Terminal, planned: "Plan", outcome: "Outcome") -> None:
    """The adapters of a grid by their runs, with how well each did on validation text."""
    failed = outcome.failed_runs
    trained = {label: planned.adapter_of(label) for label in planned.runs if label not in failed}
    rows = []
    for label, artifact in trained.items():
        facts = artifact.manifest()["facts"]
        rows.append((label, f"{facts['validation_loss']:.4f}", str(facts["best_step"]), artifact.folder.name))
    if rows:
        terminal.table("Adapters", ("run", "validation loss", "at step", "folder"), rows)
    adapters = [describe(artifact) | {"run": label} for label, artifact in trained.items()]
    folders = [artifact.folder.parent for artifact in trained.values()]
    terminal.result({"adapters": adapters} | failed_json(outcome), folders[-1] if folders else None)


def _show_plan(planned: "Plan", terminal: Terminal, gpus: int | None) -> None:
    """Show the steps up to the adapters, and what training on `gpus` GPUs (None: all visible ones) would take."""
    planned.say_notes(terminal)
    result = show_plan(terminal, planned)
    outcome = planned.estimate(terminal, gpus)
    single = len(planned.runs) == 1
    for number, label in enumerate(planned.runs):
        if costs := outcome.costs.get(label):
            title = "Estimated cost of training" + ("" if single else f", {label}")
            terminal.table(title, ("", "value"), values_rows(costs))
            about = result if single else result["runs"][number]
            about["training"] = costs
    terminal.result(result | failed_json(outcome))
    outcome.raise_if_failed()
