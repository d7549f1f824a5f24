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
    sample. Of equal lines that of the lowest place stays, so the sample depends neither on what else was staged nor on
    how many processes cleaned it; the counts of what was looked at and left do.
    """

    def __init__(self, folder: Path, corpus: Corpus) -> None:
        self._path = folder / "lines.arrow"
        self._corpus = corpus
        self._index = Index(folder)
        self._places = Column(folder / "places", numpy.uint64)
        self._sizes = Column(folder / "sizes", numpy.uint32)
        options = pyarrow.ipc.IpcWriteOptions(compression="lz4")
        self._file = pyarrow.ipc.new_stream(str(self._path), SCHEMA, options=options)
        self._caps = {False: corpus.max_bytes, True: corpus.max_documents}  # of bytes, of pages
        self._capped = any(self._caps.values())
        self._limit = HIGHEST
        self._staged = {False: 0.0, True: 0.0}

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
        ranks = places[cleaned.owners] if self._capped else None
        self._index.add(cleaned.keys, cleaned.bands, cleaned.signatures, ranks=ranks)
        self._places.append(places[cleaned.owners])
        self._sizes.append(cleaned.sizes)
        self._staged[False] += int(cleaned.sizes.sum())
        self._staged[True] += len(places)
        for pages, cap in self._caps.items():
            if cap is not None and self._staged[pages] > SPARE * cap:
                self._narrow(cap, pages=pages)

    def settle(self) -> Array:
        """The outcome of every line, an index of OUTCOMES, in the order they were added; uint8."""
        self._file.close()
        outcome = self._sampled()
        self._drop_repeats(outcome, near=False)
        if self._corpus.drop_near_duplicates:
            self._drop_repeats(outcome, near=True)
        for pages, cap in self._caps.items():
            if cap is not None:
                self._cap(outcome, cap, pages=pages)
        return outcome

    def sizes(self) -> Array:
        """Bytes of every line, in the order they were added; uint32."""
        return numpy.concatenate([sizes for _, sizes in self._sizes.parts()])

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

    def _narrow(self, cap: int, *, pages: bool) -> None:
        """Lower the limit to where about SPARE - 1 times the cap is staged below it."""
        outcome = self._sampled()
        full = numpy.cumsum(self._weights(outcome, pages=pages))
        wanted = int(numpy.searchsorted(full, (SPARE - 1) * cap))
        self._limit = min(self._limit, ((wanted + 1) << int(BIN_SHIFT)) - 1)
        # A giant page may lie below every limit: then look again only when as much has come once more.
        self._staged[pages] = min(float(full[min(wanted, BINS - 1)]), (SPARE - 1) * cap)

    def _sampled(self) -> Array:
        """KEPT for the lines below the limit, NOT_SAMPLED for the others."""
        outcome = numpy.full(self._sizes.rows, KEPT, dtype=numpy.uint8)
        for start, places in self._places.parts():
            outcome[start : start + len(places)][places > self._limit] = NOT_SAMPLED
        return outcome

    def _weights(self, outcome: Array, *, pages: bool) -> Array:
        """Bytes (or `pages`) of the kept lines by the bin of their place; float64 (BINS,)."""
        weights = numpy.zeros(BINS)
        for places, amounts in self._kept(outcome, pages=pages):
            bins = (places >> BIN_SHIFT).astype(numpy.int64)
            weights += numpy.bincount(bins, weights=amounts, minlength=BINS)
        return weights

    def _drop_repeats(self, outcome: Array, *, near: bool) -> None:
        alive = numpy.concatenate((numpy.ones(self._index.tasks, dtype=bool), outcome == KEPT))
        found = (self._index.near_repeats(alive) if near else self._index.repeats(alive))[self._index.tasks :]
        outcome[found == REPEAT] = NEAR if near else REPEATED
        outcome[found == REPEAT_OF_TASK] = IN_TASK

    def _cap(self, outcome: Array, cap: int, *, pages: bool) -> None:
        """Mark kept lines beyond the cap, of bytes or of `pages`; the page that reaches it stays whole."""
        weights = self._weights(outcome, pages=pages)
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
