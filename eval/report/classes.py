"""Results by class: what `details.json` beside the scores tells of each label or type of entity."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ..scores import MISSING, task_name
from .comparison import Row
from .results import language_name

FILE = "details.json"
FIGURES = ("precision", "recall", "f1")


@dataclass(frozen=True)
class ClassResults:
    """A system's results by class as a table of text, and its confusion matrix (gold down, guess across) or None.

    One language: a line per class with precision, recall, F1 in percent and support, means over seeds. Several: a line
    per language with the F1 of each class. The matrix is summed over seeds and languages.
    """

    base: str
    task: str
    system: str
    head: list[str]
    lines: list[list[str]]
    labels: list[str]
    confusion: list[list[int]] | None


def class_results(rows: Sequence[Row]) -> list[ClassResults]:
    """Results by class of every system and task that has them, in the rows' order."""
    several = len({row.language for row in rows}) > 1
    groups: dict[tuple[str, str, str], list[tuple[str, list[dict[str, Any]]]]] = defaultdict(list)
    for row in rows:
        name = task_name(row.task) + (f" [{row.note}]" if row.note and not several else "")
        for system, cell in row.systems.items():
            found = [details for folder in cell.folders if (details := _details(folder))]
            if found:
                groups[row.base, name, system].append((language_name(row.language), found))
    return [_results(key, some, several=several) for key, some in groups.items()]


def _results(
    key: tuple[str, str, str], some: Sequence[tuple[str, list[dict[str, Any]]]], *, several: bool
) -> ClassResults:
    classes = list(dict.fromkeys(name for _, found in some for details in found for name in details["classes"]))
    if several:
        head = ["Language", *classes]
        lines = [
            [language, *(_mean(found, name, "f1") for name in classes)]
            for language, found in sorted(some, key=lambda one: one[0])
        ]
    else:
        (_, found) = some[0]
        head = ["Class", "precision", "recall", "F1", "support"]
        lines = [[name, *(_mean(found, name, figure) for figure in FIGURES), _support(found, name)] for name in classes]
    labels, confusion = _summed([details for _, found in some for details in found])
    return ClassResults(key[0], key[1], key[2], head, lines, labels, confusion)


def _mean(found: Sequence[Mapping[str, Any]], name: str, figure: str) -> str:
    values = [details["classes"][name][figure] for details in found if name in details["classes"]]
    return f"{fmean(values) * 100:.1f}" if values else MISSING


def _support(found: Sequence[Mapping[str, Any]], name: str) -> str:
    return next(f"{details['classes'][name]['support']:,.0f}" for details in found if name in details["classes"])


def _summed(found: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[int]] | None]:
    """The sum of the confusion matrices where all have one over the same labels."""
    labels = found[0].get("labels") or []
    if not labels or any(details.get("labels") != labels or not details.get("confusion") for details in found):
        return [], None
    matrices = [details["confusion"] for details in found]
    return labels, [[sum(cells) for cells in zip(*lines, strict=True)] for lines in zip(*matrices, strict=True)]


def _details(folder: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # scores may be passed on without them
        return None
    return found if isinstance(found, dict) and found.get("classes") else None
