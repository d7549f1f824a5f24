"""Lines seen before, exactly or nearly, found on disk so that memory does not grow with the corpus."""

from pathlib import Path

import numpy

from .measure import BANDS, Array

PART = 4_000_000  # values looked at together: about 100 MB
NAMES = ("key", *(f"band{number}" for number in range(BANDS)))


class Index:
    """Hashes of lines in the order they were added, a file for each kind, in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.lines = 0

    def add(self, keys: Array, bands: Array) -> None:
        """Add lines: their keys, uint64 (lines,), and band values, (lines, BANDS) or none, both of `measure`."""
        self._append("key", keys)
        for number, values in enumerate(bands.T):
            self._append(f"band{number}", values)
        self.lines += len(keys)

    def first(self, alive: Array, *, near: bool) -> Array:
        """For each line the first living one that equals it (`near`: shares a band with it), itself if there is none.

        Lines that are not `alive` count as not there. Of two near twins that both live, one is not first.
        """
        first = numpy.arange(self.lines)
        for name in NAMES[1:] if near else NAMES[:1]:
            path = self._folder / name
            if not path.exists():
                continue
            parts = -(-self.lines // PART)
            for part in range(parts):
                self._match(path, part, parts, alive, first)
        return first

    def _match(self, path: Path, part: int, parts: int, alive: Array, first: Array) -> None:
        """Lower `first` for the lines whose value falls to this part."""
        found, places = [], []
        with path.open("rb") as file:
            for start in range(0, self.lines, PART):
                values = numpy.fromfile(file, dtype=numpy.uint64, count=PART)
                chosen = alive[start : start + len(values)] & (values % numpy.uint64(parts) == part)
                found.append(values[chosen])
                places.append(numpy.flatnonzero(chosen) + start)
        values, lines = numpy.concatenate(found), numpy.concatenate(places)
        order = numpy.argsort(values, kind="stable")
        values, lines = values[order], lines[order]
        new = numpy.concatenate(([True], values[1:] != values[:-1])) if len(values) else numpy.zeros(0, bool)
        heads = lines[new][numpy.cumsum(new) - 1]  # stable sorting puts the earliest line of a value at its head
        first[lines] = numpy.minimum(first[lines], heads)

    def _append(self, name: str, values: Array) -> None:
        with (self._folder / name).open("ab") as file:
            numpy.ascontiguousarray(values).tofile(file)
