"""What each kind of task learns from a label, how it answers, and how its answers are scored.

A kind is known from the rows of `predictions.jsonl` alone (`kind_of`), so that scores can be compared without the
recipe that they were made with.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, ClassVar

import numpy as np

from ..recipes.task_kinds import KindName
from . import metrics
from .correlations import score_metrics
from .metrics import Metric
from .perplexity import from_row, perplexity_metrics

Row = dict[str, Any]
Rows = Sequence[Row]

THRESHOLD = 0.5  # probability from which a text gets a label, of any number
DIGITS = 6  # of probabilities


@dataclass(frozen=True)
class Constant:
    """The best answer of a system that does not look at the text, learnt from the labels of the training data."""

    name: str
    """What it is called in reports."""
    label: str
    answer: Callable[[Row], Any]
    """The guess for a row."""


class Kind(ABC):
    """A kind of rows."""

    unit: ClassVar[str] = "label"
    """What a label is called."""

    @abstractmethod
    def metrics(self, rows: Rows, labels: Sequence[str]) -> list[Metric]:
        """The metrics of the rows; `labels` are the names that an answer may have."""

    def details(self, rows: Rows, labels: Sequence[str]) -> dict[str, Any] | None:
        """Results by class, as in `details.json`; None for kinds without classes."""
        return None

    def constant(self, training_labels: Sequence[Any], labels: Sequence[str]) -> Constant | None:
        """The constant answer to compare with; None where it scores 0."""
        return None

    def only_answer(self, rows: Rows) -> str | None:
        """The answer that all rows have although their gold labels differ; None if there are several."""
        return None


class TextKind(Kind):
    """A kind that labels texts."""

    @abstractmethod
    def target(self, label: Any, labels: Sequence[str]) -> tuple[int, tuple[float, ...]]:
        """The class to learn, or 0 and the numbers to learn."""

    @abstractmethod
    def answer(self, output: Any, labels: Sequence[str]) -> Row:
        """The part of a row that holds what `task_adapter.predict` gives for its text."""

    def only_answer(self, rows: Rows) -> str | None:
        """See `Kind`."""
        guesses, gold = ({_written(row[key]) for row in rows} for key in ("guess", "gold"))
        return guesses.pop() if len(guesses) == 1 < len(gold) else None


class _LanguageModelling(Kind):
    """The log-likelihoods of sentences (`SentenceScore`)."""

    def metrics(self, rows: Rows, labels: Sequence[str]) -> list[Metric]:
        return perplexity_metrics([from_row(row) for row in rows])


class _Classification(TextKind):
    """One of several labels for each text."""

    def target(self, label: str, labels: Sequence[str]) -> tuple[int, tuple[float, ...]]:
        return labels.index(label), ()

    def answer(self, output: int, labels: Sequence[str]) -> Row:
        return {"guess": labels[output]}

    def metrics(self, rows: Rows, labels: Sequence[str]) -> list[Metric]:
        gold, guess = (_class_ids([row[key] for row in rows], labels) for key in ("gold", "guess"))
        return metrics.classification_metrics(gold, guess, len(labels))

    def details(self, rows: Rows, labels: Sequence[str]) -> dict[str, Any]:
        return _by_class(*_gold_and_guesses(rows), labels)

    def constant(self, training_labels: Sequence[str], labels: Sequence[str]) -> Constant:
        label = _most_frequent(training_labels)
        return Constant("majority class", label, lambda _: label)


class _MultiLabel(TextKind):
    """Any number of labels for each text, each by a probability of its own."""

    def target(self, label: Sequence[str], labels: Sequence[str]) -> tuple[int, tuple[float, ...]]:
        return 0, tuple(float(name in label) for name in labels)

    def answer(self, output: Sequence[float], labels: Sequence[str]) -> Row:
        by_label = dict(zip(labels, output, strict=True))
        return {
            "guess": [name for name, probability in by_label.items() if probability >= THRESHOLD],
            "probabilities": {name: round(probability, DIGITS) for name, probability in by_label.items()},
        }

    def metrics(self, rows: Rows, labels: Sequence[str]) -> list[Metric]:
        return metrics.multilabel_metrics(*_indicators(rows, labels))

    def details(self, rows: Rows, labels: Sequence[str]) -> dict[str, Any]:
        gold, guess = _indicators(rows, labels)
        counts = np.stack([(gold * guess).sum(0), gold.sum(0), guess.sum(0)], 1)
        return {"classes": metrics.label_table(counts, labels)}

    def constant(self, training_labels: Sequence[Sequence[str]], labels: Sequence[str]) -> Constant:
        # A label that is never given has an F1 of 0, so the best is to give all of them.
        return Constant("every label", ", ".join(labels), lambda _: list(labels))


class _Regression(TextKind):
    """A score for each text."""

    unit = "score"

    def target(self, label: float, labels: Sequence[str]) -> tuple[int, tuple[float, ...]]:
        return 0, (label,)

    def answer(self, output: Sequence[float], labels: Sequence[str]) -> Row:
        return {"guess": output[0]}

    def metrics(self, rows: Rows, labels: Sequence[str]) -> list[Metric]:
        return score_metrics(*(np.array([row[key] for row in rows], dtype=float) for key in ("gold", "guess")))

    def constant(self, training_labels: Sequence[float], labels: Sequence[str]) -> Constant:
        mean = fmean(training_labels)
        return Constant("mean score", f"{mean:.6g}", lambda _: mean)


class _Tagging(Kind):
    """A tag for each word, such as its part of speech."""

    unit = "tag"

    def metrics(self, rows: Rows, labels: Sequence[str]) -> list[Metric]:
        return [metrics.word_accuracy(*_gold_and_guesses(rows))]

    def details(self, rows: Rows, labels: Sequence[str]) -> dict[str, Any]:
        gold, guesses = ([tag for tags in column for tag in tags] for column in _gold_and_guesses(rows))
        return _by_class(gold, guesses, sorted({*gold, *guesses}))

    def constant(self, training_labels: Sequence[Sequence[str]], labels: Sequence[str]) -> Constant | None:
        tag = _most_frequent([tag for tags in training_labels for tag in tags])
        return Constant("majority class", tag, lambda row: [tag] * len(row["gold"]))


class _Entities(Kind):
    """Named entities as tags in IOB2."""

    unit = "entity type"

    def metrics(self, rows: Rows, labels: Sequence[str]) -> list[Metric]:
        gold, guesses = _gold_and_guesses(rows)
        return [metrics.entity_f1(gold, guesses), metrics.word_accuracy(gold, guesses)]

    def details(self, rows: Rows, labels: Sequence[str]) -> dict[str, Any]:
        return {"classes": metrics.entity_table(*_gold_and_guesses(rows))}


TEXT_KINDS: Mapping[KindName, TextKind] = {
    "classification": _Classification(),
    "multilabel": _MultiLabel(),
    "regression": _Regression(),
}
KINDS: Mapping[KindName, Kind] = {**TEXT_KINDS, "entities": _Entities(), "tagging": _Tagging()}


def kind_of(rows: Rows) -> Kind:
    """The kind of the rows, by the form of their gold labels."""
    if "nll" in rows[0]:
        return _LanguageModelling()
    if "words" in rows[0]:
        return KINDS["entities" if all(are_iob2(row["gold"]) for row in rows) else "tagging"]
    gold = rows[0]["gold"]
    return KINDS[
        "classification" if isinstance(gold, str) else "multilabel" if isinstance(gold, list) else "regression"
    ]


def are_iob2(tags: Sequence[str]) -> bool:
    """Whether tags are those of entities in IOB2, and not parts of speech or other labels of words."""
    return all(tag == "O" or tag[:2] in ("B-", "I-") for tag in tags)


def _gold_and_guesses(rows: Rows) -> tuple[list[Any], list[Any]]:
    return [row["gold"] for row in rows], [row["guess"] for row in rows]


def _class_ids(names: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    ids = {label: number for number, label in enumerate(labels)}
    return np.array([ids[name] for name in names])


def _indicators(rows: Rows, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Which labels the rows have in gold and as guesses: 1 or 0, (rows, labels) each."""
    gold, guess = (np.array([[name in row[key] for name in labels] for row in rows], int) for key in ("gold", "guess"))
    return gold, guess


def _by_class(gold: Sequence[str], guesses: Sequence[str], labels: Sequence[str]) -> dict[str, Any]:
    confusion = metrics.confusion_matrix(_class_ids(gold, labels), _class_ids(guesses, labels), len(labels))
    counts = np.stack([np.diag(confusion), confusion.sum(1), confusion.sum(0)], 1)
    return {"labels": list(labels), "confusion": confusion.tolist(), "classes": metrics.label_table(counts, labels)}


def _most_frequent(labels: Sequence[str]) -> str:
    """The most frequent label; of several, the first by name."""
    counts = Counter(labels)
    return min(counts, key=lambda name: (-counts[name], name))


def _written(answer: Any) -> str:
    """An answer in words."""
    return (", ".join(answer) or "no label") if isinstance(answer, list) else str(answer)
