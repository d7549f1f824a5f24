from pathlib import Path

import numpy
import pytest
from lrl_adapt.corpora.disk_array import Buckets, DiskArray


@pytest.mark.parametrize("part", [1, 3, 1000])
def test_rows_are_read_as_they_were_written(tmp_path: Path, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrl_adapt.corpora.disk_array.PART", part)
    rows = numpy.arange(22, dtype=numpy.uint8).reshape(11, 2)
    array = DiskArray(tmp_path / "a", numpy.uint8, 2)
    array.append(rows[:4])
    array.append(rows[4:])
    assert numpy.concatenate([values for _, values in array.parts()]).tolist() == rows.tolist()
    assert [start for start, _ in array.parts(size=4)] == [0, 4, 8]


def test_read(tmp_path: Path) -> None:
    array = DiskArray(tmp_path / "a", numpy.uint32)
    assert array.read().tolist() == []
    array.append(numpy.array([3, 1]))
    assert array.read().tolist() == [3, 1]


def test_buckets_hold_rows_in_the_order_they_came_and_are_read_once(tmp_path: Path) -> None:
    rng = numpy.random.default_rng(0)
    numbers, values = rng.integers(0, 5, 100), numpy.arange(100)
    buckets = Buckets(tmp_path / "buckets", [("value", "i8"), ("pair", "u1", (2,))], 6)
    for part in (slice(0, 1), slice(1, 1), slice(1, 60), slice(60, 100)):
        pairs = numpy.stack((values[part], values[part] + 1), axis=1)
        buckets.add(numbers[part], value=values[part], pair=pairs)
    for number, bucket in enumerate(buckets):
        rows = bucket.read()
        assert rows["value"].tolist() == values[numbers == number].tolist()
        assert rows["pair"].tolist() == [[value, value + 1] for value in rows["value"].tolist()]
    assert list((tmp_path / "buckets").iterdir()) == []
