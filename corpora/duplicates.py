"""Exact and near-duplicates among lines whose hashes are on disk, with one byte of memory per line."""

from collections.abc import Iterator
from pathlib import Path

import numpy

from .code_points import Array
from .disk_array import PART, DiskArray
from .minhash import BANDS, PERMUTATIONS

# Share of equal signature values from which on two lines are near-duplicates. It goes with BANDS and ROWS: see the head
# of minhash.py. Raise `CACHE_VERSION` in prepare.py with it.
SIMILARITY = 0.7
PAIRS = 1_000_000  # pairs whose signatures are compared at once: 128 MB
NEW, DUPLICATE, TASK_DUPLICATE = range(3)  # a line's verdict; the last: a duplicate of a line of the tasks


class DuplicateIndex:
    """Hashes of lines in the order they were added, in `folder`. The first lines may come from the recipe's tasks.

    Near-duplicates are lines whose signatures agree in SIMILARITY of their values with those of the first line of a
    band that they share. With the numbers of `minhash` a pair of Jaccard similarity 0.9 is found in 99.9% of the
    cases, of 0.8 in 93%, of 0.7 in 39%, of 0.6 in 2%, of 0.5 hardly ever; a little less often in large groups of
    similar lines, where the first line of the band is another one.
    """

    def __init__(self, folder: Path) -> None:
        self._keys = DiskArray(folder / "keys", numpy.uint64)
        self._bands = [DiskArray(folder / f"band{number}", numpy.uint64) for number in range(BANDS)]
        self._signatures = DiskArray(folder / "signatures", numpy.uint8, PERMUTATIONS)
        self._ranks = DiskArray(folder / "ranks", numpy.uint64)
        self.task_lines = 0

    @property
    def lines(self) -> int:
        """Lines added so far."""
        return self._keys.rows

    def add(
        self, keys: Array, bands: Array, signatures: Array, *, ranks: Array | None = None, task: bool = False
    ) -> None:
        """Add lines: keys, uint64 (lines,); bands, uint64 (lines, BANDS); signatures, uint8 (lines, PERMUTATIONS).

        Bands and signatures have no rows if near-duplicates are kept. `task` marks lines of the
        tasks. Of equal lines the one with the lowest rank stays, those of the tasks come before all others; by default
        the one added first stays.
        """
        if task:
            ranks = numpy.zeros(len(keys), dtype=numpy.uint64)
        elif ranks is None:
            ranks = numpy.arange(self.lines, self.lines + len(keys), dtype=numpy.uint64)
        self._ranks.append(ranks)
        self._keys.append(keys)
        for column, values in zip(self._bands, bands.T, strict=True):
            column.append(values)
        self._signatures.append(signatures)
        self.task_lines += len(keys) if task else 0

    def duplicates(self, alive: Array) -> Array:
        """A verdict for each line: whether a living one of lower rank has the same key; uint8 (lines,).

        Lines that are not `alive`, bool (lines,), are NEW and make no other line a duplicate.
        """
        verdicts = numpy.zeros(self.lines, dtype=numpy.uint8)
        for lines, firsts in self._groups(self._keys, alive):
            self._mark(verdicts, lines, firsts)
        return verdicts

    def near_duplicates(self, alive: Array) -> Array:
        """The same for near-duplicates; each line of a band is compared with the one of lowest rank in it alone."""
        verdicts = numpy.zeros(self.lines, dtype=numpy.uint8)
        waiting: list[Array] = []
        for column in self._bands:
            for lines, firsts in self._groups(column, alive):
                waiting.append(firsts * self.lines + lines)  # a pair as one number, so that unique() takes them
                if sum(map(len, waiting)) > PAIRS:
                    self._mark(verdicts, *self._similar(waiting))
                    waiting = []
        self._mark(verdicts, *self._similar(waiting))
        return verdicts

    def _similar(self, pairs: list[Array]) -> tuple[Array, Array]:
        """Those of the candidate pairs (first x lines + line) whose signatures agree: lines, and their firsts."""
        unique_pairs = numpy.unique(numpy.concatenate([numpy.zeros(0, numpy.int64), *pairs]))
        firsts, lines = numpy.divmod(unique_pairs, self.lines)
        similar = numpy.zeros(len(lines), dtype=bool)
        for start in range(0, len(lines), PAIRS):
            part = slice(start, start + PAIRS)
            needed = numpy.unique(numpy.concatenate((lines[part], firsts[part])))
            signatures = self._signatures.gather(needed)
            of_lines = signatures[numpy.searchsorted(needed, lines[part])]
            of_firsts = signatures[numpy.searchsorted(needed, firsts[part])]
            similar[part] = (of_lines == of_firsts).mean(axis=1) >= SIMILARITY
        return lines[similar], firsts[similar]

    def _mark(self, verdicts: Array, lines: Array, firsts: Array) -> None:
        kinds = numpy.where(firsts < self.task_lines, TASK_DUPLICATE, DUPLICATE).astype(numpy.uint8)
        numpy.maximum.at(verdicts, lines, kinds)

    def _groups(self, column: DiskArray, alive: Array) -> Iterator[tuple[Array, Array]]:
        """Living lines that share a value with one of lower rank, and for each the one of lowest rank.

        A part at a time: values are parted by their remainder, so that equal ones are sorted in the same part.
        """
        parts = -(-column.rows // PART)
        for part in range(parts):
            values, ranks, lines = self._part(column, part, parts, alive)
            order = numpy.lexsort((ranks, values))  # stable: equal ranks stay in the order of lines
            values, lines = values[order], lines[order]
            is_first = numpy.ones(len(values), dtype=bool)
            is_first[1:] = values[1:] != values[:-1]
            firsts = lines[is_first][numpy.cumsum(is_first) - 1]
            yield lines[~is_first], firsts[~is_first]

    def _part(self, column: DiskArray, part: int, parts: int, alive: Array) -> tuple[Array, Array, Array]:
        """Values, ranks and numbers of the living lines whose value belongs to this part, in the order of lines."""
        chosen_values, chosen_ranks, chosen_lines = [], [], []
        for (start, values), (_, ranks) in zip(column.parts(), self._ranks.parts(), strict=True):
            chosen = alive[start : start + len(values)] & (values % numpy.uint64(parts) == part)
            chosen_values.append(values[chosen])
            chosen_ranks.append(ranks[chosen])
            chosen_lines.append(numpy.flatnonzero(chosen) + start)
        return numpy.concatenate(chosen_values), numpy.concatenate(chosen_ranks), numpy.concatenate(chosen_lines)
