"""Cleaned lines on their way: written to disk while pages are read, read again once it is known which of them stay."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy
import pyarrow
import pyarrow.ipc

from ..recipes.schema import Corpus
from .clean import Cleaned
from .columns import Column
from .duplicates import REPEAT, REPEAT_OF_TASK, Index
from .measure import Array
from .readers import Document

SCHEMA = pyarrow.schema({"split": pyarrow.int8(), "document": pyarrow.string(), "text": pyarrow.string()})
OUTCOMES = ("kept", "not sampled", "in a task set", "repeated", "near a repeat", "over the cap")
KEPT, NOT_SAMPLED, IN_TASK, REPEATED, NEAR, OVER_CAP = range(len(OUTCOMES))
SPARE = 3  # times the cap is staged: what repeats and near twins may take away
HIGHEST = 2**64 - 1
BIN_SHIFT = numpy.uint64(48)
BINS = 1 << 16  # of the places, by their highest bits
NAME = 16  # hex digits of a document's name


class Stage:
    """Lines in `folder`, a byte of memory for each.

    With a cap, pages stay in the order of 64 bits of their id's hash (their place), which say nothing of their split: a
    sample, and the same one however the pages are ordered.
    """

    def __init__(self, folder: Path, corpus: Corpus) -> None:
        self._path = folder / "lines.arrow"
        self._corpus = corpus
        self._index = Index(folder)
        self._places = Column(folder / "places", numpy.uint64)
        self._sizes = Column(folder / "sizes", numpy.uint32)
        options = pyarrow.ipc.IpcWriteOptions(compression="lz4")
        self._file = pyarrow.ipc.new_stream(str(self._path), SCHEMA, options=options)
        self._limit = HIGHEST
        self._staged_bytes = self._staged_pages = 0

    def add_task_lines(self, cleaned: Cleaned) -> None:
        """Lines of the task sets, before all others: what equals or nearly equals one of them goes."""
        self._index.add(cleaned.keys, cleaned.bands, cleaned.signatures, task=True)

    def sample(self, documents: list[Document]) -> list[Document]:
        """Those that may be in the sample; ever fewer once much more than the cap is staged."""
        if self._limit == HIGHEST:
            return documents
        return [document for document in documents if _place(document) <= self._limit]

    def add(self, cleaned: Cleaned) -> None:
        """Add a batch's lines."""
        if not cleaned.lines:
            return
        places = numpy.ascontiguousarray(cleaned.digests[:, 8:16]).view(">u8").reshape(-1).astype(numpy.uint64)
        names = cleaned.digests[:, : NAME // 2].tobytes().hex()
        documents = [names[owner * NAME : (owner + 1) * NAME] for owner in cleaned.owners.tolist()]
        splits = split_of(cleaned.digests[:, 0])[cleaned.owners]
        columns = [pyarrow.array(splits), pyarrow.array(documents), pyarrow.array(cleaned.lines)]
        self._file.write_batch(pyarrow.record_batch(columns, schema=SCHEMA))
        self._index.add(cleaned.keys, cleaned.bands, cleaned.signatures)
        self._places.append(places[cleaned.owners])
        self._sizes.append(cleaned.sizes)
        self._narrow(int(cleaned.sizes.sum()), len(places))

    def settle(self) -> Array:
        """The outcome of every line, an index of OUTCOMES, in the order they were added; uint8."""
        self._file.close()
        outcome = numpy.full(self._sizes.rows, KEPT, dtype=numpy.uint8)
        for start, places in self._places.parts():
            outcome[start : start + len(places)][places > self._limit] = NOT_SAMPLED
        self._drop_repeats(outcome, near=False)
        if self._corpus.drop_near_duplicates:
            self._drop_repeats(outcome, near=True)
        for count, cap in ((False, self._corpus.max_bytes), (True, self._corpus.max_documents)):
            if cap is not None:
                self._cap(outcome, cap, pages=count)
        return outcome

    def bytes_of(self, outcome: Array, which: int) -> int:
        """Bytes of the lines with this outcome."""
        return sum(
            int(sizes[outcome[start : start + len(sizes)] == which].sum(dtype=numpy.int64))
            for start, sizes in self._sizes.parts()
        )

    def batches(self) -> Iterator[pyarrow.RecordBatch]:
        """The lines again, in the order they were added, with split and document."""
        with pyarrow.OSFile(str(self._path), "rb") as file:  # no memory map: its pages would count as memory used
            yield from pyarrow.ipc.open_stream(file)

    def _narrow(self, size: int, pages: int) -> None:
        self._staged_bytes += size
        self._staged_pages += pages
        caps = (
            (self._staged_bytes, self._corpus.max_bytes),
            (self._staged_pages, self._corpus.max_documents),
        )
        if any(cap is not None and staged > SPARE * cap for staged, cap in caps):
            self._limit //= 2
            self._staged_bytes //= 2
            self._staged_pages //= 2

    def _drop_repeats(self, outcome: Array, *, near: bool) -> None:
        alive = numpy.concatenate((numpy.ones(self._index.tasks, dtype=bool), outcome == KEPT))
        found = (self._index.near_repeats(alive) if near else self._index.repeats(alive))[self._index.tasks :]
        outcome[found == REPEAT] = NEAR if near else REPEATED
        outcome[found == REPEAT_OF_TASK] = IN_TASK

    def _cap(self, outcome: Array, cap: int, *, pages: bool) -> None:
        """Mark kept lines beyond the cap, of bytes or of `pages`; the page that reaches it stays whole."""
        weights = numpy.zeros(BINS)
        for places, amounts in self._kept(outcome, pages=pages):
            weights += numpy.bincount((places >> BIN_SHIFT).astype(numpy.int64), weights=amounts, minlength=BINS)
        full = numpy.cumsum(weights)
        if full[-1] <= cap:
            return
        crossing = int(numpy.searchsorted(full, cap))
        # Only in the bin where the cap is reached does the order of single pages matter.
        inside = [
            (places[chosen], amounts[chosen])
            for places, amounts in self._kept(outcome, pages=pages)
            if (chosen := places >> BIN_SHIFT == crossing).any()
        ]
        places, amounts = (numpy.concatenate(column) for column in zip(*inside, strict=True))
        order = numpy.argsort(places, kind="stable")
        reached = numpy.searchsorted(numpy.cumsum(amounts[order]) + full[crossing] - weights[crossing], cap)
        last = places[order][reached]
        for start, values in self._places.parts():
            part = outcome[start : start + len(values)]
            part[(part == KEPT) & (values > last)] = OVER_CAP

    def _kept(self, outcome: Array, *, pages: bool) -> Iterator[tuple[Array, Array]]:
        """Places and amounts of the kept lines, a part at a time: their bytes, or 1 for the first line of each page."""
        before = numpy.zeros(0, dtype=numpy.uint64)
        for (start, places), (_, sizes) in zip(self._places.parts(), self._sizes.parts(), strict=True):
            kept = outcome[start : start + len(places)] == KEPT
            of_kept, amounts = places[kept], sizes[kept].astype(numpy.float64)
            if pages:
                joined = numpy.concatenate((before, of_kept))
                new = numpy.ones(len(joined), dtype=bool)
                new[1:] = joined[1:] != joined[:-1]
                amounts = new[len(before) :].astype(numpy.float64)
                before = joined[-1:]
            yield of_kept, amounts


def _place(document: Document) -> int:
    return int.from_bytes(hashlib.sha256(document.id.encode()).digest()[8:16], "big")


def split_of(first_byte: Array) -> Array:
    """80 % train (0), 10 % validation (1), 10 % test (2) by the first byte of the SHA-256 of a document's id.

    Stable when other data are added.
    """
    return numpy.maximum(0, first_byte.astype(numpy.int16) * 10 // 256 - 7).astype(numpy.int8)
