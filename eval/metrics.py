"""Macro-F1, accuracy and entity F1, and how a metric is computed on a part of the test items.

Nearly every metric is a function of sums over the items: counts of (gold, predicted) pairs, of entities, of -ln p and
of tokens. Each item contributes one row of numbers (its sufficient statistics), so a bootstrap resample of the items,
or a permutation of two systems' predictions, is one matrix product (see significance.py). Rank correlation is not, as
every rank depends on all items (correlations.py).

A new metric is a function that returns a `Metric`, a place in the `metrics` of its kind of task (kinds.py), its name in
recipes/task_kinds.py, and one for readers in display.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
CONFIDENCE = 0.95
BATCH = 250  # resamples drawn at a time: bounds the memory for large test sets

PRIMARY_METRICS = {"mlm": "pseudo_perplexity", "topic": "macro_f1", "sentiment": "macro_f1", "ner": "entity_f1"}
SECONDARY_METRICS = {"mlm": ("pseudo_perplexity_l2r", "bits_per_character")}  # with rows of their own in tables
_LOWER_IS_BETTER = ("pseudo_perplexity", "bits_per_", "unknown_share")  # how such metrics' names begin
CORRELATIONS = ("spearman", "pearson")
_BOUNDS = {**dict.fromkeys(CORRELATIONS, (-1.0, 1.0)), "r2": (-np.inf, 1.0)}


def is_secondary(task: str, metric: str) -> bool:
    """Whether a metric stands beside a task's primary one in tables, and in no mean over languages or figure of all."""
    return metric in SECONDARY_METRICS.get(task, ())


def lower_is_better(metric: str) -> bool:
    """Whether a smaller value of the metric is better. Its changes are given in % of the baseline's value."""
    return metric.startswith(_LOWER_IS_BETTER)


def bounds(metric: str) -> tuple[float, float]:
    """The smallest and the largest value that a metric of trained tasks can have."""
    return _BOUNDS.get(metric, (0.0, 1.0))


class Metric(ABC):
    """A metric on test items."""

    name: str

    @property
    @abstractmethod
    def items(self) -> int:
        """The number of test items."""

    @abstractmethod
    def value(self) -> float:
        """The metric over all items."""

    @abstractmethod
    def of_draws(self, counts: np.ndarray) -> np.ndarray:
        """The metric (samples,) of samples in which each item is drawn as often as `counts` (samples, items) say."""

    @abstractmethod
    def without_each_item(self) -> np.ndarray:
        """The metric (items,) of all items but one, for the jackknife."""

    def interval(self, seed: int = 0) -> tuple[float, float]:
        """95% percentile bootstrap interval over the items (Efron 1979)."""
        batches = resample_counts(self.items, RESAMPLES, seed)
        return percentile_interval(np.concatenate([self.of_draws(counts) for counts in batches]))


@dataclass(frozen=True)
class SumMetric(Metric):
    """A function of sums over the items: `from_sums` maps sums (..., k) of `statistics` (items, k) to values (...)."""

    name: str
    statistics: np.ndarray
    from_sums: Callable[[np.ndarray], np.ndarray]

    @property
    def items(self) -> int:
        """See `Metric`."""
        return len(self.statistics)

    def value(self) -> float:
        """See `Metric`."""
        return float(self.from_sums(self.statistics.sum(0)))

    def of_draws(self, counts: np.ndarray) -> np.ndarray:
        """See `Metric`."""
        return self.from_sums(counts @ self.statistics)

    def without_each_item(self) -> np.ndarray:
        """See `Metric`."""
        return self.from_sums(self.statistics.sum(0) - self.statistics)


def resample_counts(items: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each of `items` is drawn in `resamples` bootstrap samples, in batches (up to BATCH, items).

    Counts instead of indices: the sums over a batch of resamples are then the product `counts @ statistics`.
    """
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, BATCH):
        yield rng.multinomial(items, np.full(items, 1 / items), size=min(BATCH, resamples - start)).astype(float)


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """The middle 95% (`CONFIDENCE`) of `values`."""
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def classification_metrics(gold: np.ndarray, predicted: np.ndarray, classes: int) -> list[Metric]:
    """Macro-F1 and accuracy of class ids (items,).

    Macro-F1 is the mean over the classes that occur in gold or among the predictions, as in scikit-learn.
    """
    one_hot = np.eye(classes)
    counts = _counts_of_labels(one_hot[gold], one_hot[predicted])
    return [SumMetric("macro_f1", counts, _mean_f1_of_occurring), _accuracy_of(gold == predicted)]


def multilabel_metrics(gold: np.ndarray, predicted: np.ndarray) -> list[Metric]:
    """Macro-F1, micro-F1 and accuracy of labels (items, labels), 1 where an item has the label and 0 elsewhere.

    As in scikit-learn, macro-F1 is the mean over all labels, with 0 for one that is neither in gold nor predicted, and
    accuracy is the share of items of which every label is right.
    """
    counts = _counts_of_labels(gold, predicted)
    return [
        SumMetric("macro_f1", counts, lambda sums: f1(_by_label(sums)).mean(-1)),
        SumMetric("micro_f1", counts, lambda sums: f1(_by_label(sums).sum(-2))),
        _accuracy_of((gold == predicted).all(1)),
    ]


def word_accuracy(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Metric:
    """Share of words with the right tag. Resampled by sentence, as the words of one are not independent."""
    hits = []
    for gold_tags, predicted_tags in zip(gold, predicted, strict=True):
        correct = sum(tag == other for tag, other in zip(gold_tags, predicted_tags, strict=True))
        hits.append((correct, len(gold_tags)))
    return SumMetric("accuracy", np.array(hits, dtype=float).reshape(-1, 2), _accuracy)


def entity_f1(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Metric:
    """Micro-averaged F1 of entities in IOB tags, as CoNLL-2003 and seqeval score them.

    An entity is correct if its type and both ends agree. 0 where there are no entities.
    """
    counts = [entity_counts(*tags) for tags in zip(gold, predicted, strict=True)]
    return SumMetric("entity_f1", np.array(counts, dtype=float).reshape(-1, 3), f1)


def f1(counts: np.ndarray) -> np.ndarray:
    """F1 (...) from counts (..., 3): correct, in gold, predicted. 0 where nothing is in gold and nothing predicted."""
    correct, in_gold, predicted = counts[..., 0], counts[..., 1], counts[..., 2]
    return 2 * correct / np.maximum(1, in_gold + predicted)


def entities(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """(type, first, last) of the entities in IOB tags, as CoNLL's evaluation script reads them.

    An I- tag that continues no entity begins one, and so does a change of type.
    """
    spans: set[tuple[str, int, int]] = set()
    kind, start = "", 0
    for position, tag in enumerate([*tags, "O"]):  # the last "O" closes an entity at the end of the sentence
        prefix, _, name = tag.partition("-")
        inside = prefix == "I" and name == kind
        if kind and not inside:
            spans.add((kind, start, position - 1))
            kind = ""
        if prefix in ("B", "I") and not inside:
            kind, start = name, position
    return spans


def entity_counts(gold: Sequence[str], predicted: Sequence[str]) -> tuple[int, int, int]:
    """(correct, in gold, predicted) entities of one sentence."""
    gold_entities, predicted_entities = entities(gold), entities(predicted)
    return len(gold_entities & predicted_entities), len(gold_entities), len(predicted_entities)


def label_table(counts: np.ndarray | Sequence[np.ndarray], labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each label from counts (labels, 3): correct, in gold, predicted."""
    return {label: _precision_recall_f1(row) for label, row in zip(labels, counts, strict=True)}


def entity_table(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each entity type."""
    counts: dict[str, np.ndarray] = {}
    for gold_tags, predicted_tags in zip(gold, predicted, strict=True):
        gold_entities, predicted_entities = entities(gold_tags), entities(predicted_tags)
        correct = gold_entities & predicted_entities
        for column, spans in enumerate((correct, gold_entities, predicted_entities)):
            for kind, _, _ in spans:
                counts.setdefault(kind, np.zeros(3))[column] += 1
    kinds = sorted(counts)
    return label_table([counts[kind] for kind in kinds], kinds)


def confusion_matrix(gold: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) counts: gold classes in rows, predicted classes in columns."""
    return np.bincount(gold * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def _precision_recall_f1(counts: np.ndarray) -> dict[str, float]:
    correct, in_gold, predicted = (float(count) for count in counts)
    return {
        "precision": correct / max(1, predicted),
        "recall": correct / max(1, in_gold),
        "f1": float(f1(counts)),
        "support": int(in_gold),
    }


def _counts_of_labels(gold: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(items, 3 * labels): correct, in gold and predicted for each label, from 1 and 0 (items, labels)."""
    return np.stack([gold * predicted, gold, predicted], -1).reshape(len(gold), -1).astype(float)


def _by_label(sums: np.ndarray) -> np.ndarray:
    """Counts (..., labels, 3) from sums (..., 3 * labels) of `_counts_of_labels`."""
    return sums.reshape(*sums.shape[:-1], -1, 3)


def _mean_f1_of_occurring(sums: np.ndarray) -> np.ndarray:
    """Mean F1 (...) over the classes that occur in gold or among the predictions; f1 is 0 for all others."""
    counts = _by_label(sums)
    occurs = counts[..., 1:].any(-1)
    return f1(counts).sum(-1) / np.maximum(1, occurs.sum(-1))


def _accuracy_of(hits: np.ndarray) -> Metric:
    """The share of the items (items,) that are right."""
    return SumMetric("accuracy", np.stack([hits, np.ones(len(hits))], 1), _accuracy)


def _accuracy(sums: np.ndarray) -> np.ndarray:
    """Share of hits (...) from sums (..., 2) of hits and items."""
    return sums[..., 0] / np.maximum(1, sums[..., 1])
