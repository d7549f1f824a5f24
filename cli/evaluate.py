"""`lrl-adapt eval`: base and adapted model on the recipe's tasks."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..recipes.errors import UserError
from . import options
from .console import Terminal, quiet_libraries
from .guard import guarded
from .options import DEFAULT_WORKSPACE, examples

EPILOG = examples(
    "lrl-adapt eval",
    "lrl-adapt eval --task mlm --task ner",
    "lrl-adapt eval --adapter none --task mlm --json",
    "lrl-adapt eval --task topic --dry-run",
)


AdapterFolder = Annotated[
    Path | None,
    typer.Option(
        "--adapter-dir",
        help="Score the adapter in this folder instead of the recipe's: imported, quantised, or somebody's.",
        show_default=False,
    ),
]
TransferFrom = Annotated[
    str | None,
    typer.Option(
        "--transfer-from",
        metavar="LANGUAGE",
        help="Zero-shot: train the task adapters on this language's data, test on the recipe's language.",
        show_default=False,
    ),
]


def eval_cmd(  # noqa: PLR0913, PLR0917
    recipe: options.RecipeArgument = None,
    changes: options.Set = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: options.Language = None,
    adapter: options.AdapterType = None,
    source: options.SourceName = None,
    tasks: options.Tasks = None,
    folder: AdapterFolder = None,
    transfer_from: TransferFrom = None,
    cpu: options.Cpu = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Score the base and the adapter on language modelling, topic, sentiment and named entities.

    Of a recipe with a grid, those of every run.
    """
    from ..recipes.loading import check_files, load_runs
    from .steps import alone, plan, use_cpu

    alone("eval")
    use_cpu(cpu)
    terminal = Terminal(as_json=as_json)
    more = [*(changes or []), *([f"eval.transfer_from={json.dumps(transfer_from)}"] if transfer_from else [])]
    short = options.overrides(more, language=language, adapter=adapter, source=source, tasks=tasks)
    runs = [run for _, run in load_runs(recipe, short)]
    if folder and len({run.language for run in runs}) > 1:
        raise UserError(
            f"--adapter-dir is one language's adapter, and {recipe} has several: choose one with --language"
        )
    for run in runs:
        check_files(run)  # before hours of work, not after
    if dry_run:
        made = {one.artifact.folder: one.artifact for run in runs for one in planned(run, workspace, folder)}
        plan(terminal, runs[0], list(made.values()))
        return
    found: dict[Path, list[Any]] = {}  # the base's come with every adapter's
    for run in runs:
        found |= evaluate(run, workspace, terminal, folder)
    scores = [score for some in found.values() for score in some]
    show_scores(terminal, found, workspace)
    where = workspace / "scores" / (runs[0].language if len(runs) == 1 else "")
    terminal.result({"scores": [score_json(score) for score in scores], "data": data_json(found)}, where)


def evaluate(recipe: Any, workspace: Path, terminal: Terminal, folder: Path | None = None) -> dict[Path, list[Any]]:
    """Scores of the base and of the recipe's adapter, or of the one in `folder`, by the artifact that holds them."""
    return {one.artifact.folder: one.scores(terminal) for one in planned(recipe, workspace, folder, terminal)}


def planned(recipe: Any, workspace: Path, folder: Path | None, needs: Terminal | None = None) -> list[Any]:
    """What is to be measured; where it `needs` to be done now, a UserError says what has to be run first."""
    from ..eval.run import measurements
    from ..training.language import adapter_artifact
    from .steps import prepared_data, require

    quiet_libraries()
    prepared = prepared_data(recipe, workspace)
    adapter = folder
    if folder and needs:
        _tell_other_base(recipe, folder, needs)
    if folder is None and recipe.adapter.type != "none":
        adapter = adapter_artifact(recipe, workspace, prepared)
    found = measurements(recipe, workspace, prepared, adapter)
    if needs:
        missing = {part.folder: part for one in found for part in _missing(one.artifact.parents)}.values()
        require(tuple(part for part in missing if part.kind in ("corpus", "graph")), "prepare", recipe)
        require(tuple(part for part in missing if part.kind == "adapter"), "train", recipe)
    return found


def _tell_other_base(recipe: Any, folder: Path, terminal: Terminal) -> None:
    """An adapter may fit a base in shape that it was not trained on; its scores then mean nothing."""
    from ..eval.trained import other_base

    if recipe.base.model and (own := other_base(folder, recipe.base.model)):
        terminal.say(f"note: {folder} was trained on {own}, and is scored on {recipe.base.model}")


def _missing(artifacts: Any) -> Any:
    """Those that are not there, and what they are made from."""
    for artifact in artifacts:
        if not artifact.exists:
            yield artifact
            yield from _missing(artifact.parents)


def score_json(score: Any) -> dict[str, Any]:
    """One score record, as in scores.json."""
    from dataclasses import asdict

    return asdict(score)


def data_json(found: dict[Path, list[Any]]) -> list[dict[str, Any]]:
    """What became of the rows of each task's files, by split, from the manifests of the scores in these folders."""
    from ..recipes.artifacts import read_manifest

    accounts = {}
    for folder, scores in found.items():
        if scores and (data := read_manifest(folder)["facts"].get("data")):
            accounts[scores[0].language, scores[0].task] = data
    return [{"language": language, "task": task, **data} for (language, task), data in accounts.items()]


def show_scores(terminal: Terminal, found: dict[Path, list[Any]], workspace: Path) -> None:
    """A summary table for each language of scores in the workspace, by the folders that hold them."""
    for language in dict.fromkeys(score.language for scores in found.values() for score in scores):
        _show_scores(terminal, language, {folder.resolve() for folder in found}, workspace)


def _show_scores(terminal: Terminal, language: str, folders: set[Path], workspace: Path) -> None:
    """One language's scores: tasks down, systems across, changes with their verdicts."""
    from ..eval.rows import change, compared, rows_of, show_change, systems_of
    from ..eval.runs import gather
    from ..eval.scores import BASE, metric_name, show_interval, show_value

    runs = [run for run in gather([workspace], [language]) if run.folder.resolve() in folders]
    rows = compared(rows_of(runs))
    systems = systems_of(rows)
    adapted = [system for system in systems if system != BASE]
    table = []
    for row in rows:
        cells = [
            f"{show_value(cell.mean, row.metric)}\n{show_interval(cell.interval, row.metric)}" if cell else "—"
            for cell in map(row.systems.get, systems)
        ]
        changes = [
            f"{show_change(change(row, system), row.metric)}\n{cell.verdict or ''}" if cell else ""
            for system in adapted
            for cell in [row.systems.get(system)]
        ]
        named = "\n".join(part for part in (row.task, metric_name(row.metric), row.note) if part)
        table.append((named, *cells, *changes))
    columns = ("task", *systems, *(f"change with {system}" for system in adapted))
    terminal.table(f"Scores in {language}, with 95 % intervals", columns, table)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("eval", epilog=EPILOG)(guarded(eval_cmd))
