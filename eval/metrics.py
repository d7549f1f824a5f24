"""Macro-F1, accuracy, entity F1, and bootstrap intervals over the test items."""

from collections.abc import Callable, Sequence

import numpy as np

RESAMPLES = 1000
LEVEL = 0.95


def macro_f1(gold: np.ndarray, guess: np.ndarray, classes: int) -> float:
    """Unweighted mean of the F1 of the classes that occur in gold or guess; 0 for a class never guessed right."""
    return _macro(_confusion(gold, guess, classes))


def accuracy(gold: np.ndarray, guess: np.ndarray) -> float:
    """Share of equal pairs."""
    return float(np.mean(gold == guess))


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


def entity_f1(counts: np.ndarray) -> float:
    """Micro-averaged F1 over sentences' `entity_counts` (sentences, 3); 0 where there is no entity at all."""
    right, true, found = counts.sum(axis=0)
    return float(2 * right / max(1, true + found))


def bootstrap(statistic: Callable[[np.ndarray], float], items: int, seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of `statistic(item numbers)` over resampled test items (Efron 1979)."""
    rng = np.random.default_rng(seed)
    values = [statistic(rng.integers(items, size=items)) for _ in range(RESAMPLES)]
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _confusion(gold: np.ndarray, guess: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(gold * classes + guess, minlength=classes * classes).reshape(classes, classes)


def _macro(confusion: np.ndarray) -> float:
    right, support = np.diag(confusion), confusion.sum(0) + confusion.sum(1)
    present = support > 0
    return float(np.mean(2 * right[present] / support[present]))
