"""A system's predictions on the test items, one object for each item in `predictions.jsonl`, and their metrics.

Language modelling: `text` and the fields of `SentenceScore`. Labels of words: `words`, `gold`, `guess`, lists of the
same length. Labels of texts: `text` (and `text_pair`), `gold`, `guess`, which are a label, a list of labels (with the
`probabilities` of all) or a score.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .kinds import Constant, kind_of
from .metrics import Metric

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
    """Every metric of a system's predictions; `labels` are the names that labels of texts may have."""
    return kind_of(rows).metrics(rows, labels)


def metric_of(name: str, rows: Predictions, labels: Sequence[str]) -> Metric:
    """One metric of a system's predictions. Raises KeyError if it is not defined for them."""
    return {metric.name: metric for metric in metrics_of(rows, labels)}[name]


def label_names(systems: Iterable[Predictions]) -> list[str]:
    """The names that labels of texts have in the predictions of several systems; sorted.

    Those of one-label tasks occur as gold label or prediction, those of others in `probabilities`, which has them all.
    """
    names = set()
    for rows in systems:
        for row in rows:
            names |= {row[key] for key in ("gold", "guess") if isinstance(row.get(key), str)}
            names |= row.get("probabilities", {}).keys()
    return sorted(names)


def same_items(rows: Predictions, others: Predictions, *, any_tokens: bool = False) -> bool:
    """Whether two systems were scored on the same items in the same order, as far as the predictions show.

    `any_tokens`: items are the same, too, if they have other numbers of tokens for the same characters.
    """
    return [_item(row, any_tokens) for row in rows] == [_item(row, any_tokens) for row in others]


def values_of_constant(constant: Constant, rows: Predictions, labels: Sequence[str]) -> dict[str, Any]:
    """What the constant answer is, and each metric if it were the answer to every item of `rows`."""
    answers = [row | {"guess": constant.answer(row)} for row in rows]
    return {"name": constant.name, "label": constant.label, **values_of(answers, labels)}


def values_of(rows: Predictions, labels: Sequence[str]) -> dict[str, float]:
    """Each metric of the predictions, by its name."""
    return {metric.name: metric.value() for metric in metrics_of(rows, labels)}


def class_details(rows: Predictions, labels: Sequence[str]) -> dict[str, Any] | None:
    """Precision, recall, F1 and support by class or entity type, as in `details.json`; None for kinds without classes.

    Where an item has one class also the confusion matrix: gold in rows, predicted in columns.
    """
    return kind_of(rows).details(rows, labels)


def _item(row: dict[str, Any], any_tokens: bool) -> Any:
    """What identifies an item. `tokens` and `gold` differ between tokenizers and label sets: such items differ too.

    With `any_tokens` it only counts whether there are tokens, as metrics leave out texts without, and how many
    characters they cover, as long texts are cut to a number of tokens.
    """
    tokens = row.get("tokens")
    if any_tokens:
        tokens = tokens and row.get("characters")
    text = row["words"] if "words" in row else row["text"]
    return text, row.get("text_pair"), tokens, row.get("gold")
