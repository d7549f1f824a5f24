"""Columns of numbers on disk: written as lines come, read a part at a time, for a corpus outgrows memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy

from .measure import Array

PART = 2_000_000  # rows in memory at a time


class Column:
    """An append-only file of rows of one type; a row is one number, or `width` of them."""

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
        """Number of the first row and rows, part after part: (rows,), or (rows, width) if the width is not 1."""
        if not self.rows:
            return
        with self._path.open("rb") as file:
            for start in range(0, self.rows, PART):
                values = numpy.fromfile(file, dtype=self._dtype, count=PART * self._width)
                yield start, values if self._width == 1 else values.reshape(-1, self._width)

    def gather(self, rows: Array) -> Array:
        """The rows with these numbers, sorted ones; read in order, for a memory map would hold on to every page."""
        found = []
        for start, values in self.parts():
            low, high = numpy.searchsorted(rows, (start, start + len(values)))
            found.append(values[rows[low:high] - start])
        return numpy.concatenate(found)
