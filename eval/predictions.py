"""A system's answers to the test items: one object an item in `predictions.jsonl`, and the metrics they give.

Language modelling: `text` and the fields of `SentenceScore`. Classes: `text`, `gold`, `guess`. Tags: `words`, `gold`,
`guess`, lists of the same length.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import metrics, perplexity
from .metrics import Measure

FILE = "predictions.jsonl"


def write_predictions(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write `predictions.jsonl` into `folder`."""
    with (folder / FILE).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read_predictions(folder: Path) -> list[dict[str, Any]]:
    r"""Read `predictions.jsonl`. Only \n ends a line: a text may hold U+2028, U+0085 and the other line breaks."""
    with (folder / FILE).open(encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file]


def measures_of(rows: Sequence[dict[str, Any]], labels: Sequence[str]) -> list[Measure]:
    """Every metric of a system's answers; `labels` are the class names of a classification."""
    if "nll" in rows[0]:
        return perplexity.measures([perplexity.from_row(row) for row in rows])
    gold, guess = [row["gold"] for row in rows], [row["guess"] for row in rows]
    if "words" in rows[0]:
        entities = [metrics.entity_f1(gold, guess)] if _of_entities(gold) else []
        return [*entities, metrics.word_accuracy(gold, guess)]
    place = {label: number for number, label in enumerate(labels)}
    true, found = (np.array([place[label] for label in some]) for some in (gold, guess))
    return metrics.classification(true, found, len(labels))


def measure_of(metric: str, rows: Sequence[dict[str, Any]], labels: Sequence[str]) -> Measure:
    """One metric of a system's answers. Raises KeyError where they do not give it."""
    return {measure.metric: measure for measure in measures_of(rows, labels)}[metric]


def same_items(some: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]) -> bool:
    """Whether two systems answered the same items in the same order, as far as the answers tell."""
    return [_item(row) for row in some] == [_item(row) for row in others]


def details(rows: Sequence[dict[str, Any]], labels: Sequence[str]) -> dict[str, Any] | None:
    """Per-class figures (and for classes the confusion matrix, gold by guess); None for language modelling."""
    if "nll" in rows[0]:
        return None
    gold, guess = [row["gold"] for row in rows], [row["guess"] for row in rows]
    if "words" in rows[0]:
        if _of_entities(gold):
            return {"classes": metrics.entity_table(gold, guess)}
        gold, guess = ([tag for tags in some for tag in tags] for some in (gold, guess))
        labels = sorted({*gold, *guess})
    place = {label: number for number, label in enumerate(labels)}
    true, found = (np.array([place[label] for label in some]) for some in (gold, guess))
    confusion = metrics.confusion_matrix(true, found, len(labels))
    classes = metrics.class_table(confusion, labels)
    return {"labels": list(labels), "confusion": confusion.tolist(), "classes": classes}


def _of_entities(gold: Sequence[Sequence[str]]) -> bool:
    """Whether tags are IOB2, and not parts of speech or whatever else a word may have."""
    return all(tag == "O" or tag[:2] in ("B-", "I-") for tags in gold for tag in tags)


def _item(row: dict[str, Any]) -> Any:
    return row["words"] if "words" in row else row["text"], row.get("tokens"), row.get("gold")
