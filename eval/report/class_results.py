"""Results by class: precision, recall and F1 of each label or entity type, and confusion matrices.

`predictions.class_details` computes them when a system is scored; they are stored in `details.json` beside the scores.
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ...workspace.formatting import MISSING, format_number, format_percent
from ..display import task_name
from .runs import language_name
from .task_results import TaskResult

DETAILS_FILE = "details.json"
COLUMNS = ("precision", "recall", "f1")

Details = Mapping[str, Any]  # the content of one details.json


@dataclass(frozen=True)
class ClassResults:
    """A system's results by class as a table of text, and its confusion matrix (gold in rows, predicted in columns).

    One language: a line for each class with precision, recall, F1 in percent and support, means over seeds. Several: a
    line for each language with the F1 of each class. The matrix, if there is one, is summed over seeds and languages.
    """

    base: str
    task: str
    system: str
    header: list[str]
    lines: list[list[str]]
    labels: list[str]
    confusion: list[list[int]] | None


def class_results(results: Sequence[TaskResult]) -> list[ClassResults]:
    """Results by class of every system and task that has them, in the order of `results`."""
    several = len({result.language for result in results}) > 1
    groups: dict[tuple[str, str, str], list[tuple[str, list[Details]]]] = defaultdict(list)
    for result in results:
        task = task_name(result.task) + (f" [{result.note}]" if result.note and not several else "")
        for name, system in result.systems.items():
            of_seeds = [details for folder in system.folders if (details := _read_details(folder))]
            if of_seeds:
                groups[result.base, task, name].append((language_name(result.language), of_seeds))
    tables = []
    for (base, task, name), by_language in groups.items():
        header, lines = _table_of_languages(by_language) if several else _table_of_classes(by_language[0][1])
        labels, confusion = _summed_confusion([details for _, of_seeds in by_language for details in of_seeds])
        tables.append(ClassResults(base, task, name, header, lines, labels, confusion))
    return tables


def _table_of_classes(of_seeds: Sequence[Details]) -> tuple[list[str], list[list[str]]]:
    lines = [
        [name, *(_mean(of_seeds, name, column) for column in COLUMNS), _support(of_seeds, name)]
        for name in _class_names(of_seeds)
    ]
    return ["Class", "precision", "recall", "F1", "support"], lines


def _table_of_languages(by_language: Sequence[tuple[str, list[Details]]]) -> tuple[list[str], list[list[str]]]:
    names = _class_names([details for _, of_seeds in by_language for details in of_seeds])
    lines = [
        [language, *(_mean(of_seeds, name, "f1") for name in names)]
        for language, of_seeds in sorted(by_language, key=lambda pair: pair[0])
    ]
    return ["Language", *names], lines


def _class_names(all_details: Sequence[Details]) -> list[str]:
    return list(dict.fromkeys(name for details in all_details for name in details["classes"]))


def _mean(of_seeds: Sequence[Details], name: str, column: str) -> str:
    values = [details["classes"][name][column] for details in of_seeds if name in details["classes"]]
    return format_percent(fmean(values)) if values else MISSING


def _support(of_seeds: Sequence[Details], name: str) -> str:
    return next(
        format_number(details["classes"][name]["support"]) for details in of_seeds if name in details["classes"]
    )


def _summed_confusion(all_details: Sequence[Details]) -> tuple[list[str], list[list[int]] | None]:
    """The labels and the sum of the confusion matrices, if all have one over the same labels."""
    labels = all_details[0].get("labels") or []
    if not labels or any(details.get("labels") != labels or not details.get("confusion") for details in all_details):
        return [], None
    total = [[0] * len(labels) for _ in labels]
    for details in all_details:
        for total_row, row in zip(total, details["confusion"], strict=True):
            for column, count in enumerate(row):
                total_row[column] += count
    return labels, total


def _read_details(folder: Path) -> Details | None:
    try:
        details = json.loads((folder / DETAILS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # scores may be passed on without them
        return None
    return details if isinstance(details, dict) and details.get("classes") else None
