from pathlib import Path

import numpy
import pytest
from lrl_adapt.corpora.duplicates import Index


@pytest.mark.parametrize("part", [1, 3, 1000])
def test_first_is_what_a_dictionary_says(tmp_path: Path, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrl_adapt.corpora.duplicates.PART", part)
    chance = numpy.random.default_rng(0)
    keys = chance.integers(0, 20, 60).astype(numpy.uint64)
    near = chance.integers(0, 30, (60, 2)).astype(numpy.uint64)
    signatures = numpy.zeros((60, 4), dtype=numpy.uint8)
    index = Index(tmp_path)
    for start in range(0, 60, 25):
        index.add(keys[start : start + 25], near[start : start + 25], signatures[start : start + 25])
    alive = chance.random(60) < 0.7
    for found, columns in ((index.repeats(alive), keys[:, None]), (index.near_repeats(alive), near)):
        expected = list(range(60))
        for column in columns.T:
            seen: dict[int, int] = {}
            for line in numpy.flatnonzero(alive).tolist():
                expected[line] = min(expected[line], seen.setdefault(int(column[line]), line))
        assert found.tolist() == expected


def test_what_shares_a_band_but_not_the_signature_is_no_twin(tmp_path: Path) -> None:
    signatures = numpy.array([[1, 2, 3, 4, 5, 6, 7, 8, 9, 0]] * 3, dtype=numpy.uint8)
    signatures[1, :3] = 99  # agrees in 70 %
    signatures[2, :4] = 99
    index = Index(tmp_path)
    index.add(numpy.arange(3, dtype=numpy.uint64), numpy.full((3, 1), 7, dtype=numpy.uint64), signatures)
    assert index.near_repeats(numpy.ones(3, dtype=bool)).tolist() == [0, 0, 2]


def test_no_lines_and_no_bands(tmp_path: Path) -> None:
    index = Index(tmp_path)
    assert index.repeats(numpy.zeros(0, dtype=bool)).tolist() == []
    assert index.near_repeats(numpy.zeros(0, dtype=bool)).tolist() == []
    empty = numpy.zeros((0, 0), dtype=numpy.uint8)
    index.add(numpy.array([1, 1], dtype=numpy.uint64), empty.astype(numpy.uint64), empty)
    alive = numpy.ones(2, dtype=bool)
    assert index.repeats(alive).tolist() == [0, 0]
    assert index.near_repeats(alive).tolist() == [0, 1]
