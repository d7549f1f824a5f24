"""How often the intervals of trained tasks cover the true difference, and how often a verdict is false.

    python benchmarks/coverage.py [--studies 1000]

Made-up studies compare two systems on a classification with 200 test items in 7 unequal classes, as SIB-200 has, and
three seeds. Whether an item is predicted right depends on the item, the system, the seed, the item and system together,
and chance. The standard deviation of macro-F1 between seeds in docs/study's tasks was 1.6 to 2.5 points. Prints the
table of docs/evaluation.md, which also has two simpler intervals: over the items alone, and by a plain bootstrap of
seeds and items.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from lrl_adapt.eval.metrics import (
    RESAMPLES,
    Metric,
    classification_metrics,
    percentile_interval,
    resample_counts,
)
from lrl_adapt.eval.seed_variance import difference_over_seeds
from lrl_adapt.eval.significance import compare_on_items

Systems = tuple[list[Metric], list[Metric]]  # macro-F1 of two systems with each seed
Interval = tuple[float, float]

CLASSES = 7
SPREADS = (0.0, 0.1, 0.3)  # of the seeds, on the logit-like scale of `simulate`
GAIN = 0.4  # of the better system, on the same scale: about 11 points of macro-F1


@dataclass(frozen=True)
class Measured:
    """The shares of intervals that cover the truth and that exclude 0 (a verdict), and their mean width."""

    covered: float
    clear: float
    width: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    studies = parser.parse_args().studies
    print("| sd between seeds | interval over | covers, % | false verdicts, % | finds the gain, % | width, points |")
    print("|---|---|---|---|---|---|")
    methods = {"seeds and items": over_seeds_and_items, "items": over_items, "plain bootstrap of both": by_bootstrap}
    for spread in SPREADS:
        alike, apart = list(simulate(spread, studies)), list(simulate(spread, studies, gain=GAIN))
        truth = float(np.mean([difference_over_seeds(*systems).value for systems in apart]))
        deviation = np.mean([np.var([metric.value() for metric in first], ddof=1) for first, _ in alike]) ** 0.5
        for name, method in methods.items():
            null, real = coverage(alike, 0.0, method), coverage(apart, truth, method)
            shares = (null.covered + real.covered) / 2, null.clear, real.clear, real.width
            print(f"| {100 * deviation:.1f} | {name} | " + " | ".join(f"{100 * share:.1f}" for share in shares) + " |")


def simulate(
    seed_spread: float, studies: int, *, gain: float = 0.0, seeds: int = 3, items: int = 200
) -> Iterator[Systems]:
    """Made-up studies. `seed_spread` is the standard deviation that a seed adds to each class, and `gain` what the
    second system is better by, on a scale where items have the standard deviation 1."""
    rng = np.random.default_rng(0)
    shares = np.arange(CLASSES, 0, -1) ** 0.5
    for _ in range(studies):
        gold = rng.choice(CLASSES, size=items, p=shares / shares.sum())
        easiness = rng.normal(0.6, 1.0, items)
        likeliest_error = (gold + rng.integers(1, CLASSES, items)) % CLASSES
        first, second = (
            [_scores(rng, gold, likeliest_error, easiness + of_system, seed_spread) for _ in range(seeds)]
            for of_system in (rng.normal(0.0, 0.4, items), rng.normal(gain, 0.4, items))
        )
        yield first, second


def _scores(
    rng: np.random.Generator, gold: np.ndarray, likeliest_error: np.ndarray, easiness: np.ndarray, spread: float
) -> Metric:
    """Macro-F1 of one seed."""
    of_seed = rng.normal(0, 0.6 * spread) + rng.normal(0, spread, CLASSES)[gold]
    right = easiness + of_seed + rng.normal(0, 0.5, len(gold)) > 0
    other_error = (gold + rng.integers(1, CLASSES, len(gold))) % CLASSES
    error = np.where(rng.random(len(gold)) < 0.7, likeliest_error, other_error)
    return classification_metrics(gold, np.where(right, gold, error), CLASSES)[0]


def over_seeds_and_items(baseline: list[Metric], system: list[Metric]) -> Interval:
    return difference_over_seeds(baseline, system).interval()


def over_items(baseline: list[Metric], system: list[Metric]) -> Interval:
    return compare_on_items(baseline, system, test=False).interval


def by_bootstrap(baseline: list[Metric], system: list[Metric]) -> Interval:
    """Percentiles of resampled differences: the same items for both systems, seeds of each system on their own."""
    rng = np.random.default_rng(1)
    batches = list(resample_counts(system[0].items, RESAMPLES, seed=0))

    def resampled(metrics: list[Metric]) -> np.ndarray:
        values = np.stack([np.concatenate([metric.of_draws(batch) for batch in batches]) for metric in metrics])
        weights = rng.multinomial(len(metrics), np.full(len(metrics), 1 / len(metrics)), size=RESAMPLES).T
        return (values * weights / len(metrics)).sum(0)

    return percentile_interval(resampled(system) - resampled(baseline))


def coverage(
    studies: Iterable[Systems],
    truth: float,
    interval: Callable[[list[Metric], list[Metric]], Interval] = over_seeds_and_items,
) -> Measured:
    """What the intervals of studies whose true difference is `truth` are worth."""
    low, high = np.array([interval(*systems) for systems in studies]).T
    return Measured(
        covered=float(((low <= truth) & (truth <= high)).mean()),
        clear=float(((low > 0) | (high < 0)).mean()),
        width=float((high - low).mean()),
    )


if __name__ == "__main__":
    main()
