"""Cleaned lines on their way: written to disk while pages are read, read again once it is known which of them stay."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy
import pyarrow
import pyarrow.ipc

from ..recipes.schema import Corpus
from .clean import Cleaned
from .duplicates import Index
from .measure import Array
from .readers import Document

SCHEMA = pyarrow.schema({"split": pyarrow.int8(), "document": pyarrow.string(), "text": pyarrow.string()})
OUTCOMES = ("kept", "not sampled", "in a task set", "repeated", "near a repeat", "over the cap")
KEPT, NOT_SAMPLED, IN_TASK, REPEATED, NEAR, OVER_CAP = range(len(OUTCOMES))
SPARE = 3  # times the cap is staged: what repeats and near twins may take away
HIGHEST = 2**64 - 1
NAME = 16  # hex digits of a document's name


class Stage:
    """Lines in `folder`. What is kept in memory is small: 8 bytes a line, 8 a page.

    With a cap, pages stay in the order of 64 bits of their id's hash, which says nothing of their split: a sample, and
    the same one however the pages are ordered.
    """

    def __init__(self, folder: Path, corpus: Corpus) -> None:
        self._path = folder / "lines.arrow"
        self._corpus = corpus
        self._index = Index(folder)
        options = pyarrow.ipc.IpcWriteOptions(compression="lz4")
        self._file = pyarrow.ipc.new_stream(str(self._path), SCHEMA, options=options)
        self._tasks = 0
        self._owners: list[Array] = []
        self._sizes: list[Array] = []
        self._places: list[Array] = []
        self._pages = 0
        self._limit = HIGHEST
        self._staged_bytes = self._staged_pages = 0

    def add_task_lines(self, cleaned: Cleaned) -> None:
        """Lines of the task sets, before all others: what equals or nearly equals one of them goes."""
        self._index.add(cleaned.keys, cleaned.bands, cleaned.signatures)
        self._tasks += len(cleaned.lines)

    def add(self, cleaned: Cleaned) -> None:
        """Add a batch's lines."""
        if not cleaned.lines:
            return
        places = numpy.ascontiguousarray(cleaned.digests[:, 8:16]).view(">u8").reshape(-1).astype(numpy.uint64)
        names = cleaned.digests[:, : NAME // 2].tobytes().hex()
        splits = split_of(cleaned.digests[:, 0])
        owners = cleaned.owners.tolist()
        documents = [names[owner * NAME : (owner + 1) * NAME] for owner in owners]
        columns = [pyarrow.array(splits[cleaned.owners]), pyarrow.array(documents), pyarrow.array(cleaned.lines)]
        self._file.write_batch(pyarrow.record_batch(columns, schema=SCHEMA))
        self._index.add(cleaned.keys, cleaned.bands, cleaned.signatures)
        self._owners.append(cleaned.owners + self._pages)
        self._sizes.append(cleaned.sizes)
        self._places.append(places)
        self._pages += len(places)
        self._narrow(int(cleaned.sizes.sum()), len(places))

    def sample(self, documents: list[Document]) -> list[Document]:
        """Those that may be in the sample; ever fewer once much more than the cap is staged."""
        if self._limit == HIGHEST:
            return documents
        return [document for document in documents if _place(document) <= self._limit]

    def settle(self) -> tuple[Array, Array]:
        """The outcome of every line (an index of OUTCOMES) and its bytes, in the order they were added."""
        self._file.close()
        if not self._owners:
            return numpy.zeros(0, dtype=numpy.int8), numpy.zeros(0, dtype=numpy.uint32)
        owners, sizes = numpy.concatenate(self._owners), numpy.concatenate(self._sizes)
        places = numpy.concatenate(self._places)
        outcome = numpy.zeros(len(owners), dtype=numpy.int8)
        outcome[places[owners] > self._limit] = NOT_SAMPLED
        self._drop_repeats(outcome, near=False)
        self._drop_repeats(outcome, near=True)
        self._cap(outcome, owners, sizes, places)
        return outcome, sizes

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
        alive = numpy.concatenate((numpy.ones(self._tasks, dtype=bool), outcome == KEPT))
        first = (self._index.near_repeats(alive) if near else self._index.repeats(alive))[self._tasks :]
        repeated = first < numpy.arange(self._tasks, self._tasks + len(first))
        outcome[repeated] = NEAR if near else REPEATED
        outcome[repeated & (first < self._tasks)] = IN_TASK

    def _cap(self, outcome: Array, owners: Array, sizes: Array, places: Array) -> None:
        """Mark what lies beyond the caps, by whole pages; the page that reaches max_bytes stays."""
        kept = outcome == KEPT
        weights = numpy.bincount(owners[kept], weights=sizes[kept], minlength=len(places))
        order = numpy.argsort(places, kind="stable")
        beyond = numpy.zeros(len(places), dtype=bool)
        if self._corpus.max_bytes is not None:
            beyond[order] = numpy.cumsum(weights[order]) - weights[order] >= self._corpus.max_bytes
        if self._corpus.max_documents is not None:
            beyond[order] |= numpy.cumsum(weights[order] > 0) > self._corpus.max_documents
        outcome[kept & beyond[owners]] = OVER_CAP


def _place(document: Document) -> int:
    return int.from_bytes(hashlib.sha256(document.id.encode()).digest()[8:16], "big")


def split_of(first_byte: Array) -> Array:
    """80 % train (0), 10 % validation (1), 10 % test (2) by the first byte of the SHA-256 of a document's id.

    Stable when other data are added.
    """
    return numpy.maximum(0, first_byte.astype(numpy.int16) * 10 // 256 - 7).astype(numpy.int8)
