"""Metrics of scores against scipy and scikit-learn, on all items, on samples and without one; their intervals."""

import numpy as np
import pytest
from lrl_adapt.eval.correlations import score_metrics
from lrl_adapt.eval.metrics import Metric
from lrl_adapt.eval.seed_variance import difference_over_seeds, mean_over_seeds
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import r2_score

REFERENCES = {
    "spearman": lambda gold, predicted: spearmanr(gold, predicted).statistic,
    "pearson": lambda gold, predicted: pearsonr(gold, predicted).statistic,
    "r2": r2_score,
}


def scores(seed: int, items: int = 30, *, ties: bool = True) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 6, items) / 2 if ties else rng.normal(size=items)
    return gold, gold + rng.normal(0.2, 1.0, items).round(1)


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_values_are_scipys_and_scikit_learns(seed: int, *, ties: bool) -> None:
    gold, predicted = scores(seed, ties=ties)
    metrics = score_metrics(gold, predicted)
    assert [metric.name for metric in metrics] == list(REFERENCES)
    for metric in metrics:
        assert metric.value() == pytest.approx(REFERENCES[metric.name](gold, predicted), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_samples_and_all_items_but_one_have_ranks_of_their_own(seed: int) -> None:
    gold, predicted = scores(seed)
    rng = np.random.default_rng(seed)
    draws = rng.integers(30, size=(4, 30))
    counts = np.stack([np.bincount(drawn, minlength=30) for drawn in draws]).astype(float)
    for metric in score_metrics(gold, predicted):
        reference = REFERENCES[metric.name]
        want = [reference(gold[drawn], predicted[drawn]) for drawn in draws]
        assert metric.of_draws(counts) == pytest.approx(want, abs=1e-10)
        want = [reference(np.delete(gold, item), np.delete(predicted, item)) for item in range(30)]
        assert metric.without_each_item() == pytest.approx(want, abs=1e-10)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_without_any_spread_there_is_no_correlation_whatever_the_scale(scale: float) -> None:
    gold, _ = scores(0)
    by_name = {metric.name: metric for metric in score_metrics(gold * scale, np.full(30, 0.1 * scale))}
    assert by_name["spearman"].value() == by_name["pearson"].value() == 0
    assert by_name["r2"].value() == pytest.approx(r2_score(gold, np.full(30, 0.1)))
    assert all(metric.value() == 0 for metric in score_metrics(np.full(30, scale), gold))


def study(rng: np.random.Generator, noise: float, gold: np.ndarray) -> list[Metric]:
    """Spearman's correlation of a system with three seeds, which share a part of their errors."""
    shared = gold + rng.normal(0, noise, len(gold))
    return [score_metrics(gold, shared + rng.normal(0, 0.4, len(gold)))[0] for _ in range(3)]


def test_intervals_over_seeds_and_items_cover_the_true_correlation_and_difference() -> None:
    """300 studies of 80 items; 0.91 is three standard errors below 0.95. scipy's formulas give the true values."""
    rng = np.random.default_rng(0)
    truth = {}
    for noise in (0.8, 1.2):  # of normal variables, 6/pi arcsin(r/2), where r is Pearson's
        truth[noise] = 6 / np.pi * np.arcsin(1 / np.sqrt(1 + noise**2 + 0.4**2) / 2)
    covered = np.zeros(2)
    false_verdicts = 0
    for _ in range(300):
        gold = rng.normal(size=80)
        first, second, alike = (study(rng, noise, gold) for noise in (0.8, 1.2, 1.2))
        intervals = [mean_over_seeds(first).interval(), difference_over_seeds(second, first).interval()]
        for place, true in enumerate((truth[0.8], truth[0.8] - truth[1.2])):
            covered[place] += intervals[place][0] <= true <= intervals[place][1]
        false_verdicts += difference_over_seeds(second, alike).p() < 0.05
    assert (covered / 300 >= 0.91).all()
    assert false_verdicts / 300 <= 0.09
