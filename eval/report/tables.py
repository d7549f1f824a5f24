"""The report's tables of scores, which markdown.py and latex.py write to files and report.html to the page."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...workspace.formatting import format_count
from ..display import format_value, metric_name, task_name, task_order, task_title
from ..metrics import is_secondary
from ..scores import is_control, split_control
from ..significance import SEEDS_AND_ITEMS
from .language_means import LanguageMean, means_over_languages
from .runs import language_name
from .task_results import TaskResult, group_by, systems_of

NAMED_BY_SEED = re.compile(r"[(,] ?seed \d+")  # systems that differ in `training.seed`: seq_bn/text (seed 1)


@dataclass(frozen=True)
class Table:
    """Scores on one base, with systems as columns: of one language a row per task, or of one task a row per language.

    A row without systems stands for what was not measured. `means` are over languages, None for one language. `metric`
    is set if another table has the same task with another metric.
    """

    base: str
    title: str
    rows: list[TaskResult]
    systems: list[str]
    means: dict[str, LanguageMean] | None
    metric: str = ""

    @property
    def by_language(self) -> bool:
        """Whether its rows are languages."""
        return self.means is not None

    @property
    def full_title(self) -> str:
        """Its base and, if there are several tables on it, its title."""
        return f"{self.base}: {self.title}" if self.title else self.base

    def row_name(self, row: TaskResult) -> str:
        """What a row is called: its language if there are several, else its task."""
        return language_name(row.language) if self.by_language else task_name(row.task)

    def mean(self, system: str) -> LanguageMean | None:
        """A system's mean over languages, if there is one."""
        return (self.means or {}).get(system)

    def baseline_note(self, system: str) -> str:
        """The baseline's mean over a system's languages, if it was scored in more; else empty.

        The change is from this mean, not from the baseline's own.
        """
        baseline, mean = self.rows[0].baseline, self.mean(system)
        whole = self.mean(baseline)
        if mean is None or whole is None or set(mean.codes) == set(whole.codes):
            return ""
        return f"{baseline} over the same languages: {format_value(mean.baseline, self.rows[0].metric)}"


def make_tables(results: Sequence[TaskResult]) -> list[Table]:
    """Tables of compared results, in the order of bases and tasks."""
    if len({result.language for result in results}) == 1:
        return _tables_of_tasks(results)
    return _tables_of_languages(results)


def tasks_with_several_metrics(results: Sequence[TaskResult]) -> set[str]:
    """Tasks that have another primary metric in some languages; their names do not say which values are meant."""
    by_task = group_by((one for one in results if not is_secondary(one.task, one.metric)), "task")
    return {task for (task,), group in by_task.items() if len({result.metric for result in group}) > 1}


def languages_of_means(table: Table) -> str:
    """Which languages a table's means are over, as a sentence; empty for a table without means."""
    if not table.means:
        return ""
    codes = {code for mean in table.means.values() for code in mean.codes}
    return "; ".join([f"Means over {_language_names(codes)}", *missing_from_means(table)]) + "."


def missing_from_means(table: Table) -> list[str]:
    """The systems whose mean lacks languages, each with these: "lora/text without Uyghur"."""
    means = table.means or {}
    codes = {code for mean in means.values() for code in mean.codes}
    missing = {system: codes - set(mean.codes) for system, mean in means.items()}
    return [f"{system} without {_language_names(absent)}" for system, absent in missing.items() if absent]


def row_notes(row: TaskResult) -> list[str]:
    """What is said beside a row's name: how it differs from others, reference scores, splits that are too small."""
    notes = [row.note] if row.note else []
    notes += [f"{name} {value}" for name, value in reference_scores(row).items()]
    small = " and ".join(f"{format_count(size, 'example')} for {split}" for split, size in row.small_splits.items())
    return [*notes, f"only {small}, so scores are unreliable"] if small else notes


def reference_scores(row: TaskResult) -> dict[str, str]:
    """What a task's scores are compared with, where it is known: a constant answer, a head on the frozen base."""
    values = {row.constant_name: row.majority_class, "head only": row.head_only}
    return {name: format_value(value, row.metric) for name, value in values.items() if value is not None}


def interval_notes(results: Sequence[TaskResult]) -> list[str]:
    """Sentences on what the intervals and verdicts of these results cover."""
    systems = [system for result in results for system in result.systems.values()]
    notes = []
    if any(system.seeds == 1 for system in systems):
        notes.append(
            "With one seed, the interval of a task covers the test items only and there is no verdict; "
            "list three or more in eval.seeds."
        )
    if any(system.covers == SEEDS_AND_ITEMS for system in systems):
        notes.append("With several seeds, intervals and verdicts of tasks cover the seeds and the test items.")
    if any(system.seeds == 0 for system in systems):
        notes.append("Intervals and verdicts of language modelling cover the test items.")
    named_by_seed = (name for result in results for name in result.systems if NAMED_BY_SEED.search(name))
    example = next(named_by_seed, None)
    if example is None:
        return [*notes, "All are of one training run of each language adapter."]
    return [
        *notes,
        f"Adapters trained with several seeds are systems of their own, such as {example}: they are not averaged, and "
        "the results of each are of one training run.",
    ]


def system_header(system: str) -> tuple[str, str]:
    """A system's adapter and what it was trained on: ("seq_bn", "on text"); the latter is empty for the base."""
    if is_control(system):
        kind, controlled = split_control(system)
        return kind, f"control of {controlled}"
    adapter, _, source = system.partition("/")
    return adapter, f"on {source}" if source and not source.startswith("fusion") else source


def _tables_of_tasks(results: Sequence[TaskResult]) -> list[Table]:
    """One language: a table per base."""
    tables = []
    for base in sorted({result.base for result in results}):
        rows = [result for result in results if result.base == base]
        measured = {row.task for row in rows if not row.transfer}
        elsewhere = {(result.task, result.metric): result for result in _full(results) if result.task not in measured}
        gaps = [_empty_row(rows[0], result.language, *task) for task, result in elsewhere.items()]
        ordered = sorted([*rows, *gaps], key=lambda row: task_order(row.task))
        tables.append(Table(base, "", ordered, systems_of(rows), means=None))
    return tables


def _tables_of_languages(results: Sequence[TaskResult]) -> list[Table]:
    """Several languages: a table per base, task, transfer, metric and limit, whose means would say nothing if mixed."""
    groups = group_by(results, "base", "task", "transfer", "metric", "limit")
    ambiguous = tasks_with_several_metrics(results)
    tables = []
    for base, task, transfer, metric, limit in sorted(groups, key=_table_order):
        rows = groups[base, task, transfer, metric, limit]
        title = task_title(task, metric)
        if transfer:
            title += f", zero-shot from {language_name(transfer)}"
        if task in ambiguous:
            title += f", {metric_name(metric)}"
        if limit:
            title += f", limited to {format_count(limit, 'item')}"
        gaps = [] if transfer or limit else _missing_languages(rows, results)
        ordered = sorted([*rows, *gaps], key=lambda row: (language_name(row.language), row.note))
        systems = systems_of(result for result in results if result.base == base)
        shown_metric = metric if task in ambiguous else ""
        tables.append(Table(base, title, ordered, systems, means_over_languages(rows), shown_metric))
    return tables


def _missing_languages(rows: Sequence[TaskResult], results: Sequence[TaskResult]) -> list[TaskResult]:
    """Empty rows for the report's languages in which this task was not scored on this base.

    A language in which the task was scored by another metric only is in that metric's table, and not missing here.
    """
    task, metric = rows[0].task, rows[0].metric
    measured = {row.language for row in rows}
    languages = dict.fromkeys(result.language for result in _full(results))
    missing = []
    for language in languages:
        metrics = {result.metric for result in results if (result.language, result.task) == (language, task)}
        if language not in measured and (not metrics or metric in metrics):
            missing.append(_empty_row(rows[0], language, task, metric))
    return missing


def _full(results: Sequence[TaskResult]) -> list[TaskResult]:
    """Results of tasks that were trained and tested on the language itself, on all test items."""
    return [result for result in results if not result.transfer and not result.limit]


def _table_order(key: tuple[Any, ...]) -> tuple[Any, ...]:
    base, task, transfer, metric, limit = key
    return base, task_order(task), transfer, is_secondary(task, metric), metric, limit or 0


def _empty_row(like: TaskResult, language: str, task: str, metric: str) -> TaskResult:
    return TaskResult(language, like.base, task, metric, {}, baseline=like.baseline)


def _language_names(codes: Iterable[str]) -> str:
    return ", ".join(sorted(map(language_name, codes)))
