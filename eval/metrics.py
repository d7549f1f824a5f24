"""Macro-F1, accuracy and entity F1, as functions of sums over test items.

Every figure here needs nothing of the test items but sums of a few numbers: counts of (gold, guess) pairs, entities
found, -ln p and tokens. So a resample of the items, or an exchange of two systems' answers, is one product of matrices
(see significance.py).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95
AT_ONCE = 250  # resamples drawn at a time: bounds the memory for large test sets


@dataclass(frozen=True)
class Measure:
    """A metric on test items: `value` maps sums (..., k) of `parts` (items, k) to the metric (...)."""

    metric: str
    parts: np.ndarray
    value: Callable[[np.ndarray], np.ndarray]

    def of_all(self) -> float:
        """The metric over all items."""
        return float(self.value(self.parts.sum(0)))

    def interval(self, seed: int = 0) -> tuple[float, float]:
        """95 % percentile bootstrap interval over the items (Efron 1979)."""
        drawn = resamples(len(self.parts), RESAMPLES, seed)
        return percentiles(np.concatenate([self.value(counts @ self.parts) for counts in drawn]))


def resamples(items: int, rounds: int, seed: int) -> Iterator[np.ndarray]:
    """How often each item is drawn when `items` are drawn with replacement: (some rounds, items), `rounds` in all."""
    rng = np.random.default_rng(seed)
    for start in range(0, rounds, AT_ONCE):
        yield rng.multinomial(items, np.full(items, 1 / items), size=min(AT_ONCE, rounds - start)).astype(float)


def percentiles(values: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of `values`."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def classification(gold: np.ndarray, guess: np.ndarray, classes: int) -> list[Measure]:
    """Macro-F1 and accuracy of class ids (items,). Macro-F1 is the mean over the classes in gold or guess."""
    parts = np.zeros((len(gold), 3, classes))
    for place, some in enumerate((gold, guess)):
        parts[np.arange(len(gold)), place, some] = 1
    parts[:, 2] = parts[:, 0] * parts[:, 1]
    hits = np.stack([gold == guess, np.ones(len(gold))], 1)
    return [Measure("macro_f1", parts.reshape(len(gold), 3 * classes), _macro_f1), Measure("accuracy", hits, _share)]


def word_accuracy(gold: Sequence[Sequence[str]], guess: Sequence[Sequence[str]]) -> Measure:
    """Share of words with the right tag, resampled by sentence."""
    hits = [
        (sum(g == p for g, p in zip(true, found, strict=True)), len(true))
        for true, found in zip(gold, guess, strict=True)
    ]
    return Measure("accuracy", np.array(hits, dtype=float).reshape(-1, 2), _share)


def entity_f1(gold: Sequence[Sequence[str]], guess: Sequence[Sequence[str]]) -> Measure:
    """Micro-averaged F1 of entities in IOB tags; right means that type and both ends agree. 0 where there is none."""
    counts = [entity_counts(true, found) for true, found in zip(gold, guess, strict=True)]
    return Measure("entity_f1", np.array(counts, dtype=float).reshape(-1, 3), f1)


def f1(counts: np.ndarray) -> np.ndarray:
    """(..., 3) of right, in gold, in guess -> F1 (...); 0 where there is nothing to find and nothing found."""
    right, true, found = counts[..., 0], counts[..., 1], counts[..., 2]
    return 2 * right / np.maximum(1, true + found)


def entities(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """(type, first, last) of the entities in IOB tags, as CoNLL's evaluation reads them.

    An I- tag that continues nothing opens an entity, and so does a change of type.
    """
    found: set[tuple[str, int, int]] = set()
    kind, start = "", 0
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        inside = prefix == "I" and name == kind
        if kind and not inside:
            found.add((kind, start, place - 1))
            kind = ""
        if prefix in ("B", "I") and not inside:
            kind, start = name, place
    return found


def entity_counts(gold: Sequence[str], guess: Sequence[str]) -> tuple[int, int, int]:
    """(right, in gold, in guess) entities of one sentence; right means type and both ends agree."""
    true, found = entities(gold), entities(guess)
    return len(true & found), len(true), len(found)


def class_table(confusion: np.ndarray, labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each class from a confusion matrix (gold, guess); 0 for 0 / 0."""
    counts = np.stack([np.diag(confusion), confusion.sum(1), confusion.sum(0)], 1)
    return {label: _figures(row) for label, row in zip(labels, counts, strict=True)}


def entity_table(gold: Sequence[Sequence[str]], guess: Sequence[Sequence[str]]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each type of entity."""
    counts: dict[str, np.ndarray] = {}
    for true_tags, found_tags in zip(gold, guess, strict=True):
        true, found = entities(true_tags), entities(found_tags)
        for column, some in enumerate((true & found, true, found)):
            for kind, _, _ in some:
                counts.setdefault(kind, np.zeros(3))[column] += 1
    return {kind: _figures(counts[kind]) for kind in sorted(counts)}


def confusion_matrix(gold: np.ndarray, guess: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) counts, gold by guess."""
    return np.bincount(gold * classes + guess, minlength=classes * classes).reshape(classes, classes)


def _figures(counts: np.ndarray) -> dict[str, float]:
    right, true, found = (float(count) for count in counts)
    return {
        "precision": right / max(1, found),
        "recall": right / max(1, true),
        "f1": float(f1(counts)),
        "support": int(true),
    }


def _macro_f1(sums: np.ndarray) -> np.ndarray:
    """Sums (..., 3 * classes) of in gold, in guess, right -> mean F1 over the classes that occur."""
    gold, guess, right = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    support = gold + guess
    return (2 * right / np.maximum(1, support)).sum(-1) / np.maximum(1, (support > 0).sum(-1))


def _share(sums: np.ndarray) -> np.ndarray:
    """Sums (..., 2) of hits and items -> share."""
    return sums[..., 0] / np.maximum(1, sums[..., 1])
