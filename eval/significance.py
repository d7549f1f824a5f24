"""Whether one system is better than another: paired tests on the same test items, and over languages.

Trained tasks: interval and test cover seeds and items, see seed_variance.py. With one seed there is an interval over
the items, and no test. Where evaluation trains nothing (pseudo-perplexity), items are all that is sampled:

- The interval of a difference: paired percentile bootstrap (Efron 1979).
- Its p value: paired randomisation test (Noreen 1989; Yeh 2000, "More Accurate Tests for the Statistical Significance
  of Result Differences"), with the (b + 1) / (m + 1) estimate of Phipson and Smyth 2010, "Permutation P-values Should
  Never Be Zero".

Several comparisons are corrected by the step-down method of Holm 1979. Several languages: signed-rank test of Wilcoxon
1945.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .metrics import (
    BATCH,
    RESAMPLES,
    Metric,
    SumMetric,
    bounds,
    lower_is_better,
    percentile_interval,
    resample_counts,
)
from .predictions import Predictions, label_names, metric_of, read_predictions, same_items
from .scores import SCORES_FILE
from .seed_variance import MIN_SEEDS, difference_over_seeds, mean_over_seeds

PERMUTATIONS = 20_000  # the smallest p is 1/20,001: below 0.05 even after Holm over 1,000 comparisons
ENOUGH_EXTREME = 400  # differences as large as the observed one: p then has a relative standard error of 1/√400 = 5%
MIN_LANGUAGES = 6  # with five differences, all of one sign, Wilcoxon's p cannot be below 0.0625
ITEMS, SEEDS_AND_ITEMS = "items", "seeds and items"  # what an interval covers

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Comparison:
    """A system compared with a baseline: `difference` of the metric, its 95% `interval`, and `p` (not corrected).

    `p` is None if a system of a trained task has one seed: `covers`, what the interval covers, is then the items.
    `relative` is the 95% interval of the difference as a share of the baseline's value, which is resampled with it;
    None for metrics of which a larger value is better.
    """

    difference: float
    interval: tuple[float, float]
    p: float | None
    relative: tuple[float, float] | None = None
    covers: str = ITEMS


def compare_folders(task: str, metric: str, baseline: Sequence[Path], system: Sequence[Path]) -> Comparison | None:
    """Paired comparison of two systems by their score folders, one for each seed.

    None if there are no predictions of one of them, or they were scored on different items.
    """
    systems = [_by_seed(folders, task) for folders in (baseline, system)]
    metrics = _metrics_on_same_items(metric, systems)
    if metrics is None:
        return None
    of_baseline, of_system = metrics
    relative = lower_is_better(metric)
    if all(seed is None for by_seed in systems for seed in by_seed):  # nothing was trained
        return compare_on_items(of_baseline, of_system, relative=relative)
    if min(len(of_baseline), len(of_system)) < MIN_SEEDS:
        return compare_on_items(of_baseline, of_system, relative=relative, test=False)
    difference = difference_over_seeds(of_baseline, of_system)
    return Comparison(difference.value, difference.interval(), difference.p(), covers=SEEDS_AND_ITEMS)


def interval_over_seeds(task: str, metric: str, folders: Sequence[Path]) -> tuple[float, float] | None:
    """95% interval over seeds and items of a system's mean.

    None without predictions of several seeds on the same items. The interval is cut off at the smallest and the largest
    value that the metric can have.
    """
    metrics = _metrics_on_same_items(metric, [_by_seed(folders, task)])
    if metrics is None or len(metrics[0]) < MIN_SEEDS:
        return None
    (of_seeds,) = metrics
    low, high = mean_over_seeds(of_seeds).interval()
    lowest, highest = bounds(metric)
    return max(lowest, low), min(highest, high)


def compare_on_items(
    baseline: Sequence[Metric], system: Sequence[Metric], *, relative: bool = False, test: bool = True
) -> Comparison:
    """Compare the means of two systems' metrics on the same items, over the items alone.

    `test` needs one metric of each, a `SumMetric`. See the module's docstring for the methods.
    """
    p = None
    if test:
        assert isinstance(baseline[0], SumMetric)
        assert isinstance(system[0], SumMetric)
        p = _randomisation_p(baseline[0], system[0])
    # Both systems get the same resampled items: the interval is paired.
    counts = resample_counts(system[0].items, RESAMPLES, seed=0)
    values = [(_mean_of_resamples(baseline, batch), _mean_of_resamples(system, batch)) for batch in counts]
    baselines, systems = (np.concatenate(of_system) for of_system in zip(*values, strict=True))
    return Comparison(
        difference=float(np.mean([metric.value() for metric in system]))
        - float(np.mean([metric.value() for metric in baseline])),
        interval=percentile_interval(systems - baselines),
        p=p,
        relative=percentile_interval(systems / baselines - 1) if relative else None,
    )


def _mean_of_resamples(metrics: Sequence[Metric], counts: np.ndarray) -> np.ndarray:
    """The mean of the metrics (samples,) over items drawn as often as `counts` (samples, items) say."""
    return np.mean([metric.of_draws(counts) for metric in metrics], axis=0)


def _randomisation_p(baseline: SumMetric, system: SumMetric) -> float:
    """Two-sided p of the difference if each item's two predictions are exchangeable.

    In each permutation every item's predictions are swapped between the systems with probability 1/2. Swapping moves
    `after - before` of the item from one system's sums to the other's, so many permutations are one matrix product.

    Most comparisons are clearly not significant after a few hundred permutations, so the test stops early (Besag and
    Clifford 1991, "Sequential Monte Carlo p-values"): as soon as h = ENOUGH_EXTREME permuted differences are at least
    as large as the observed one, p is h over the number of permutations so far. Otherwise it is (b + 1) / (m + 1) for
    b such differences in m = PERMUTATIONS.
    """
    rng = np.random.default_rng(0)
    before, after = baseline.statistics, system.statistics  # (items, k)
    observed = system.value() - baseline.value()
    before_sums, after_sums, moves = before.sum(0), after.sum(0), after - before
    threshold = abs(observed) * (1 - 1e-9)  # equal differences count as extreme, whatever the order of summation
    extreme = 0
    for start in range(0, PERMUTATIONS, BATCH):
        swapped = rng.integers(2, size=(min(BATCH, PERMUTATIONS - start), len(before))).astype(float)
        moved = swapped @ moves  # (batch, k)
        differences = system.from_sums(after_sums - moved) - baseline.from_sums(before_sums + moved)
        running_total = extreme + np.cumsum(np.abs(differences) >= threshold)
        if running_total[-1] >= ENOUGH_EXTREME:
            permutations_used = start + 1 + int(np.searchsorted(running_total, ENOUGH_EXTREME))
            return ENOUGH_EXTREME / permutations_used
        extreme = int(running_total[-1])
    return (extreme + 1) / (PERMUTATIONS + 1)


def holm_by_family(p_values: Mapping[Key, float], family: Callable[[Key], Hashable]) -> dict[Key, float]:
    """The p values after Holm's correction for the number of those with the same `family`."""
    families: dict[Hashable, list[Key]] = defaultdict(list)
    for key in p_values:
        families[family(key)].append(key)
    corrected = {}
    for keys in families.values():
        corrected |= dict(zip(keys, holm_correction([p_values[key] for key in keys]), strict=True))
    return corrected


def holm_correction(p_values: Sequence[float]) -> list[float]:
    """p values corrected for their number by Holm's step-down method (1979), in the order given.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none becomes smaller than the one before it.
    """
    p, order = np.array(p_values), np.argsort(p_values, kind="stable")
    factors = np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(np.minimum(1.0, factors * p[order]))
    return corrected.tolist()


def wilcoxon_over_languages(differences: Sequence[float]) -> float | None:
    """Two-sided p of Wilcoxon's signed-rank test on one difference for each language; None for fewer than six."""
    if len(differences) < MIN_LANGUAGES:
        return None
    if not any(differences):
        return 1.0
    from scipy.stats import wilcoxon  # slow to import, and needed only for several languages

    return float(wilcoxon(differences).pvalue)  # type: ignore[union-attr]


def _metrics_on_same_items(metric: str, systems: Sequence[Mapping[Any, Predictions]]) -> list[list[Metric]] | None:
    """The metric of each system with each seed; None without any, or if the items are not the same everywhere."""
    all_predictions = [predictions for by_seed in systems for predictions in by_seed.values()]
    any_tokens = metric.startswith("bits_per_")
    if (
        not all(systems)
        or not all_predictions[0]
        or not all(same_items(all_predictions[0], one, any_tokens=any_tokens) for one in all_predictions)
    ):
        return None
    labels = label_names(all_predictions)
    return [[metric_of(metric, predictions, labels) for predictions in by_seed.values()] for by_seed in systems]


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
