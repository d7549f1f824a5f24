"""Whether one system is better than another: paired tests on the same test items, and over languages.

- The interval of a difference: paired percentile bootstrap (Efron 1979).
- Its p value: paired randomisation test (Noreen 1989; Yeh 2000, "More Accurate Tests for the Statistical Significance
  of Result Differences"), with the (b + 1) / (m + 1) estimate of Phipson and Smyth 2010, "Permutation P-values Should
  Never Be Zero".
- Several systems: the step-down correction of Holm 1979.
- Several languages: signed-rank test of Wilcoxon 1945.

With several seeds a system's value is the mean over them. The items are resampled, the same ones for all seeds, so the
interval does not cover the variation between seeds.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .metrics import BATCH, RESAMPLES, Metric, lower_is_better, percentile_interval, resample_counts
from .predictions import Predictions, label_names, metric_of, read_predictions, same_items
from .scores import SCORES_FILE

PERMUTATIONS = 20_000  # the smallest p is 1/20,001: below 0.05 even after Holm over 1,000 comparisons
ENOUGH_EXTREME = 400  # differences as large as the observed one: p then has a relative standard error of 1/√400 = 5 %
MIN_LANGUAGES = 6  # with five differences, all of one sign, Wilcoxon's p cannot be below 0.0625


@dataclass(frozen=True)
class Comparison:
    """A system compared with a baseline: `difference` of the metric, its 95 % `interval`, and `p` (not corrected).

    `relative` is the 95 % interval of the difference as a share of the baseline's value, which is resampled with it;
    None for metrics of which a larger value is better.
    """

    difference: float
    interval: tuple[float, float]
    p: float
    relative: tuple[float, float] | None = None


def compare_folders(task: str, metric: str, baseline: Sequence[Path], system: Sequence[Path]) -> Comparison | None:
    """Paired comparison of two systems by their score folders, one for each seed.

    Uses the seeds that both have. None if they share no seed or were scored on different items.
    """
    baseline_by_seed, system_by_seed = _by_seed(baseline, task), _by_seed(system, task)
    seeds = sorted(baseline_by_seed.keys() & system_by_seed.keys(), key=str)
    pairs = [(baseline_by_seed[seed], system_by_seed[seed]) for seed in seeds]
    every = [predictions for pair in pairs for predictions in pair]
    if not every or not every[0] or not all(same_items(every[0], other) for other in every):
        return None
    labels = label_names(every)
    metrics = [(metric_of(metric, before, labels), metric_of(metric, after, labels)) for before, after in pairs]
    return paired_comparison(metrics, relative=lower_is_better(metric))


def paired_comparison(pairs: Sequence[tuple[Metric, Metric]], seed: int = 0, *, relative: bool = False) -> Comparison:
    """Compare (baseline, system) metrics on the same items, one pair for each seed of training.

    `seed` is that of the bootstrap and the randomisation test. See the module's docstring for the methods.
    """
    from_sums = pairs[0][0].from_sums
    before = np.stack([baseline.statistics for baseline, _ in pairs])  # (seeds, items, k)
    after = np.stack([system.statistics for _, system in pairs])

    def mean_over_seeds(sums: np.ndarray) -> np.ndarray:
        """Sums (seeds, samples, k) -> the metric (samples,)."""
        return from_sums(sums).mean(0)

    def difference(before_sums: np.ndarray, after_sums: np.ndarray) -> np.ndarray:
        return mean_over_seeds(after_sums) - mean_over_seeds(before_sums)

    # Both systems get the same resampled items: the test is paired.
    baselines, systems = [], []
    for counts in resample_counts(before.shape[1], RESAMPLES, seed):
        baselines.append(mean_over_seeds(counts @ before))
        systems.append(mean_over_seeds(counts @ after))
    baseline_values, system_values = np.concatenate(baselines), np.concatenate(systems)

    observed = float(difference(before.sum(1)[:, None], after.sum(1)[:, None])[0])
    return Comparison(
        difference=observed,
        interval=percentile_interval(system_values - baseline_values),
        p=_randomisation_p(before, after, difference, observed, seed),
        relative=percentile_interval(system_values / baseline_values - 1) if relative else None,
    )


def _randomisation_p(
    before: np.ndarray,
    after: np.ndarray,
    difference: Callable[[np.ndarray, np.ndarray], np.ndarray],
    observed: float,
    seed: int,
) -> float:
    """Two-sided p of the `observed` difference if each item's two predictions are exchangeable.

    `before` and `after` (seeds, items, k) are the statistics of the two systems. In each permutation every item's
    predictions are swapped between the systems with probability 1/2, in all seeds of training alike. Swapping moves
    `after - before` of the item from one system's sums to the other's, so many permutations are one matrix product.

    Most comparisons are clearly not significant after a few hundred permutations, so the test stops early (Besag and
    Clifford 1991, "Sequential Monte Carlo p-values"): as soon as h = ENOUGH_EXTREME permuted differences are at least
    as large as the observed one, p is h over the number of permutations so far. Otherwise it is (b + 1) / (m + 1) for
    b such differences in m = PERMUTATIONS.
    """
    rng = np.random.default_rng(seed)
    before_sums, after_sums, moves = before.sum(1)[:, None], after.sum(1)[:, None], after - before
    threshold = abs(observed) * (1 - 1e-9)  # equal differences count as extreme, whatever the order of summation
    extreme = 0
    for start in range(0, PERMUTATIONS, BATCH):
        swapped = rng.integers(2, size=(min(BATCH, PERMUTATIONS - start), before.shape[1])).astype(float)
        moved = swapped @ moves  # (seeds, batch, k)
        is_extreme = np.abs(difference(before_sums + moved, after_sums - moved)) >= threshold
        running_total = extreme + np.cumsum(is_extreme)
        if running_total[-1] >= ENOUGH_EXTREME:
            permutations_used = start + 1 + int(np.searchsorted(running_total, ENOUGH_EXTREME))
            return ENOUGH_EXTREME / permutations_used
        extreme = int(running_total[-1])
    return (extreme + 1) / (PERMUTATIONS + 1)


def holm_correction(p_values: Sequence[float]) -> list[float]:
    """p values corrected for their number by Holm's step-down method (1979), in the order given.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none becomes smaller than the one before it.
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    ascending = sorted(range(len(p_values)), key=lambda index: p_values[index])
    for rank, index in enumerate(ascending):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def wilcoxon_over_languages(differences: Sequence[float]) -> float | None:
    """Two-sided p of Wilcoxon's signed-rank test on one difference for each language; None for fewer than six."""
    if len(differences) < MIN_LANGUAGES:
        return None
    if not any(differences):
        return 1.0
    from scipy.stats import wilcoxon  # slow to import, and needed only for several languages

    return float(wilcoxon(differences).pvalue)  # type: ignore[union-attr]


def _by_seed(folders: Sequence[Path], task: str) -> dict[Any, Predictions]:
    """The predictions in each score folder by seed; folders of other tasks or without predictions are left out."""
    by_seed = {}
    for folder in folders:
        try:
            scores = json.loads((folder / SCORES_FILE).read_text(encoding="utf-8"))["scores"]
            predictions = read_predictions(folder)
        except OSError:  # scores can be passed on without their predictions
            continue
        if scores and scores[0]["task"] == task:
            by_seed[scores[0]["seed"]] = predictions
    return by_seed
