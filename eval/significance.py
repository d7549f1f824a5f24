"""Whether one system is better than another: paired tests on the same test items, and over languages.

A paired bootstrap over the items for the interval of a difference (Efron 1979), approximate randomisation for its p
(Noreen 1989), Holm's correction (1979), Wilcoxon's signed-rank test (1945) over languages.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .metrics import entity_counts

ROUNDS = 2000
AT_ONCE = 250  # rounds drawn together: bounds the memory
FEWEST_LANGUAGES = 5  # of four differences Wilcoxon's p cannot come below 0.125

Value = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Comparison:
    """What another system changes against the base: `difference` of the metric, its 95 % `interval`, and `p`."""

    difference: float
    interval: tuple[float, float]
    p: float


def compare(task: str, metric: str, base: Sequence[Path], other: Sequence[Path]) -> Comparison | None:
    """Paired comparison of two systems by their score folders, one a seed; None where the items are not the same."""
    pairs = list(zip(map(_answers, base), map(_answers, other), strict=False))
    if not pairs or not all(
        rows and list(map(_item, rows)) == list(map(_item, pairs[0][0])) for p in pairs for rows in p
    ):
        return None
    labels = sorted(
        {str(row[key]) for pair in pairs for rows in pair for row in rows for key in ("gold", "guess") if key in row}
    )
    value, parts = _measure(metric, labels)
    before, after = (np.stack([[parts(row) for row in pair[side]] for pair in pairs]).astype(float) for side in (0, 1))
    return _paired(value, before, after)


def holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted for their number by Holm's step-down method, in the order given."""
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = worst
    return adjusted


def over_languages(differences: Sequence[float]) -> float | None:
    """Two-sided p of Wilcoxon's signed-rank test on one difference a language; None with fewer than five."""
    if len(differences) < FEWEST_LANGUAGES:
        return None
    if not any(differences):
        return 1.0
    from scipy.stats import wilcoxon

    return float(wilcoxon(differences).pvalue)  # type: ignore[union-attr]


def _paired(value: Value, before: np.ndarray, after: np.ndarray) -> Comparison:
    """Compare two systems by their items' parts (seeds, items, k)."""
    rng, items = np.random.default_rng(0), before.shape[1]

    def difference(old: np.ndarray, new: np.ndarray) -> np.ndarray:
        return value(new).mean(0) - value(old).mean(0)

    total = before.sum(1)[:, None], after.sum(1)[:, None]
    seen, changes = float(difference(*total)[0]), after - before
    drawn, as_large = [], 0
    for _ in range(0, ROUNDS, AT_ONCE):
        counts = rng.multinomial(items, np.full(items, 1 / items), size=AT_ONCE).astype(float)
        drawn.append(difference(counts @ before, counts @ after))
        moved = rng.integers(2, size=(AT_ONCE, items)).astype(float) @ changes
        as_large += int((np.abs(difference(total[0] + moved, total[1] - moved)) >= abs(seen) - 1e-12).sum())
    low, high = np.quantile(np.concatenate(drawn), [0.025, 0.975])
    return Comparison(seen, (float(low), float(high)), (as_large + 1) / (ROUNDS + 1))


def _measure(metric: str, labels: Sequence[str]) -> tuple[Value, Callable[[dict[str, Any]], Any]]:
    """A metric as a function of sums (…, k) over items, and what an item adds to them."""
    if metric == "pseudo_perplexity":
        return lambda sums: np.exp(sums[..., 0] / np.maximum(1, sums[..., 1])), lambda row: (row["nll"], row["tokens"])
    if metric == "entity_f1":
        return _f1, lambda row: entity_counts(row["gold"], row["guess"])
    if metric == "accuracy":
        return lambda sums: sums[..., 0] / sums[..., 1], lambda row: (row["gold"] == row["guess"], 1)
    units = np.eye(len(labels))

    def classes(row: dict[str, Any]) -> np.ndarray:
        gold, guess = units[labels.index(row["gold"])], units[labels.index(row["guess"])]
        return np.concatenate([gold * guess, gold, guess])

    return lambda sums: _macro(*np.split(sums, 3, axis=-1)), classes


def _f1(sums: np.ndarray) -> np.ndarray:
    return 2 * sums[..., 0] / np.maximum(1, sums[..., 1] + sums[..., 2])


def _macro(right: np.ndarray, gold: np.ndarray, guess: np.ndarray) -> np.ndarray:
    support = gold + guess
    return (2 * right / np.maximum(1, support)).sum(-1) / np.maximum(1, (support > 0).sum(-1))


def _answers(folder: Path) -> list[dict[str, Any]]:
    try:
        lines = (folder / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    except OSError:  # scores can be passed on without their predictions
        return []
    return [json.loads(line) for line in lines]


def _item(row: dict[str, Any]) -> Any:
    return row.get("words") or (row["text"], row.get("tokens"), row.get("gold"))
