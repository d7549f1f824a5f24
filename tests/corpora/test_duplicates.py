from pathlib import Path

import numpy
import pytest
from lrl_adapt.corpora.code_points import Array
from lrl_adapt.corpora.duplicates import DUPLICATE, NEW, TASK_DUPLICATE, DuplicateIndex
from lrl_adapt.corpora.minhash import BANDS, PERMUTATIONS


@pytest.fixture(params=[1, 3, 1000])
def part(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    for module in ("disk_array", "duplicates"):
        monkeypatch.setattr(f"lrl_adapt.corpora.{module}.PART", request.param)
    monkeypatch.setattr("lrl_adapt.corpora.duplicates.PAIRS", 5)
    return request.param


def slow(columns: Array, alive: Array, tasks: int) -> list[int]:
    """By a dictionary per column: the worst of what each column says."""
    verdicts = [NEW] * len(columns)
    for column in columns.T.tolist():
        seen: dict[int, int] = {}
        for line in numpy.flatnonzero(alive).tolist():
            first = seen.setdefault(column[line], line)
            if first != line:
                verdicts[line] = max(verdicts[line], TASK_DUPLICATE if first < tasks else DUPLICATE)
    return verdicts


@pytest.mark.usefixtures("part")
def test_duplicates_are_what_a_dictionary_says(tmp_path: Path) -> None:
    rng = numpy.random.default_rng(0)
    keys = rng.integers(0, 20, 60).astype(numpy.uint64)
    bands = rng.integers(0, 150, (60, BANDS)).astype(numpy.uint64)
    signatures = numpy.zeros((60, PERMUTATIONS), dtype=numpy.uint8)
    index = DuplicateIndex(tmp_path)
    for start, stop in ((0, 10), (10, 11), (11, 60)):
        index.add(keys[start:stop], bands[start:stop], signatures[start:stop], task=start == 0)
    alive = rng.random(60) < 0.7
    alive[:10] = True
    assert (index.lines, index.task_lines) == (60, 10)
    assert index.duplicates(alive).tolist() == slow(keys[:, None], alive, 10)
    assert index.near_duplicates(alive).tolist() == slow(bands, alive, 10)


def test_what_shares_a_band_but_not_the_signature_is_no_near_duplicate(tmp_path: Path) -> None:
    signatures = numpy.tile(numpy.arange(PERMUTATIONS, dtype=numpy.uint8), (3, 1))
    signatures[1, :19] = 99  # agrees in 70.3%
    signatures[2, :20] = 99
    bands = numpy.arange(3 * BANDS, dtype=numpy.uint64).reshape(3, BANDS)
    bands[:, 4] = 7
    index = DuplicateIndex(tmp_path)
    index.add(numpy.arange(3, dtype=numpy.uint64), bands, signatures)
    assert index.near_duplicates(numpy.ones(3, dtype=bool)).tolist() == [NEW, DUPLICATE, NEW]


def test_no_lines_and_no_bands(tmp_path: Path) -> None:
    index = DuplicateIndex(tmp_path)
    nothing = numpy.zeros(0, dtype=bool)
    assert index.duplicates(nothing).tolist() == index.near_duplicates(nothing).tolist() == []
    bands, signatures = numpy.zeros((0, BANDS)), numpy.zeros((0, PERMUTATIONS))
    index.add(numpy.array([1, 1], dtype=numpy.uint64), bands, signatures)
    assert index.duplicates(numpy.ones(2, dtype=bool)).tolist() == [NEW, DUPLICATE]
    assert index.near_duplicates(numpy.ones(2, dtype=bool)).tolist() == [NEW, NEW]
