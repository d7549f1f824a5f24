"""Arrays on disk, appended to as lines arrive and read a part at a time, since a corpus may exceed memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy

from .code_points import Array

PART = 2_000_000  # rows in memory at a time


class DiskArray:
    """An append-only file of rows of one type; a row is one number, or `width` of them.

    It is read with plain reads: the pages of a memory map would count as used memory, and are not released.
    """

    def __init__(self, path: Path, dtype: type[numpy.generic], width: int = 1) -> None:
        self._path = path
        self._dtype = numpy.dtype(dtype)
        self._width = width
        self.rows = 0

    def append(self, values: Array) -> None:
        """Add rows, (rows,) or (rows, width)."""
        with self._path.open("ab") as file:
            numpy.ascontiguousarray(values, dtype=self._dtype).tofile(file)
        self.rows += len(values)

    def parts(self) -> Iterator[tuple[int, Array]]:
        """The number of a part's first row, and its rows, (rows,) or (rows, width), for part after part."""
        if not self.rows:
            return
        with self._path.open("rb") as file:
            for start in range(0, self.rows, PART):
                values = numpy.fromfile(file, dtype=self._dtype, count=PART * self._width)
                yield start, values if self._width == 1 else values.reshape(-1, self._width)

    def read(self) -> Array:
        """All rows."""
        return numpy.concatenate([numpy.zeros(0, self._dtype), *(values for _, values in self.parts())])

    def gather(self, rows: Array) -> Array:
        """The rows with these numbers, which must be sorted."""
        chosen = []
        for start, values in self.parts():
            low, high = numpy.searchsorted(rows, (start, start + len(values)))
            chosen.append(values[rows[low:high] - start])
        return numpy.concatenate(chosen)
