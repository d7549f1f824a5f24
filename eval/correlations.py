"""Metrics of scores: Spearman's and Pearson's correlation with the gold scores, and the coefficient of determination.

A correlation is 0 where all gold or all predicted scores are the same (scipy gives NaN).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .metrics import BATCH, Metric, SumMetric

_TINY = 1e-12  # what rounding leaves of a variance that is 0


def score_metrics(gold: np.ndarray, predicted: np.ndarray) -> list[Metric]:
    """Spearman's rank correlation, Pearson's correlation and R2 of predicted scores (items,)."""
    # Pearson's correlation does not depend on origin and scale, and sums of numbers around 0 lose the fewest digits.
    x, y, error = _standardised(gold), _standardised(predicted), (predicted - gold) / (gold.std() or 1.0)
    ones = np.ones(len(gold))
    moments = np.stack([ones, x, y, x * x, y * y, x * y], 1)
    errors = np.stack([ones, x, x * x, error * error], 1)
    return [
        _RankCorrelation("spearman", gold, predicted),
        SumMetric("pearson", moments, _pearson),
        SumMetric("r2", errors, _r2),
    ]


@dataclass(frozen=True)
class _RankCorrelation(Metric):
    """Spearman's rank correlation: Pearson's of the ranks, where equal scores share the mean of their ranks.

    A sample of the items has ranks of its own, so they are counted anew for each. Ranks of all items would give
    intervals of another quantity, that take these ranks for the measured values.
    """

    name: str
    gold: np.ndarray
    predicted: np.ndarray

    @property
    def items(self) -> int:
        return len(self.gold)

    def value(self) -> float:
        return float(self.of_draws(np.ones((1, self.items)))[0])

    def of_draws(self, counts: np.ndarray) -> np.ndarray:
        (order_x, starts_x, groups_x), (order_y, starts_y, groups_y) = self._orders
        total = counts.sum(-1, keepdims=True)
        x = _ranks(counts, order_x, starts_x, groups_x) - (total + 1) / 2
        y = _ranks(counts, order_y, starts_y, groups_y) - (total + 1) / 2
        return _ratio((counts * x * y).sum(-1), np.sqrt((counts * x * x).sum(-1) * (counts * y * y).sum(-1)))

    def without_each_item(self) -> np.ndarray:
        parts = []
        for start in range(0, self.items, BATCH):
            left_out = np.arange(start, min(start + BATCH, self.items))
            counts = np.ones((len(left_out), self.items))
            counts[np.arange(len(left_out)), left_out] = 0
            parts.append(self.of_draws(counts))
        return np.concatenate(parts)

    @cached_property
    def _orders(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Of gold and predicted scores: the items sorted, where each distinct score begins, and each item's score."""
        orders = []
        for scores in (self.gold, self.predicted):
            _, starts, groups = np.unique(np.sort(scores), return_index=True, return_inverse=True)
            order = np.argsort(scores, kind="stable")
            group_of_item = np.empty_like(groups)
            group_of_item[order] = groups
            orders.append((order, starts, group_of_item))
        return orders


def _ranks(counts: np.ndarray, order: np.ndarray, starts: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The mean rank (samples, items) that each item has in samples with `counts` (samples, items) of it."""
    of_groups = np.add.reduceat(counts[:, order], starts, axis=1)  # items drawn with each distinct score
    return (of_groups.cumsum(1) - (of_groups - 1) / 2)[:, groups]


def _pearson(sums: np.ndarray) -> np.ndarray:
    """Pearson's correlation (...) from sums (..., 6) of 1, x, y, x2, y2, xy."""
    n, x, y, x2, y2, xy = np.moveaxis(sums, -1, 0)
    variances = np.maximum(0, n * x2 - x * x) * np.maximum(0, n * y2 - y * y)
    return _ratio(n * xy - x * y, np.sqrt(variances))


def _r2(sums: np.ndarray) -> np.ndarray:
    """1 - squared error over squared deviation from the mean (...), from sums (..., 4) of 1, x, x2, squared error."""
    n, x, x2, error = np.moveaxis(sums, -1, 0)
    deviation = x2 - x * x / n
    return np.where(deviation > _TINY, 1 - _ratio(error, deviation), 0.0)


def _standardised(scores: np.ndarray) -> np.ndarray:
    """The scores with mean 0 and standard deviation 1, or all 0 if they are the same."""
    spread = scores.std()
    return (scores - scores.mean()) / spread if spread > _TINY * np.abs(scores).max() else np.zeros(len(scores))


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotient; 0 where the denominator is."""
    is_zero = denominator <= _TINY
    return np.where(is_zero, 0.0, numerator / np.where(is_zero, 1.0, denominator))
