from pathlib import Path

import numpy
import pytest
from lrl_adapt.corpora.columns import Column
from lrl_adapt.corpora.duplicates import NEW, REPEAT, REPEAT_OF_TASK, Index
from lrl_adapt.corpora.measure import BANDS, PERMUTATIONS, Array


@pytest.fixture(params=[1, 3, 1000])
def part(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    for module in ("columns", "duplicates"):
        monkeypatch.setattr(f"lrl_adapt.corpora.{module}.PART", request.param)
    monkeypatch.setattr("lrl_adapt.corpora.duplicates.PAIRS", 5)
    return request.param


def slow(columns: Array, alive: Array, tasks: int) -> list[int]:
    """By a dictionary per column: the worst of what each column says."""
    found = [NEW] * len(columns)
    for column in columns.T.tolist():
        seen: dict[int, int] = {}
        for line in numpy.flatnonzero(alive).tolist():
            head = seen.setdefault(column[line], line)
            if head != line:
                found[line] = max(found[line], REPEAT_OF_TASK if head < tasks else REPEAT)
    return found


@pytest.mark.usefixtures("part")
def test_repeats_are_what_a_dictionary_says(tmp_path: Path) -> None:
    chance = numpy.random.default_rng(0)
    keys = chance.integers(0, 20, 60).astype(numpy.uint64)
    bands = chance.integers(0, 150, (60, BANDS)).astype(numpy.uint64)
    signatures = numpy.zeros((60, PERMUTATIONS), dtype=numpy.uint8)
    index = Index(tmp_path)
    for start, stop in ((0, 10), (10, 11), (11, 60)):
        index.add(keys[start:stop], bands[start:stop], signatures[start:stop], task=start == 0)
    alive = chance.random(60) < 0.7
    alive[:10] = True
    assert (index.lines, index.tasks) == (60, 10)
    assert index.repeats(alive).tolist() == slow(keys[:, None], alive, 10)
    assert index.near_repeats(alive).tolist() == slow(bands, alive, 10)


def test_what_shares_a_band_but_not_the_signature_is_no_twin(tmp_path: Path) -> None:
    signatures = numpy.tile(numpy.arange(PERMUTATIONS, dtype=numpy.uint8), (3, 1))
    signatures[1, :19] = 99  # agrees in 70.3 %
    signatures[2, :20] = 99
    bands = numpy.arange(3 * BANDS, dtype=numpy.uint64).reshape(3, BANDS)
    bands[:, 4] = 7
    index = Index(tmp_path)
    index.add(numpy.arange(3, dtype=numpy.uint64), bands, signatures)
    assert index.near_repeats(numpy.ones(3, dtype=bool)).tolist() == [NEW, REPEAT, NEW]


def test_no_lines_and_no_bands(tmp_path: Path) -> None:
    index = Index(tmp_path)
    nothing = numpy.zeros(0, dtype=bool)
    assert index.repeats(nothing).tolist() == index.near_repeats(nothing).tolist() == []
    bands, signatures = numpy.zeros((0, BANDS)), numpy.zeros((0, PERMUTATIONS))
    index.add(numpy.array([1, 1], dtype=numpy.uint64), bands, signatures)
    assert index.repeats(numpy.ones(2, dtype=bool)).tolist() == [NEW, REPEAT]
    assert index.near_repeats(numpy.ones(2, dtype=bool)).tolist() == [NEW, NEW]


@pytest.mark.usefixtures("part")
def test_a_column_gives_back_what_was_put_in(tmp_path: Path) -> None:
    rows = numpy.arange(22, dtype=numpy.uint8).reshape(11, 2)
    column = Column(tmp_path / "c", numpy.uint8, 2)
    column.append(rows[:4])
    column.append(rows[4:])
    assert numpy.concatenate([values for _, values in column.parts()]).tolist() == rows.tolist()
    assert column.gather(numpy.array([0, 3, 4, 10])).tolist() == rows[[0, 3, 4, 10]].tolist()
