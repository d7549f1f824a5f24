"""`lrl-adapt run`: prepare, train, eval and report, one after the other."""

from pathlib import Path
from typing import Any

import typer

from ..recipes.errors import UserError
from . import options
from .console import Terminal
from .evaluate import evaluate, score_json, show_scores
from .guard import guarded
from .options import DEFAULT_WORKSPACE, examples
from .prepare import prepare
from .report import report
from .train import How, train

EPILOG = examples(
    "lrl-adapt run",
    "lrl-adapt run quickstart --adapter lora --task mlm",
    "lrl-adapt run mbert --language mlt --dry-run",
)


def run_cmd(  # noqa: PLR0913, PLR0917
    recipe: options.RecipeArgument = None,
    changes: options.Set = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: options.Language = None,
    adapter: options.AdapterType = None,
    source: options.SourceName = None,
    tasks: options.Tasks = None,
    gpus: options.Gpus = None,
    cpu: options.Cpu = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Do it all: prepare, train, eval, report. What is there already is not done again.

    Of a recipe with a grid, every run; one that fails is told at the end, and the others are done.
    """
    from ..recipes.loading import check_files, grid_overrides, load_recipe
    from .steps import alone, plan, prepared_data, use_cpu

    alone("run")
    use_cpu(cpu)
    terminal = Terminal(as_json=as_json)
    short = options.overrides(changes, language=language, adapter=adapter, source=source, tasks=tasks)
    runs = [(How(recipe, cell, gpus=gpus), load_recipe(recipe, cell)) for cell in grid_overrides(recipe, short)]
    for _, loaded in runs:
        check_files(loaded)  # before hours of work, not after
    if dry_run:
        if len(runs) > 1:
            rows = [(run.language, run.adapter.type, run.source) for _, run in runs]
            terminal.table(f"{len(runs)} runs", ("language", "adapter", "source"), rows)
        parts = {part.folder: part for _, run in runs for part in prepared_data(run, workspace).all}
        plan(terminal, runs[0][1], list(parts.values()))
        return
    artifacts, scores, failed = [], [], []
    for number, (how, loaded) in enumerate(runs, 1):
        place = f" (run {number} of {len(runs)})" if len(runs) > 1 else ""
        try:
            _run(loaded, how, workspace, terminal, place, artifacts, scores)
        except UserError as error:
            if len(runs) == 1:
                raise
            terminal.say(f"error: {error}")
            failed.append(f"{loaded.language} {loaded.adapter.type} {loaded.source}: {error}")
    if scores:
        terminal.heading("4/4 report")
        page = report(workspace, list(dict.fromkeys(score.language for score in scores)), terminal)
        scores = list(dict.fromkeys(scores))  # the base's come with every adapter's
        show_scores(terminal, scores, workspace)
        result = {
            "artifacts": list({artifact["folder"]: artifact for artifact in artifacts}.values()),
            "scores": [score_json(score) for score in scores],
            "report": str(page),
        }
        terminal.result(result, page)
    if failed:
        raise UserError("\n  ".join([f"{len(failed)} of {len(runs)} runs failed:", *failed]))


def _run(
    recipe: Any, how: How, workspace: Path, terminal: Terminal, place: str, artifacts: list[Any], scores: list[Any]
) -> None:
    """One run up to its scores, which `scores` gets, and `artifacts` what it made."""
    from .steps import describe

    terminal.heading(f"1/4 prepare {recipe.language}{place}")
    made = prepare(recipe, workspace, terminal)
    if recipe.adapter.type != "none":
        terminal.heading(f"2/4 train {recipe.adapter.type} on {recipe.source}{place}")
        made.append(train(recipe, workspace, terminal, how))
    artifacts += map(describe, made)
    terminal.heading(f"3/4 eval{place}")
    scores += evaluate(recipe, workspace, terminal)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("run", epilog=EPILOG)(guarded(run_cmd))
