"""`lrl-adapt eval`: base and adapted model on the recipe's tasks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ..workspace.errors import UserError
from ..workspace.formatting import format_percent
from ..workspace.home import DEFAULT_WORKSPACE
from . import options
from .console import Terminal
from .options import examples
from .steps import failed_json, finish_dry_run, labelled_runs

EPILOG = examples(
    "lrl-adapt eval",
    "lrl-adapt eval --task mlm,ner",
    "lrl-adapt eval --adapter none --task mlm --limit 50 --json",
    "lrl-adapt eval --task topic --dry-run",
    "lrl-adapt eval --task mlm --adapter-dir my-swahili",
)


AdapterFolder = Annotated[
    Path | None,
    typer.Option(
        "--adapter-dir",
        help="Evaluate the adapter in this folder instead of the recipe's, such as an imported or quantised one.",
    ),
]
TransferFrom = Annotated[
    str | None,
    typer.Option(
        "--transfer-from",
        metavar="LANGUAGE",
        help="Zero-shot transfer: train the task adapters on this language, test them on the recipe's language.",
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
    from ..pipeline import plan

    terminal = Terminal(as_json=as_json)
    transfer = (
        [options.option_override("--transfer-from", "eval.transfer_from", transfer_from)] if transfer_from else []
    )
    more = [*(changes or []), *transfer]
    short = options.overrides(more, language=language, adapter=adapter, source=source, tasks=tasks, limit=limit)
    runs = labelled_runs(recipe, short)
    languages = {run.language for run in runs.values()}
    if folder and len(languages) > 1:
        raise UserError(
            f"--adapter-dir is an adapter for one language, but {recipe} has several: choose one with --language"
        )
    planned = plan(runs, workspace=workspace, parts=("eval",), adapter=folder)
    if dry_run:
        finish_dry_run(terminal, planned)
        return
    outcome = planned.execute(terminal)
    if outcome.scores:
        show_scores(terminal, outcome.scores_by_folder, compare(outcome.scores, workspace, terminal))
    if outcome.scores or len(runs) > 1:
        where = workspace / "scores" / (languages.pop() if len(runs) == 1 else "")
        result = {
            "scores": [asdict(score) for score in outcome.scores],
            "data": data_json(outcome.scores_by_folder),
        }
        terminal.result(result | failed_json(outcome), where if outcome.scores else None)
    outcome.raise_if_failed()


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
    from ..eval.report.tables import interval_notes
    from ..eval.report.task_results import folders_of, results_from

    shown_folders = {folder.resolve() for folder in folders}
    rows = results_from(results.results, shown_folders)
    for language in dict.fromkeys(row.language for row in rows):
        _show_language(terminal, language, [row for row in rows if row.language == language])
    if any(not folders_of(cell) <= shown_folders for row in rows for cell in row.systems.values()):
        terminal.say("note: means are over all seeds in the workspace, as on the report page")
    terminal.say(f"note: {' '.join(interval_notes(rows))}")


def _show_language(terminal: Terminal, language: str, rows: Sequence[Any]) -> None:
    """One language's results: tasks, and under each its systems with their scores, changes and verdicts."""
    from ..eval.display import metric_name
    from ..eval.metrics import CONFIDENCE
    from ..eval.report.tables import reference_scores
    from ..eval.report.task_results import systems_of

    systems = systems_of(rows)
    table = []
    for row in rows:
        name = _lines(row.task, metric_name(row.metric), row.note)
        lines = [_system_cells(row, system) for system in systems if row.systems.get(system)]
        lines += [(reference, value, "") for reference, value in reference_scores(row).items()]
        table += [(name if index == 0 else "", *cells) for index, cells in enumerate(lines)]
    confidence = format_percent(CONFIDENCE, 0)
    columns = ("task", "system", "score", "change")
    terminal.table(f"Scores in {language}, with {confidence}% intervals", columns, table, grouped=True)


def _system_cells(row: Any, system: str) -> tuple[str, str, str]:
    """A system's name, its score with the interval, and its change from the baseline with the verdict."""
    from ..eval.display import format_change, format_value, format_value_interval
    from ..eval.report.comparison import change, is_incomparable
    from ..eval.report.controls import controls_note

    cell = row.systems[system]
    score = _lines(format_value(cell.mean, row.metric), format_value_interval(cell.interval, row.metric))
    changed = "" if is_incomparable(cell, row.metric) else format_change(change(row, system), row.metric)
    return system, score, _lines(changed, cell.verdict, controls_note(cell))


def _lines(*parts: str | None) -> str:
    """The parts that are not empty, on a line each."""
    return "\n".join(filter(None, parts))
