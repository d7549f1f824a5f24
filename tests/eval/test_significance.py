"""Paired tests against scipy's, and what they say of systems that are and are not different."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lrl_adapt.eval.metrics import Metric, SumMetric
from lrl_adapt.eval.predictions import write_predictions
from lrl_adapt.eval.scores import Score, write_scores
from lrl_adapt.eval.significance import (
    compare_folders,
    compare_on_items,
    holm_by_family,
    holm_correction,
    wilcoxon_over_languages,
)
from scipy.stats import bootstrap, permutation_test


def mean_of(values: np.ndarray) -> Metric:
    return SumMetric("mean", np.stack([values, np.ones(len(values))], 1), lambda sums: sums[..., 0] / sums[..., 1])


@pytest.mark.parametrize("seed", range(5))
def test_p_and_interval_agree_with_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = rng.normal(size=40)
    after = before + rng.normal(0.15, 0.6, size=40)

    def difference(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        return y.mean(axis) - x.mean(axis)

    result = compare_on_items([mean_of(before)], [mean_of(after)])
    want = permutation_test(
        (before, after), difference, permutation_type="samples", n_resamples=5000, vectorized=True, rng=seed
    )
    assert result.difference == pytest.approx(want.statistic)
    assert result.p == pytest.approx(want.pvalue, abs=0.06)
    drawn = bootstrap((before, after), difference, paired=True, method="percentile", n_resamples=3000, rng=seed)
    assert result.interval == pytest.approx(tuple(drawn.confidence_interval), abs=0.06)


def test_the_interval_of_a_share_of_the_base_is_resampled_with_the_base() -> None:
    rng = np.random.default_rng(0)
    before = rng.lognormal(size=40)  # far apart, as sentences' perplexities are
    after = before * rng.uniform(0.01, 0.05, size=40)

    def share(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
        return y.mean(axis) / x.mean(axis) - 1

    result = compare_on_items([mean_of(before)], [mean_of(after)], relative=True).relative
    drawn = bootstrap((before, after), share, paired=True, method="percentile", n_resamples=3000, rng=0)
    assert result == pytest.approx(tuple(drawn.confidence_interval), abs=0.002)
    assert result is not None
    assert result[0] > -1
    assert compare_on_items([mean_of(before)], [mean_of(after)]).relative is None


def test_p_is_that_of_all_exchanges_where_there_are_few() -> None:
    before, after = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0]), np.array([1.0, 2.0, 3.0, 4.0, 5.0, -0.5])
    signs = np.array(list(itertools.product([-1, 1], repeat=6)))
    exact = np.mean(np.abs((signs * (after - before)).mean(1)) >= (after - before).mean() - 1e-9)
    assert compare_on_items([mean_of(before)], [mean_of(after)]).p == pytest.approx(exact, abs=0.02)


def test_holm_is_the_published_example() -> None:
    """Of four p values 0.01, 0.04, 0.03, 0.005 (Holm 1979): 0.03, 0.06, 0.06, 0.02."""
    assert holm_correction([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm_correction([]) == []
    assert holm_correction([0.9, 0.8]) == [1.0, 1.0]


def test_over_languages_needs_six_and_finds_what_all_agree_on() -> None:
    assert wilcoxon_over_languages([1.0, 2.0, 3.0, 4.0, 5.0]) is None
    assert wilcoxon_over_languages([0.0] * 6) == 1.0
    assert wilcoxon_over_languages([1, 2, 3, 4, 5, 6, 7, 8]) == pytest.approx(2 / 2**8)


def write_answers(folder: Path, seed: int | None, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir()
    score = Score("topic", "base", "macro_f1", 0.5, None, len(rows), seed, "swh_Latn", "b")
    write_scores(folder / "scores.json", [score])
    write_predictions(folder, rows)
    return folder


def test_trained_systems_are_compared_with_all_their_seeds(tmp_path: Path) -> None:
    gold = ["a", "b"] * 30
    items = [{"text": str(n), "gold": label} for n, label in enumerate(gold)]
    right = [item | {"guess": item["gold"]} for item in items]
    wrong = [item | {"guess": "a"} for item in items]
    base = [write_answers(tmp_path / f"base{seed}", seed, wrong) for seed in (1, 2, 3)]
    other = [write_answers(tmp_path / f"other{seed}", seed, right) for seed in (1, 2)]
    result = compare_folders("topic", "macro_f1", base, other)
    assert result is not None
    assert result.difference == pytest.approx(1 - 1 / 3)
    assert result.p is not None and result.p < 0.001
    assert result.covers == "seeds and items"
    one_seed = compare_folders("topic", "macro_f1", base[2:], other)
    assert one_seed is not None
    assert (one_seed.p, one_seed.covers, one_seed.difference) == (None, "items", result.difference)
    assert compare_folders("topic", "macro_f1", base, [write_answers(tmp_path / "fewer", 1, right[:-1])]) is None


@pytest.mark.parametrize("sign", ["\u2028", "\u2029", "\x85", "\x1c", "\x0b", "\x0c", "\r"])
def test_rare_line_breaks_in_a_text_leave_systems_comparable(tmp_path: Path, sign: str) -> None:
    gold = ["a", "b"] * 30
    items = [{"text": f"moja{sign}{n}", "gold": label} for n, label in enumerate(gold)]
    base = write_answers(tmp_path / "base", None, [item | {"guess": "a"} for item in items])
    other = write_answers(tmp_path / "other", None, [item | {"guess": item["gold"]} for item in items])
    result = compare_folders("topic", "macro_f1", [base], [other])
    assert result is not None
    assert result.difference == pytest.approx(1 - 1 / 3)
    assert result.p is not None and result.p < 0.001


def test_scores_without_their_predictions_are_not_compared(tmp_path: Path) -> None:
    base, other = (write_answers(tmp_path / name, 1, [{"text": "x", "gold": "a", "guess": "a"}]) for name in "ab")
    (other / "predictions.jsonl").unlink()
    assert compare_folders("topic", "macro_f1", [base], [other]) is None
    assert json.loads((base / "scores.json").read_text())["scores"][0]["seed"] == 1


def test_holm_by_family_corrects_each_family_on_its_own() -> None:
    p_values = {"a1": 0.01, "b1": 0.02, "a2": 0.04, "b2": 0.03, "b3": 0.9}
    corrected = holm_by_family(p_values, lambda key: key[0])
    assert corrected == pytest.approx({"a1": 0.02, "a2": 0.04, "b1": 0.06, "b2": 0.06, "b3": 0.9})
