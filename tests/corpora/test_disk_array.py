from pathlib import Path

import numpy
import pytest
from lrl_adapt.corpora.disk_array import DiskArray


@pytest.mark.parametrize("part", [1, 3, 1000])
def test_rows_are_read_as_they_were_written(tmp_path: Path, part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrl_adapt.corpora.disk_array.PART", part)
    rows = numpy.arange(22, dtype=numpy.uint8).reshape(11, 2)
    array = DiskArray(tmp_path / "a", numpy.uint8, 2)
    array.append(rows[:4])
    array.append(rows[4:])
    assert numpy.concatenate([values for _, values in array.parts()]).tolist() == rows.tolist()
    assert array.gather(numpy.array([0, 3, 4, 10])).tolist() == rows[[0, 3, 4, 10]].tolist()


def test_read(tmp_path: Path) -> None:
    array = DiskArray(tmp_path / "a", numpy.uint32)
    assert array.read().tolist() == []
    array.append(numpy.array([3, 1]))
    assert array.read().tolist() == [3, 1]
