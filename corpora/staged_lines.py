"""Cleaned lines on disk: written while documents are read, read again once it is known which of them stay.

Which lines stay is only known at the end, when all have been seen: an earlier line may turn out to be the duplicate
of one that comes later but ranks lower in the sample. So text goes to a compressed file, and hashes, sizes and ranks to
arrays beside it; memory holds a few bytes a line: its outcome, and masks of the same length.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy
import pyarrow
import pyarrow.ipc

from ..recipes.schema import Corpus
from ..recipes.splits import CORPUS_BOUNDS, SPLITS, split_of
from .clean import Cleaned
from .code_points import Array
from .disk_array import DiskArray
from .duplicates import DUPLICATE, NEW, TASK_DUPLICATE, DuplicateIndex
from .reasons import Outcome
from .sampling import PageSample, page_ranks

SCHEMA = pyarrow.schema(
    {"split": pyarrow.int8(), "document": pyarrow.string(), "text": pyarrow.string(), "size": pyarrow.uint32()}
)
NAME_DIGITS = 16  # hexadecimal digits of a document's name
# The split's index by the first byte of a document's digest. A whole byte has no room for 80 and 10%: 205 of its 256
# values are train, 26 validation, 25 test.
SPLIT_OF_BYTE = numpy.array(
    [SPLITS.index(split_of(byte / 256, CORPUS_BOUNDS)) for byte in range(256)], dtype=numpy.int8
)


class StagedLines:
    """Lines in `folder`, with what decides which of them stay.

    With a cap, of equal lines that of the page with the lowest rank stays, so the sample depends neither on what else
    was staged nor on how many processes cleaned it; the counts of what was looked at and dropped do. Lines of a
    preferred origin come before those of all others.
    """

    def __init__(self, folder: Path, corpus: Corpus) -> None:
        self._path = folder / "lines.arrow"
        self._corpus = corpus
        self._origins = len(corpus.origin_names)
        self._index = DuplicateIndex(folder)
        self._files = DiskArray(folder / "files", numpy.uint32)
        options = pyarrow.ipc.IpcWriteOptions(compression="lz4")
        self._writer = pyarrow.ipc.new_stream(str(self._path), SCHEMA, options=options)
        self.sample = PageSample(folder, corpus)

    def add_task_lines(self, cleaned: Cleaned) -> None:
        """Add lines of the tasks, before all others: what equals or nearly equals one of them is dropped."""
        self._index.add(cleaned.keys, cleaned.bands, cleaned.signatures, task=True)

    def add(self, cleaned: Cleaned) -> None:
        """Add a batch's lines."""
        if not cleaned.lines:
            return
        hexadecimal = cleaned.digests[:, : NAME_DIGITS // 2].tobytes().hex()
        names = pyarrow.FixedSizeBinaryArray.from_buffers(
            pyarrow.binary(NAME_DIGITS), len(cleaned.digests), [None, pyarrow.py_buffer(hexadecimal.encode())]
        )
        splits = SPLIT_OF_BYTE[cleaned.digests[:, 0]][cleaned.pages]
        columns = [
            pyarrow.array(splits),
            names.take(pyarrow.array(cleaned.pages)).cast(pyarrow.binary()).cast(pyarrow.string()),
            pyarrow.array(cleaned.lines),
            pyarrow.array(cleaned.sizes),
        ]
        self._writer.write_batch(pyarrow.record_batch(columns, schema=SCHEMA))
        ranks = self._ranks(cleaned) if self.sample.capped else None
        self._index.add(cleaned.keys, cleaned.bands, cleaned.signatures, ranks=ranks)
        self._files.append(cleaned.files[cleaned.pages])
        self.sample.add(cleaned)

    def _ranks(self, cleaned: Cleaned) -> Array:
        """The rank of each line among its duplicates, uint64: preference in the highest bits, then the page's rank."""
        ranks, bits = page_ranks(cleaned), numpy.uint64((self._origins - 1).bit_length())
        if bits:
            ranks = (ranks >> bits) | (cleaned.preferences.astype(numpy.uint64) << (numpy.uint64(64) - bits))
        return ranks[cleaned.pages]

    def settle(self) -> Array:
        """The `Outcome` of every line in the order they were added, uint8 (lines,); nothing can be added after it."""
        self._writer.close()
        outcome = self.sample.outcome()
        if self._origins == 1 or not self.sample.capped:
            self._mark_duplicates(outcome)
            self.sample.apply_caps(outcome)
            return outcome
        uncapped = outcome.copy()
        self._mark_duplicates(uncapped)
        expected = self.sample.amounts(uncapped)
        # One origin after the other, so that no line is dropped as the duplicate of one that is then over its cap.
        preferences = self.sample.preferences.read()
        for preference in range(self._origins):
            known, own = preferences <= preference, preferences == preference
            self._mark_duplicates(outcome, known, own)
            self.sample.apply_caps(outcome, preference, expected)
        return outcome

    def _mark_duplicates(self, outcome: Array, known: Array | None = None, own: Array | None = None) -> None:
        """Mark the duplicates among the kept lines, and the near-duplicates unless the recipe keeps them.

        Only the lines in `own`, bool (lines,), are marked, as duplicates of lines in `known`; by default all.
        """
        for near in (False, True) if self._corpus.drop_near_duplicates else (False,):
            kept = outcome == Outcome.KEPT
            alive = kept if known is None else kept & known
            verdicts = self._verdicts(alive, near=near)
            if own is not None:
                verdicts[~own] = NEW
            outcome[verdicts == DUPLICATE] = Outcome.NEAR_DUPLICATE if near else Outcome.DUPLICATE
            outcome[verdicts == TASK_DUPLICATE] = Outcome.IN_TASK

    def _verdicts(self, alive: Array, *, near: bool) -> Array:
        """The verdict on each line, uint8 (lines,), by those that are `alive` and the lines of the tasks."""
        task_lines = self._index.task_lines
        if task_lines:
            alive = numpy.concatenate((numpy.ones(task_lines, dtype=bool), alive))
        verdicts = self._index.near_duplicates(alive) if near else self._index.duplicates(alive)
        return verdicts[task_lines:]

    def totals_by_outcome(self, outcome: Array) -> tuple[Array, Array]:
        """The lines with each `Outcome`, int64 (outcomes,), and their bytes, float64 (outcomes,)."""
        counts, totals = numpy.zeros(len(Outcome), numpy.int64), numpy.zeros(len(Outcome))
        for start, sizes in self.sample.sizes.parts():
            part = outcome[start : start + len(sizes)]
            counts += numpy.bincount(part, minlength=len(Outcome))
            totals += numpy.bincount(part, weights=sizes, minlength=len(Outcome))
        return counts, totals

    def kept_by_file(self, outcome: Array, files: int) -> tuple[Array, Array]:
        """The kept lines of each file, int64 (files,), and their bytes, float64 (files,)."""
        counts, totals = numpy.zeros(files, numpy.int64), numpy.zeros(files)
        for (start, numbers), (_, sizes) in zip(self._files.parts(), self.sample.sizes.parts(), strict=True):
            kept = outcome[start : start + len(numbers)] == Outcome.KEPT
            counts += numpy.bincount(numbers[kept], minlength=files)
            totals += numpy.bincount(numbers[kept], sizes[kept], minlength=files)
        return counts, totals

    def times(self, outcome: Array, passes: Array | None) -> Array:
        """How often each line is written: not if it is not kept, else as often as its file in `passes`, or once.

        uint16 (lines,); `passes`, uint16 (files,).
        """
        times = (outcome == Outcome.KEPT).astype(numpy.uint16)
        if passes is not None:
            for start, numbers in self._files.parts():
                times[start : start + len(numbers)] *= passes[numbers]
        return times

    def batches(self) -> Iterator[pyarrow.RecordBatch]:
        """The lines again, in the order they were added, with the columns of SCHEMA."""
        with pyarrow.OSFile(str(self._path), "rb") as file:  # no memory map: its pages would count as memory used
            yield from pyarrow.ipc.open_stream(file)
