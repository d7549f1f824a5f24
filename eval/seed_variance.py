"""Intervals and tests of trained tasks, which cover both the seeds of training and the test items.

A score of a trained task varies with two things that another study would draw anew: the seeds and the test items. They
are crossed: every seed predicts the same items. For one system and n seeds, m items the variance of the mean score is

    var(seeds) / n  +  var(items) / m  +  var(seed x item) / (n m)

Bouthillier et al. 2021 ("Accounting for Variance in Machine Learning Benchmarks") show why seeds must be among the
sources. Resampling seeds and items by a plain bootstrap has two faults here: with n seeds the spread between resampled
means is too small by sqrt((n - 1) / n), a fifth for three seeds, and the last term is counted about three times (Owen
2007, "The pigeonhole bootstrap"). So items are resampled by the jackknife and the terms are estimated by an analysis of
variance of its pseudo-values, with n - 1 in the denominator of the seeds' variance (Dorfman, Berbaum and Metz 1992, who
compare readers on the same cases). The estimated variance of a few seeds is itself uncertain: Student's t takes the
place of the normal distribution, with degrees of freedom by Satterthwaite's formula as in Hillis 2007.

The items of two systems are the same, so their item terms are differences of each item, as in a paired test. Their
seeds are not paired: seed 1 initialises both task adapters alike, but they then train on different hidden states, so
nothing says that a lucky seed for one is lucky for the other. If it were, the interval would be too wide, not too
narrow; and pairing would leave 2 degrees of freedom instead of 4 with three seeds.

p comes from t, not from counting resamples or permutations, so it has no smallest value set by the number of seeds (a
permutation of three and three seeds cannot go below 0.1). It relies on scores of seeds being roughly normal.
`benchmarks/coverage.py` measures how often the intervals cover the true value.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .metrics import CONFIDENCE, Metric

MIN_SEEDS = 2  # of a system: one has no spread
MIN_P = 1 / 20_001  # the smallest p of the test over items (see significance.py); t would give 0 without any spread


@dataclass(frozen=True)
class Estimate:
    """A value with its standard error over seeds and items, and the degrees of freedom of that."""

    value: float
    standard_error: float
    degrees_of_freedom: float

    def interval(self) -> tuple[float, float]:
        """95% interval (`CONFIDENCE`) by Student's t."""
        from scipy.special import stdtrit  # scipy takes longer to import than the rest of a report

        half_width = float(stdtrit(self.degrees_of_freedom, (1 + CONFIDENCE) / 2)) * self.standard_error
        return self.value - half_width, self.value + half_width

    def p(self) -> float:
        """Two-sided p of the value being 0."""
        from scipy.special import stdtr

        if self.value == 0:
            return 1.0
        if self.standard_error == 0:
            return MIN_P
        return max(MIN_P, 2 * float(stdtr(self.degrees_of_freedom, -abs(self.value) / self.standard_error)))


def mean_over_seeds(metrics: Sequence[Metric]) -> Estimate:
    """A system's mean from its metric with each of at least two seeds. Raises ValueError for fewer than two items."""
    return _estimate([(1, metrics)])


def difference_over_seeds(baseline: Sequence[Metric], system: Sequence[Metric]) -> Estimate:
    """`system` minus `baseline` on the same items, each with two or more seeds; their numbers may differ.

    Raises ValueError for fewer than two items.
    """
    return _estimate([(-1, baseline), (1, system)])


def _estimate(systems: Sequence[tuple[int, Sequence[Metric]]]) -> Estimate:
    """The sum of the systems' mean scores with their signs. See the module's docstring for the method."""
    items = systems[0][1][0].items
    if items < 2:
        raise ValueError("an interval needs two test items")
    value = 0.0
    item_effects = np.zeros(items)  # of the sum
    seed_terms: list[tuple[float, int]] = []  # of each system: its variance and degrees of freedom
    interaction = 0.0
    for sign, metrics in systems:
        scores = np.array([metric.value() for metric in metrics])
        pseudo_values = np.stack([_pseudo_values(metric) for metric in metrics])  # (seeds, items)
        value += sign * scores.mean()
        item_effects += sign * pseudo_values.mean(0)
        seed_terms.append((scores.var(ddof=1) / len(scores), len(scores) - 1))
        interaction += _interaction(pseudo_values)
    of_seeds, of_items = sum(variance for variance, _ in seed_terms), item_effects.var(ddof=1) / items
    # Both terms contain the interaction, so it is counted once too often. Its estimate is uncertain too: the sum must
    # not fall below either term.
    variance = max(of_seeds, of_items, of_seeds + of_items - interaction)
    squares = of_items**2 / (items - 1) + sum(part**2 / degrees for part, degrees in seed_terms)
    return Estimate(float(value), float(variance) ** 0.5, float(variance**2 / squares) if squares else items - 1)


def _pseudo_values(metric: Metric) -> np.ndarray:
    """Jackknife pseudo-values (items,): what each item contributes to the metric (Efron, Tibshirani 1993, ch. 11)."""
    return metric.items * metric.value() - (metric.items - 1) * metric.without_each_item()


def _interaction(pseudo_values: np.ndarray) -> float:
    """The variance of the mean that comes from the interaction of seeds and items."""
    seeds, items = pseudo_values.shape
    residuals = pseudo_values - pseudo_values.mean(0) - pseudo_values.mean(1, keepdims=True) + pseudo_values.mean()
    return float((residuals**2).sum() / ((seeds - 1) * (items - 1)) / (seeds * items))
