"""The sample of whole pages under max_bytes and max_documents; and how often the text of small files is repeated.

Pages are taken in the order of their rank, 64 bits of the hash of their id: a random order that depends neither on the
order of the files nor on what else is there, and that a larger cap only extends. With several origins (files, text
sources) each has its part of the caps, and a sample of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy

from ..recipes.schema import Corpus
from .clean import Cleaned, document_digest
from .code_points import Array
from .disk_array import DiskArray
from .readers import Document
from .reasons import Outcome

SPARE = 3  # times the cap is staged, for what duplicates may take away
HIGHEST_RANK = 2**64 - 1
# Ranks are counted in bins by their highest 16 bits, see `_cap`.
BINS = 1 << 16
BIN_SHIFT = numpy.uint64(48)
MOST_PASSES = 100  # of a small file beside a large one


Unit = Literal["bytes", "pages"]


@dataclass
class _Cap:
    """max_bytes or max_documents, or the part of one that an origin has."""

    amount: float
    unit: Unit
    preference: int
    """Of the origin that it holds for."""
    staged: float = 0.0
    """About how much is staged below the limit."""


class PageSample:
    """The ranks and sizes of staged lines, in `folder`, and which of the lines a recipe with a cap keeps.

    While pages are read, a limit on the rank goes down so that not much more than the cap is staged. What is kept in
    the end does not depend on that: it is decided when the duplicates are known.
    """

    def __init__(self, folder: Path, corpus: Corpus) -> None:
        self._ranks = DiskArray(folder / "page_ranks", numpy.uint64)
        self.sizes = DiskArray(folder / "sizes", numpy.uint32)
        """Bytes of every line, in the order they were added."""
        self.preferences = DiskArray(folder / "preferences", numpy.uint8)
        """Preference of every line's origin, in the same order."""
        self._shares = [corpus.share.get(name) for name in corpus.origin_names]
        self._totals: dict[Unit, int | None] = {"bytes": corpus.max_bytes, "pages": corpus.max_documents}
        self._caps = [
            _Cap(total if share is None else total * share, unit, preference)
            for unit, total in self._totals.items()
            if total is not None
            for preference, share in enumerate(self._shares)
        ]
        self._limits = [HIGHEST_RANK] * len(self._shares)
        self.pages_left_out = 0

    @property
    def capped(self) -> bool:
        """Whether the recipe has a cap."""
        return bool(self._caps)

    def select(self, documents: list[Document]) -> list[Document]:
        """The documents that may be in the sample; the others are counted in `pages_left_out`."""
        if all(limit == HIGHEST_RANK for limit in self._limits):
            return documents
        selected = [document for document in documents if _rank(document) <= self._limits[document.preference]]
        self.pages_left_out += len(documents) - len(selected)
        return selected

    def add(self, cleaned: Cleaned) -> None:
        """Add a batch's lines."""
        self._ranks.append(page_ranks(cleaned)[cleaned.pages])
        self.sizes.append(cleaned.sizes)
        preferences = cleaned.preferences[cleaned.pages]
        self.preferences.append(preferences)
        for cap in self._caps:
            if cap.unit == "bytes":
                cap.staged += int(cleaned.sizes[preferences == cap.preference].sum())
            else:
                cap.staged += int((cleaned.preferences == cap.preference).sum())
            if cap.staged > SPARE * cap.amount:
                self._lower_limit(cap)

    def outcome(self) -> Array:
        """KEPT for the lines below the limit, NOT_SAMPLED for the others; uint8 (lines,)."""
        outcome = numpy.full(self.sizes.rows, Outcome.KEPT, dtype=numpy.uint8)
        limits = numpy.array(self._limits, dtype=numpy.uint64)
        for (start, ranks), (_, preferences) in zip(self._ranks.parts(), self.preferences.parts(), strict=True):
            outcome[start : start + len(ranks)][ranks > limits[preferences]] = Outcome.NOT_SAMPLED
        return outcome

    def amounts(self, outcome: Array) -> dict[Unit, list[float]]:
        """What is kept of each origin, in the units of the caps."""
        amounts: dict[Unit, list[float]] = {}
        for cap in self._caps:
            kept = sum(float(part.sum()) for _, part in self._kept(outcome, cap))
            amounts.setdefault(cap.unit, []).append(kept)
        return amounts

    def apply_caps(
        self, outcome: Array, preference: int = 0, expected: Mapping[Unit, list[float]] | None = None
    ) -> None:
        """Mark the lines of an origin that are kept so far, but beyond a cap, as OVER_CAP in `outcome`.

        With several origins this is done in the order of preference, and `expected` are the `amounts` that there are.
        """
        for cap in (cap for cap in self._caps if cap.preference == preference):
            amount = cap.amount
            if expected is not None:
                amount = self._part(cap, self.amounts(outcome)[cap.unit], expected[cap.unit])
            last = self._last_rank(outcome, replace(cap, amount=amount)) if amount > 0 else -1
            for (start, ranks), (_, preferences) in zip(self._ranks.parts(), self.preferences.parts(), strict=True):
                part = outcome[start : start + len(ranks)]
                part[(part == Outcome.KEPT) & (preferences == preference) & (ranks > last)] = Outcome.OVER_CAP

    def _part(self, cap: _Cap, kept: Sequence[float], expected: Sequence[float]) -> float:
        """The part of a cap that its origin gets: of what those before it left, and with a view to those after it."""
        total, first = self._totals[cap.unit] or 0, cap.preference
        limits = [None if share is None else share * total for share in self._shares[first:]]
        left = max(total - sum(kept[:first]), 0)
        return share_out(left, [kept[first], *expected[first + 1 :]], limits)[0]

    def _lower_limit(self, cap: _Cap) -> None:
        """Lower the limit to where about SPARE - 1 times the cap is staged below it."""
        totals = numpy.cumsum(self._amount_by_bin(self.outcome(), cap))
        target = (SPARE - 1) * cap.amount
        last_bin = int(numpy.searchsorted(totals, target))
        limit = ((last_bin + 1) << int(BIN_SHIFT)) - 1
        self._limits[cap.preference] = min(self._limits[cap.preference], limit)
        # A giant page may lie below every limit: then look again only when as much has come once more.
        cap.staged = min(float(totals[min(last_bin, BINS - 1)]), target)

    def _last_rank(self, outcome: Array, cap: _Cap) -> int | numpy.uint64:
        """The rank of the page that reaches the cap, which stays whole.

        Two passes over the disk instead of a sort of all ranks: the first adds up the amounts of each bin of ranks and
        so finds the bin in which the cap is reached; the second sorts the lines of this bin alone.
        """
        amounts = self._amount_by_bin(outcome, cap)
        totals = numpy.cumsum(amounts)
        if totals[-1] <= cap.amount:
            return HIGHEST_RANK
        crossing = int(numpy.searchsorted(totals, cap.amount))
        ranks_inside, amounts_inside = [], []
        for ranks, amounts_of_part in self._kept(outcome, cap):
            inside = ranks >> BIN_SHIFT == crossing
            ranks_inside.append(ranks[inside])
            amounts_inside.append(amounts_of_part[inside])
        ranks, inside_amounts = numpy.concatenate(ranks_inside), numpy.concatenate(amounts_inside)
        order = numpy.argsort(ranks, kind="stable")
        before = totals[crossing] - amounts[crossing]
        reached = numpy.searchsorted(numpy.cumsum(inside_amounts[order]) + before, cap.amount)
        return ranks[order][reached]

    def _amount_by_bin(self, outcome: Array, cap: _Cap) -> Array:
        """What the kept lines of each bin of ranks count for a cap; float64 (BINS,)."""
        totals = numpy.zeros(BINS)
        for ranks, amounts in self._kept(outcome, cap):
            totals += numpy.bincount((ranks >> BIN_SHIFT).astype(numpy.int64), weights=amounts, minlength=BINS)
        return totals

    def _kept(self, outcome: Array, cap: _Cap) -> Iterator[tuple[Array, Array]]:
        """Ranks of the kept lines of a cap's origin and what each counts for it, a part at a time.

        That is a line's bytes, or 1 for the first line of a page; the lines of a page follow one another.
        """
        last_rank = numpy.zeros(0, dtype=numpy.uint64)
        columns = zip(self._ranks.parts(), self.sizes.parts(), self.preferences.parts(), strict=True)
        for (start, ranks), (_, sizes), (_, preferences) in columns:
            kept = (outcome[start : start + len(ranks)] == Outcome.KEPT) & (preferences == cap.preference)
            kept_ranks = ranks[kept]
            if cap.unit == "bytes":
                yield kept_ranks, sizes[kept].astype(numpy.float64)
                continue
            joined = numpy.concatenate((last_rank, kept_ranks))
            is_first = numpy.ones(len(joined), dtype=bool)
            is_first[1:] = joined[1:] != joined[:-1]
            yield kept_ranks, is_first[len(last_rank) :].astype(numpy.float64)
            last_rank = joined[-1:]


def page_ranks(cleaned: Cleaned) -> Array:
    """The rank of each page of a batch: bytes 8 to 15 of its digest, which say nothing of its split; uint64."""
    return numpy.ascontiguousarray(cleaned.digests[:, 8:16]).view(">u8").reshape(-1).astype(numpy.uint64)


def _rank(document: Document) -> int:
    return int.from_bytes(document_digest(document)[8:16], "big")


def share_out(total: float, available: Sequence[float], limits: Sequence[float | None]) -> list[float]:
    """How much of a cap each origin gets, from what it has and the most that it may have (None: no limit).

    Those with a limit get as much of it as they have. The others divide the rest equally, and what one of them lacks
    goes to the others.
    """
    amounts = [0.0 if limit is None else min(has, limit, total) for has, limit in zip(available, limits, strict=True)]
    rest = max(total - sum(amounts), 0)
    others = sorted((number for number, limit in enumerate(limits) if limit is None), key=lambda one: available[one])
    for position, number in enumerate(others):  # the smallest first, so that the others divide what it lacks
        amounts[number] = min(available[number], rest / (len(others) - position))
        rest -= amounts[number]
    return amounts


def file_passes(sizes: Array, power: float) -> Array:
    """How often each file's text is in train, from the files' sizes: 1 to MOST_PASSES, uint16 (files,).

    Sizes to the power of 1 / T are sampling with temperature T (Conneau and Lample 2019, section 3.1).
    """
    ratios = numpy.where(sizes > 0, sizes.max() / numpy.maximum(sizes, 1), 1) ** (1 - power)
    return numpy.minimum(numpy.rint(ratios), MOST_PASSES).astype(numpy.uint16)
