"""Intervals over seeds and items: their formula on data that they are exact for, and their coverage."""

import numpy as np
import pytest
from lrl_adapt.benchmarks.coverage import coverage, simulate
from lrl_adapt.eval.metrics import Metric, SumMetric
from lrl_adapt.eval.seed_variance import MIN_P, difference_over_seeds, mean_over_seeds
from scipy.stats import ttest_1samp, ttest_ind


def means(scores: np.ndarray) -> list[Metric]:
    """A metric for each row of scores (seeds, items): the mean over the items."""
    ones = np.ones(scores.shape[1])
    return [SumMetric("mean", np.stack([row, ones], 1), lambda sums: sums[..., 0] / sums[..., 1]) for row in scores]


def test_without_variation_over_items_it_is_the_t_test_over_seeds() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.normal(0.5, 0.03, 3), rng.normal(0.6, 0.05, 5)
    wide = [np.repeat(values[:, None], 50, axis=1) for values in (before, after)]
    result = difference_over_seeds(*map(means, wide))
    expected = ttest_ind(after, before, equal_var=False)
    assert result.p() == pytest.approx(expected.pvalue)
    assert result.interval() == pytest.approx(tuple(expected.confidence_interval()))
    assert mean_over_seeds(means(wide[0])).interval() == pytest.approx(
        tuple(ttest_1samp(before, 0).confidence_interval())
    )


def test_without_variation_over_seeds_it_is_the_paired_t_test_over_items() -> None:
    rng = np.random.default_rng(1)
    before = rng.normal(0.5, 0.2, 200)
    after = before + rng.normal(0.02, 0.1, 200)
    result = difference_over_seeds(*[means(np.tile(scores, (3, 1))) for scores in (before, after)])
    expected = ttest_1samp(after - before, 0)
    assert result.p() == pytest.approx(expected.pvalue)
    assert result.interval() == pytest.approx(tuple(expected.confidence_interval()))


def test_the_spread_between_seeds_widens_the_interval() -> None:
    rng = np.random.default_rng(2)
    items = rng.normal(0.5, 0.2, 200)
    same, apart = (means(items + np.array([-spread, 0, spread])[:, None]) for spread in (0.0, 0.05))
    narrow, wide = mean_over_seeds(same).interval(), mean_over_seeds(apart).interval()
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_systems_that_never_vary_have_the_smallest_p_or_none() -> None:
    zeros, ones = (means(np.full((3, 10), value)) for value in (0.0, 1.0))
    assert difference_over_seeds(zeros, ones).p() == MIN_P
    assert difference_over_seeds(zeros, zeros).p() == 1
    with pytest.raises(ValueError, match="two test items"):
        mean_over_seeds(means(np.ones((3, 1))))


@pytest.mark.parametrize("seed_spread", [0.0, 0.12])
def test_intervals_of_three_seeds_cover_the_true_difference(seed_spread: float) -> None:
    """1,000 made-up studies; 0.93 is three standard errors below 0.95. The benchmark measures it more closely."""
    measured = coverage(simulate(seed_spread, studies=1000), 0.0)
    assert 0.93 <= measured.covered <= 0.995
    assert measured.clear == pytest.approx(1 - measured.covered, abs=1e-9)  # verdicts where there is no difference
