"""`lrl-adapt eval`: base and adapted model on the recipe's tasks."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..workspace.errors import UserError
from ..workspace.library_logs import quiet_libraries
from . import options
from .console import Terminal
from .guard import guarded
from .options import DEFAULT_WORKSPACE, examples
from .preflight import say_skipped
from .runs import Failures, run_label

EPILOG = examples(
    "lrl-adapt eval",
    "lrl-adapt eval --task mlm,ner",
    "lrl-adapt eval --adapter none --task mlm --limit 50 --json",
    "lrl-adapt eval --task topic --dry-run",
)


AdapterFolder = Annotated[
    Path | None,
    typer.Option(
        "--adapter-dir",
        help="Evaluate the adapter in this folder instead of the recipe's, such as an imported or quantised one.",
        show_default=False,
    ),
]
TransferFrom = Annotated[
    str | None,
    typer.Option(
        "--transfer-from",
        metavar="LANGUAGE",
        help="Zero-shot transfer: train the task adapters on this language, test them on the recipe's language.",
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
    limit: options.Limit = None,
    folder: AdapterFolder = None,
    transfer_from: TransferFrom = None,
    cpu: options.Cpu = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Evaluate the base and the adapter on language modelling, topic, sentiment and named entities.

    Finished steps are skipped. For a grid recipe, evaluates every run; one that fails does not stop the others.
    """
    from ..recipes.loading import check_files, load_runs
    from .plan import plan_runs
    from .steps import planned_work, require_single_process, use_cpu

    require_single_process("eval")
    use_cpu(cpu)
    terminal = Terminal(as_json=as_json)
    transfer = (
        [options.option_override("--transfer-from", "eval.transfer_from", transfer_from)] if transfer_from else []
    )
    more = [*(changes or []), *transfer]
    short = options.overrides(more, language=language, adapter=adapter, source=source, tasks=tasks, limit=limit)
    runs = [(run_label(words), run) for words, run in load_runs(recipe, short)]
    if folder and len({run.language for _, run in runs}) > 1:
        raise UserError(
            f"--adapter-dir is one language's adapter, and {recipe} has several: choose one with --language"
        )
    for _, run in runs:
        check_files(run)  # before hours of work, not after
    failures = Failures(len(runs), terminal, debug=debug)
    say_skipped(terminal, [run for _, run in runs], workspace)
    if dry_run:
        plan = plan_runs(runs, workspace, failures, lambda plan, run: plan.add_eval(run, folder))
        terminal.result(planned_work(terminal, runs, plan.steps) | failures.as_json)
        failures.raise_if_any()
        return
    scores: dict[Path, list[Any]] = {}  # by folder: each run's include the base's
    for label, run in runs:
        with failures.collect(label):
            scores |= evaluate(run, workspace, terminal, folder)
    every = [score for of_run in scores.values() for score in of_run]
    if every:
        show_scores(terminal, scores, compare(every, workspace, terminal))
    where = workspace / "scores" / (runs[0][1].language if len(runs) == 1 else "")
    records = [score_json(score) for score in every]
    terminal.result({"scores": records, "data": data_json(scores)} | failures.as_json, where if scores else None)
    failures.raise_if_any()


@quiet_libraries()
def evaluate(recipe: Any, workspace: Path, terminal: Terminal, folder: Path | None = None) -> dict[Path, list[Any]]:
    """Scores of the base and of the recipe's adapter, or of the one in `folder`, by the artifact that holds them."""
    return {one.artifact.folder: one.scores(terminal) for one in planned(recipe, workspace, folder, terminal)}


@quiet_libraries()
def planned(recipe: Any, workspace: Path, folder: Path | None, needs: Terminal | None = None) -> list[Any]:
    """What is to be measured; where it `needs` to be done now, a UserError says what has to be run first."""
    from ..eval.evaluator import measurements
    from ..training.language_adapter import adapter_artifact
    from .steps import prepared_data, require

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
    from ..eval.inference.find_adapters import other_base

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


def data_json(scores: Mapping[Path, Sequence[Any]]) -> list[dict[str, Any]]:
    """What became of the rows of each task's files, by split, from the manifests of the scores in these folders."""
    from ..workspace.artifacts import read_manifest

    accounts = {}
    for folder, records in scores.items():
        if records and (data := read_manifest(folder)["facts"].get("data")):
            accounts[records[0].language, records[0].task] = data
    return [{"language": language, "task": task, **data} for (language, task), data in accounts.items()]


def compare(scores: Iterable[Any], workspace: Path, terminal: Terminal) -> Any:
    """The compared results of every run in the workspace in the languages of these scores, as a report shows them."""
    from ..eval.report.comparison import compare_runs
    from ..eval.report.runs import gather_runs

    languages = list(dict.fromkeys(score.language for score in scores))
    return compare_runs(gather_runs([workspace], languages), terminal)


def show_scores(terminal: Terminal, folders: Iterable[Path], results: Any) -> None:
    """A table for each language of the results from these score folders.

    Values and verdicts are those of `results`, so that they agree with a report page on the same `results`.
    """
    from ..eval.report.task_results import folders_of, results_from

    shown_folders = {folder.resolve() for folder in folders}
    rows = results_from(results.results, shown_folders)
    for language in dict.fromkeys(row.language for row in rows):
        _show_language(terminal, language, [row for row in rows if row.language == language])
    if any(not folders_of(cell) <= shown_folders for row in rows for cell in row.systems.values()):
        terminal.say("note: means are over all seeds in the workspace, as on the report page")


def _show_language(terminal: Terminal, language: str, rows: Sequence[Any]) -> None:
    """One language's results: tasks down, systems across, changes with their verdicts."""
    from ..eval.display import format_change, format_value, format_value_interval, metric_name
    from ..eval.report.comparison import change
    from ..eval.report.task_results import systems_of
    from ..eval.scores import BASE

    systems = systems_of(rows)
    adapted = [system for system in systems if system != BASE]
    table = []
    for row in rows:
        cells = [
            f"{format_value(cell.mean, row.metric)}\n{format_value_interval(cell.interval, row.metric)}"
            if cell
            else "—"
            for cell in map(row.systems.get, systems)
        ]
        changes = [
            f"{format_change(change(row, system), row.metric)}\n{cell.verdict or ''}" if cell else ""
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
