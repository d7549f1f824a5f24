"""Exact and near-duplicates among lines whose hashes are on disk, with one byte of memory per line."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy

from .code_points import Array
from .disk_array import PART, Buckets, DiskArray
from .minhash import BANDS, PERMUTATIONS

# Share of equal signature values from which on two lines are near-duplicates. It goes with BANDS and ROWS: see the head
# of minhash.py. Raise `CACHE_VERSION` in prepare.py with it.
SIMILARITY = 0.7
PAIRS = 500_000  # pairs whose signatures are compared at once, about 100 MB
ENTRY = numpy.dtype([("value", "u8"), ("rank", "u8"), ("line", "i8")])
PAIR = numpy.dtype([("line", "i8"), ("first", "i8")])
SIGNED_PAIR = numpy.dtype([*PAIR.descr, ("signature", "u1", (PERMUTATIONS,))])
NEW, DUPLICATE, TASK_DUPLICATE = range(3)  # a line's verdict; the last: a duplicate of a line of the tasks


class DuplicateIndex:
    """Hashes of lines in the order they were added, in `folder`. The first lines may come from the recipe's tasks.

    Near-duplicates are lines whose signatures agree in SIMILARITY of their values with those of the first line of a
    band that they share. With the numbers of `minhash` a pair of Jaccard similarity 0.9 is found in 99.9% of the
    cases, of 0.8 in 93%, of 0.7 in 39%, of 0.6 in 2%, of 0.5 hardly ever; a little less often in large groups of
    similar lines, where the first line of the band is another one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
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
        """The same for near-duplicates; each line of a band is compared with the one of lowest rank in it alone.

        The pairs to compare are brought to the signatures of their firsts, then, with these, to those of their lines.
        """
        verdicts = numpy.zeros(self.lines, dtype=numpy.uint8)
        blocks = -(-self._signatures.rows // PART)
        with TemporaryDirectory(dir=self._folder) as folder:
            pairs = Buckets(Path(folder, "pairs"), PAIR, blocks)
            for column in self._bands:
                for lines, firsts in self._groups(column, alive):
                    pairs.add(firsts // PART, line=lines, first=firsts)
            signed_pairs = Buckets(Path(folder, "signed_pairs"), SIGNED_PAIR, blocks)
            for (start, signatures), bucket in zip(self._signatures.parts(), pairs, strict=True):
                for _, part in bucket.parts(PAIRS):
                    numbers = numpy.unique(part["first"] * self.lines + part["line"])  # lines may share several bands
                    firsts, lines = numpy.divmod(numbers, self.lines)
                    of_firsts = signatures[firsts - start]
                    signed_pairs.add(lines // PART, line=lines, first=firsts, signature=of_firsts)
            for (start, signatures), bucket in zip(self._signatures.parts(), signed_pairs, strict=True):
                for _, part in bucket.parts(PAIRS):
                    agreement = (signatures[part["line"] - start] == part["signature"]).mean(axis=1)
                    similar = part[agreement >= SIMILARITY]
                    self._mark(verdicts, similar["line"], similar["first"])
        return verdicts

    def _mark(self, verdicts: Array, lines: Array, firsts: Array) -> None:
        kinds = numpy.where(firsts < self.task_lines, TASK_DUPLICATE, DUPLICATE).astype(numpy.uint8)
        numpy.maximum.at(verdicts, lines, kinds)

    def _groups(self, column: DiskArray, alive: Array) -> Iterator[tuple[Array, Array]]:
        """Living lines that share a value with one of lower rank, and for each the one of lowest rank.

        Values are parted by their remainder, so that equal ones come together; as many parts as keep memory small.
        """
        count = -(-2 * column.rows // PART)
        with TemporaryDirectory(dir=self._folder) as folder:
            entries = Buckets(Path(folder, "entries"), ENTRY, count)
            for (start, values), (_, ranks) in zip(column.parts(), self._ranks.parts(), strict=bool(column.rows)):
                living = numpy.flatnonzero(alive[start : start + len(values)])
                parts = (values[living] % numpy.uint64(count)).astype(numpy.int64)
                entries.add(parts, value=values[living], rank=ranks[living], line=living + start)
            for bucket in entries:
                yield from _with_firsts(bucket)


def _with_firsts(entries: DiskArray) -> Iterator[tuple[Array, Array]]:
    """Of lines with equal values, those that are not of the lowest rank, and for each the line that is."""
    if entries.rows > 2 * PART:
        yield from _with_firsts_by_parts(entries)
        return
    for _, block in entries.parts(2 * PART):  # at most one
        part = block[_repeated(block["value"])]  # most lines are alone: fewer to put in order
        order = numpy.lexsort((part["rank"], part["value"]))  # stable: equal ranks stay in the order of lines
        values, lines = part["value"][order], part["line"][order]
        is_first = numpy.ones(len(values), dtype=bool)
        is_first[1:] = values[1:] != values[:-1]
        firsts = lines[is_first][numpy.cumsum(is_first) - 1]
        yield lines[~is_first], firsts[~is_first]


def _repeated(values: Array) -> Array:
    """The indices, in order, of the values that are there more than once."""
    order = numpy.argsort(values)
    ordered = values[order]
    equal = ordered[1:] == ordered[:-1]
    repeated = numpy.zeros(len(values), dtype=bool)
    repeated[1:] |= equal
    repeated[:-1] |= equal
    return numpy.sort(order[repeated])


def _with_firsts_by_parts(entries: DiskArray) -> Iterator[tuple[Array, Array]]:
    """The same where memory does not hold all: a line may occur millions of times, and they are all in one bucket."""
    firsts = numpy.zeros(0, dtype=ENTRY)
    for _, part in entries.parts():
        both = numpy.concatenate((firsts, part))
        order = numpy.lexsort((both["rank"], both["value"]))  # stable: equal ranks stay in the order of lines
        values = both["value"][order]
        is_first = numpy.ones(len(both), dtype=bool)
        is_first[1:] = values[1:] != values[:-1]
        firsts = both[order[is_first]]
    for _, part in entries.parts():
        firsts_of_part = firsts["line"][numpy.searchsorted(firsts["value"], part["value"])]
        others = firsts_of_part != part["line"]
        yield part["line"][others], firsts_of_part[others]
