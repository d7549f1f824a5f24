"""`lrl-adapt run`: prepare, train, eval and report, one after the other."""

from pathlib import Path
from typing import Any

import typer

from ..recipes.artifacts import Artifact
from ..recipes.errors import UserError
from . import options
from .console import Terminal
from .evaluate import compare, evaluate, score_json, show_scores
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
    from ..recipes.loading import check_files, load_runs
    from .steps import alone, describe, planned_work, prepared_data, use_cpu

    alone("run")
    use_cpu(cpu)
    terminal = Terminal(as_json=as_json)
    short = options.overrides(changes, language=language, adapter=adapter, source=source, tasks=tasks)
    runs = [(How(recipe, words, gpus=gpus), run) for words, run in load_runs(recipe, short)]
    for _, run in runs:
        check_files(run)  # before hours of work, not after
    if dry_run:
        told = [planned_work(terminal, run, list(prepared_data(run, workspace).all)) for _, run in runs]
        terminal.result(told[0] if len(told) == 1 else {"runs": told})
        return
    artifacts: dict[Path, Artifact] = {}
    scores: dict[Path, list[Any]] = {}  # the base's come with every adapter's
    failed = []
    for number, (how, run) in enumerate(runs, 1):
        place = f" (run {number} of {len(runs)}: {how.chosen})" if len(runs) > 1 else ""
        try:
            _run(run, how, workspace, terminal, place, artifacts, scores)
        except (Exception, SystemExit) as error:
            if len(runs) == 1:
                raise
            failed.append(f"{how.chosen}: {error if isinstance(error, UserError) else repr(error)}")
            terminal.say(f"failed, {failed[-1]}")
    every = [score for some in scores.values() for score in some]
    if every:
        terminal.heading("4/4 report")
        results = compare(every, workspace, terminal)
        page = report(results, workspace, terminal)
        show_scores(terminal, scores, results)
        result = {
            "artifacts": [describe(artifact) for artifact in artifacts.values()],
            "scores": [score_json(score) for score in every],
            "report": str(page),
        }
        terminal.result(result, page)
    if failed:
        raise UserError("\n  ".join([f"{len(failed)} of {len(runs)} runs failed:", *failed]))


def _run(
    recipe: Any,
    how: How,
    workspace: Path,
    terminal: Terminal,
    place: str,
    artifacts: dict[Path, Artifact],
    scores: dict[Path, list[Any]],
) -> None:
    """One run up to its scores, which `scores` gets, and `artifacts` what it made."""
    terminal.heading(f"1/4 prepare {recipe.language}{place}")
    made = prepare(recipe, workspace, terminal)
    if recipe.adapter.type != "none":
        terminal.heading(f"2/4 train {recipe.adapter.type} on {recipe.source}{place}")
        made.append(train(recipe, workspace, terminal, how))
    artifacts |= {artifact.folder: artifact for artifact in made}
    terminal.heading(f"3/4 eval{place}")
    scores |= evaluate(recipe, workspace, terminal)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("run", epilog=EPILOG)(guarded(run_cmd))
