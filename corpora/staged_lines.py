"""Cleaned lines on disk: written while documents are read, read again once it is known which of them stay.

Which lines stay is only known at the end, when all have been seen: an earlier line may turn out to be the duplicate
of one that comes later but ranks lower in the sample. So text goes to a compressed file, and hashes, sizes and ranks to
arrays beside it; a byte a line, its outcome, is all that memory holds.
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
from .duplicates import DUPLICATE, TASK_DUPLICATE, DuplicateIndex
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
    was staged nor on how many processes cleaned it; the counts of what was looked at and dropped do.
    """

    def __init__(self, folder: Path, corpus: Corpus) -> None:
        self._path = folder / "lines.arrow"
        self._corpus = corpus
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
        names = [hexadecimal[page * NAME_DIGITS : (page + 1) * NAME_DIGITS] for page in cleaned.pages.tolist()]
        splits = SPLIT_OF_BYTE[cleaned.digests[:, 0]][cleaned.pages]
        columns = [pyarrow.array(values) for values in (splits, names, cleaned.lines, cleaned.sizes)]
        self._writer.write_batch(pyarrow.record_batch(columns, schema=SCHEMA))
        ranks = page_ranks(cleaned)[cleaned.pages] if self.sample.capped else None
        self._index.add(cleaned.keys, cleaned.bands, cleaned.signatures, ranks=ranks)
        self._files.append(cleaned.files[cleaned.pages])
        self.sample.add(cleaned)

    def settle(self) -> Array:
        """The `Outcome` of every line in the order they were added, uint8 (lines,); nothing can be added after it."""
        self._writer.close()
        outcome = self.sample.outcome()
        self._mark_duplicates(outcome, near=False)
        if self._corpus.drop_near_duplicates:
            self._mark_duplicates(outcome, near=True)
        return self.sample.apply_caps(outcome)

    def _mark_duplicates(self, outcome: Array, *, near: bool) -> None:
        task_lines = self._index.task_lines
        alive = numpy.concatenate((numpy.ones(task_lines, dtype=bool), outcome == Outcome.KEPT))
        verdicts = self._index.near_duplicates(alive) if near else self._index.duplicates(alive)
        outcome[verdicts[task_lines:] == DUPLICATE] = Outcome.NEAR_DUPLICATE if near else Outcome.DUPLICATE
        outcome[verdicts[task_lines:] == TASK_DUPLICATE] = Outcome.IN_TASK

    def bytes_by_outcome(self, outcome: Array) -> Array:
        """Bytes of the lines with each `Outcome`; float64 (outcomes,)."""
        totals = numpy.zeros(len(Outcome))
        for start, sizes in self.sample.sizes.parts():
            totals += numpy.bincount(outcome[start : start + len(sizes)], weights=sizes, minlength=len(Outcome))
        return totals

    def file_numbers(self) -> Array:
        """The number of each line's file, in the order they were added; uint32."""
        return self._files.read()

    def batches(self) -> Iterator[pyarrow.RecordBatch]:
        """The lines again, in the order they were added, with the columns of SCHEMA."""
        with pyarrow.OSFile(str(self._path), "rb") as file:  # no memory map: its pages would count as memory used
            yield from pyarrow.ipc.open_stream(file)
