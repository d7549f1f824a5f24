"""Whether one system is better than another: paired tests on the same test items, and over languages.

Paired bootstrap for the interval of a difference (Efron 1979), approximate randomisation for its p (Noreen 1989; Yeh
2000, "More Accurate Tests for the Statistical Significance of Result Differences"), Holm's correction (1979) where
several systems are compared, Wilcoxon's signed-rank test (1945) over languages. With several seeds a system's value is
the mean over them; the items are resampled, all seeds alike, so the spread between seeds is not in the interval.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .metrics import AT_ONCE, RESAMPLES, Measure, percentiles, resamples
from .predictions import measure_of, read_predictions, same_items
from .scores import lower_is_better

ROUNDS = 20_000  # so that Holm over 1,000 comparisons can still find something
ENOUGH = 400
FEWEST_LANGUAGES = 6  # of five differences, all of one sign, Wilcoxon's p cannot come below 0.0625


@dataclass(frozen=True)
class Comparison:
    """What another system changes against the base: `difference` of the metric, its 95 % `interval`, and `p`.

    `relative` is the 95 % interval of the difference as a share of the base's value, resampled with it; None where a
    larger value is the better one.
    """

    difference: float
    interval: tuple[float, float]
    p: float
    relative: tuple[float, float] | None = None


def compare(task: str, metric: str, base: Sequence[Path], other: Sequence[Path]) -> Comparison | None:
    """Paired comparison of two systems by their score folders, one a seed.

    Seeds that both have are used. None where there are none, or the systems were scored on different items.
    """
    ours, theirs = _by_seed(other, task), _by_seed(base, task)
    seeds = sorted(set(ours) & set(theirs), key=str)
    rows = [(theirs[seed], ours[seed]) for seed in seeds]
    first = rows[0][0] if rows else []
    if not first or not all(same_items(first, some) for pair in rows for some in pair):
        return None
    labels = sorted(
        {
            row[key]
            for pair in rows
            for some in pair
            for row in some
            for key in ("gold", "guess")
            if isinstance(row.get(key), str)
        }
    )
    pairs = [(measure_of(metric, before, labels), measure_of(metric, after, labels)) for before, after in rows]
    return paired(pairs, relative=lower_is_better(metric))


def paired(pairs: Sequence[tuple[Measure, Measure]], seed: int = 0, *, relative: bool = False) -> Comparison:
    """Compare (base, other) measures of the same items, one pair a seed of training; see the module's text."""
    value = pairs[0][0].value
    before = np.stack([base.parts for base, _ in pairs])  # (seeds, items, k)
    after = np.stack([other.parts for _, other in pairs])
    items = before.shape[1]

    def both(of_before: np.ndarray, of_after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return value(of_before).mean(0), value(of_after).mean(0)

    def difference(of_before: np.ndarray, of_after: np.ndarray) -> np.ndarray:
        """Sums (seeds, rounds, k) of each -> (rounds,)."""
        values = both(of_before, of_after)
        return values[1] - values[0]

    seen = float(difference(before.sum(1)[:, None], after.sum(1)[:, None])[0])
    drawn = [both(counts @ before, counts @ after) for counts in resamples(items, RESAMPLES, seed)]
    bases, others = (np.concatenate(values) for values in zip(*drawn, strict=True))
    share = percentiles(others / bases - 1) if relative else None
    p = _exchanged(before, after, difference, seen, seed)
    return Comparison(seen, percentiles(others - bases), p, share)


def _exchanged(
    before: np.ndarray, after: np.ndarray, difference: Callable[..., np.ndarray], seen: float, seed: int
) -> float:
    """p of `seen` when each item's two answers are exchanged at random, in all seeds of training alike.

    Sequential: with `ENOUGH` differences as large it is clear that p is not small, and time is kept for those that may
    be (Besag and Clifford 1991, "Sequential Monte Carlo p-values").
    """
    rng = np.random.default_rng(seed)
    sums, others, changes = before.sum(1)[:, None], after.sum(1)[:, None], after - before
    as_large = 0
    for start in range(0, ROUNDS, AT_ONCE):
        moved = rng.integers(2, size=(min(AT_ONCE, ROUNDS - start), before.shape[1])).astype(float) @ changes
        hits = np.cumsum(np.abs(difference(sums + moved, others - moved)) >= abs(seen) * (1 - 1e-9))
        if as_large + hits[-1] >= ENOUGH:
            return ENOUGH / (start + 1 + int(np.searchsorted(hits, ENOUGH - as_large)))
        as_large += int(hits[-1])
    return (as_large + 1) / (ROUNDS + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted for their number by Holm's step-down method, in the order given."""
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = worst
    return adjusted


def over_languages(differences: Sequence[float]) -> float | None:
    """Two-sided p of Wilcoxon's signed-rank test on one difference a language; None with fewer than six."""
    if len(differences) < FEWEST_LANGUAGES:
        return None
    if not any(differences):
        return 1.0
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences).pvalue)  # type: ignore[union-attr]


def _by_seed(folders: Sequence[Path], task: str) -> dict[Any, list[dict[str, Any]]]:
    """The predictions in each score folder, by seed; without those that have none for `task`."""
    found = {}
    for folder in folders:
        try:
            scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))["scores"]
            rows = read_predictions(folder)
        except OSError:  # scores can be passed on without their predictions
            continue
        if scores and scores[0]["task"] == task:
            found[scores[0]["seed"]] = rows
    return found
