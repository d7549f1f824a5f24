from collections import Counter

import pytest
from lrl_adapt.recipes.splits import CORPUS_BOUNDS, SPLITS, TASK_BOUNDS, split_of


@pytest.mark.parametrize(("bounds", "counts"), [(CORPUS_BOUNDS, (800, 100, 100)), (TASK_BOUNDS, (700, 100, 200))])
def test_fractions_are_divided_at_the_bounds(bounds: tuple[float, float], counts: tuple[int, ...]) -> None:
    splits = Counter(split_of(number / 1000, bounds) for number in range(1000))
    assert tuple(splits[split] for split in SPLITS) == counts


def test_a_bound_belongs_to_the_later_split() -> None:
    assert [split_of(fraction, CORPUS_BOUNDS) for fraction in (0.0, 0.8, 0.9)] == list(SPLITS)
