"""`lrl-adapt run`: prepare, train, eval and report, one after the other."""

import typer

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
    """Do it all: prepare, train, eval, report. What is there already is not done again."""
    from ..recipes.loading import check_files, load_recipe
    from .steps import alone, describe, plan, prepared_data, use_cpu

    alone("run")
    use_cpu(cpu)
    terminal = Terminal(as_json=as_json)
    short = options.overrides(changes, language=language, adapter=adapter, source=source, tasks=tasks)
    loaded = load_recipe(recipe, short)
    check_files(loaded)  # before hours of work, not after
    if dry_run:
        plan(terminal, loaded, list(prepared_data(loaded, workspace).all))
        return
    terminal.heading(f"1/4 prepare {loaded.language}")
    artifacts = prepare(loaded, workspace, terminal)
    if loaded.adapter.type != "none":
        terminal.heading(f"2/4 train {loaded.adapter.type} on {loaded.source}")
        artifacts.append(train(loaded, workspace, terminal, How(recipe, short, gpus=gpus)))
    terminal.heading("3/4 eval")
    scores = evaluate(loaded, workspace, terminal)
    terminal.heading("4/4 report")
    page = report(workspace, [loaded.language], terminal)
    show_scores(terminal, scores, workspace)
    result = {
        "artifacts": [describe(a) for a in artifacts],
        "scores": [score_json(s) for s in scores],
        "report": str(page),
    }
    terminal.result(result, page)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("run", epilog=EPILOG)(guarded(run_cmd))
