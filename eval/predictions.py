"""A system's predictions on the test items, one object for each item in `predictions.jsonl`, and their metrics.

Language modelling: `text` and the fields of `SentenceScore`. Text classification: `text`, `gold`, `guess`. Tagging:
`words`, `gold`, `guess`, lists of the same length.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import metrics
from .metrics import Metric
from .perplexity import from_row, perplexity_metrics

PREDICTIONS_FILE = "predictions.jsonl"
# in the facts of a score folder's manifest
MAJORITY_CLASS = "majority_class"
HEAD_ONLY = "head_only"

Predictions = Sequence[dict[str, Any]]


def write_predictions(folder: Path, rows: Predictions) -> None:
    """Write `predictions.jsonl` into `folder`."""
    with (folder / PREDICTIONS_FILE).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read_predictions(folder: Path) -> list[dict[str, Any]]:
    r"""Read `predictions.jsonl`. Only \n ends a line: a text may contain U+2028, U+0085 and the other line breaks."""
    with (folder / PREDICTIONS_FILE).open(encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file]


def metrics_of(rows: Predictions, labels: Sequence[str]) -> list[Metric]:
    """Every metric of a system's predictions; `labels` are the class names of a text classification."""
    if _is_language_modelling(rows):
        return perplexity_metrics([from_row(row) for row in rows])
    gold, predicted = _gold_and_predicted(rows)
    if _is_tagging(rows):
        of_entities = [metrics.entity_f1(gold, predicted)] if _are_iob2(gold) else []
        return [*of_entities, metrics.word_accuracy(gold, predicted)]
    return metrics.classification_metrics(_class_ids(gold, labels), _class_ids(predicted, labels), len(labels))


def metric_of(name: str, rows: Predictions, labels: Sequence[str]) -> Metric:
    """One metric of a system's predictions. Raises KeyError if it is not defined for them."""
    return {metric.name: metric for metric in metrics_of(rows, labels)}[name]


def label_names(systems: Iterable[Predictions]) -> list[str]:
    """The class names that occur, as gold label or prediction, in the predictions of several systems; sorted."""
    names = set()
    for rows in systems:
        for row in rows:
            names |= {row[key] for key in ("gold", "guess") if isinstance(row.get(key), str)}
    return sorted(names)


def same_items(rows: Predictions, others: Predictions) -> bool:
    """Whether two systems were scored on the same items in the same order, as far as the predictions show."""
    return [_item(row) for row in rows] == [_item(row) for row in others]


def majority_class(training_labels: Iterable[str], rows: Predictions, labels: Sequence[str]) -> dict[str, Any]:
    """The most frequent of the training labels, and each metric if it were the answer to every item of `rows`."""
    counts = Counter(training_labels)
    label = min(counts, key=lambda name: (-counts[name], name))
    constant = [row | {"guess": label} for row in rows]
    return {"label": label, **values_of(constant, labels)}


def values_of(rows: Predictions, labels: Sequence[str]) -> dict[str, float]:
    """Each metric of the predictions, by its name."""
    return {metric.name: metric.value() for metric in metrics_of(rows, labels)}


def class_details(rows: Predictions, labels: Sequence[str]) -> dict[str, Any] | None:
    """Precision, recall, F1 and support by class or entity type, as in `details.json`; None for language modelling.

    For classes (and tags that are not entities) also the confusion matrix: gold in rows, predicted in columns.
    """
    if _is_language_modelling(rows):
        return None
    gold, predicted = _gold_and_predicted(rows)
    if _is_tagging(rows):
        if _are_iob2(gold):
            return {"classes": metrics.entity_table(gold, predicted)}
        gold = [tag for tags in gold for tag in tags]
        predicted = [tag for tags in predicted for tag in tags]
        labels = sorted({*gold, *predicted})
    confusion = metrics.confusion_matrix(_class_ids(gold, labels), _class_ids(predicted, labels), len(labels))
    classes = metrics.class_table(confusion, labels)
    return {"labels": list(labels), "confusion": confusion.tolist(), "classes": classes}


def _is_language_modelling(rows: Predictions) -> bool:
    return "nll" in rows[0]


def _is_tagging(rows: Predictions) -> bool:
    return "words" in rows[0]


def _gold_and_predicted(rows: Predictions) -> tuple[list[Any], list[Any]]:
    return [row["gold"] for row in rows], [row["guess"] for row in rows]


def _class_ids(names: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    ids = {label: number for number, label in enumerate(labels)}
    return np.array([ids[name] for name in names])


def _are_iob2(gold: Sequence[Sequence[str]]) -> bool:
    """Whether the tags are entities in IOB2, and not parts of speech or other labels of words."""
    return all(tag == "O" or tag[:2] in ("B-", "I-") for tags in gold for tag in tags)


def _item(row: dict[str, Any]) -> Any:
    """What identifies an item. `tokens` and `gold` differ between tokenizers and label sets: such items differ too."""
    return row["words"] if "words" in row else row["text"], row.get("tokens"), row.get("gold")
