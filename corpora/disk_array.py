"""Arrays on disk, appended to as lines arrive and read a part at a time, since a corpus may exceed memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy

from .code_points import Array

PART = 2_000_000  # rows in memory at a time


class DiskArray:
    """An append-only file of rows of one type; a row is one number or record, or `width` of them.

    It is read with plain reads: the pages of a memory map would count as used memory, and are not released.
    """

    def __init__(self, path: Path, dtype: Any, width: int = 1) -> None:
        self._path = path
        self._dtype = numpy.dtype(dtype)
        self._width = width
        self.rows = 0

    def append(self, values: Array) -> None:
        """Add rows, (rows,) or (rows, width)."""
        with self._path.open("ab") as file:
            numpy.ascontiguousarray(values, dtype=self._dtype).tofile(file)
        self.rows += len(values)

    def parts(self, size: int | None = None) -> Iterator[tuple[int, Array]]:
        """The number of a part's first row, and its rows, (rows,) or (rows, width), for parts of `size` or PART."""
        if not self.rows:
            return
        size = size or PART
        with self._path.open("rb") as file:
            for start in range(0, self.rows, size):
                values = numpy.fromfile(file, dtype=self._dtype, count=size * self._width)
                yield start, values if self._width == 1 else values.reshape(-1, self._width)

    def read(self) -> Array:
        """All rows."""
        return numpy.concatenate([numpy.zeros(0, self._dtype), *(values for _, values in self.parts())])

    def delete(self) -> None:
        """Delete the file and its rows."""
        self._path.unlink(missing_ok=True)
        self.rows = 0


class Buckets:
    """Rows of one type, each in one of `count` files in `folder`, so that what belongs together is read together.

    To sort or join more rows than memory holds, each is written once and read once, whatever their number.
    """

    def __init__(self, folder: Path, dtype: Any, count: int) -> None:
        folder.mkdir()
        self._dtype = numpy.dtype(dtype)
        self._arrays = [DiskArray(folder / str(number), dtype) for number in range(count)]

    def add(self, numbers: Array, **columns: Array) -> None:
        """Add rows, a value of each column for each; `numbers`, int64 (rows,), say to which bucket each belongs."""
        rows = numpy.empty(len(numbers), dtype=self._dtype)
        order = numpy.argsort(numbers, kind="stable")  # the rows of a bucket stay in the order in which they come
        for name, values in columns.items():
            rows[name] = values[order]
        ends = numpy.cumsum(numpy.bincount(numbers, minlength=len(self._arrays)))
        for array, part in zip(self._arrays, numpy.split(rows, ends[:-1]), strict=True):
            if len(part):
                array.append(part)

    def __iter__(self) -> Iterator[DiskArray]:
        """The buckets; each is deleted when the next is asked for."""
        for array in self._arrays:
            yield array
            array.delete()
