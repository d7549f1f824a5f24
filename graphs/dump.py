"""One pass over a ConceptNet assertions dump, for the edges that touch the given languages.

The whole dump has 34 million rows, of which a small language has a few thousand. So rows are not parsed one by one:
a thread unpacks the file, a block at a time; numpy counts the rows of a block; one regular expression finds the few
places in it where a language occurs, and only the rows around them are parsed. Every row that gives no edge is counted.
"""

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy
from isal import igzip_lib, igzip_threaded

from ..workspace.errors import UserError
from ..workspace.progress import QUIET, Progress
from .conceptnet import BRACKETS, DUPLICATE, EXTERNAL_URL, MARKUP, NO_WEIGHT, SELF_LOOP, TABS, Edge, parse_row

MALFORMED, OTHER_LANGUAGE = "malformed", "other language"
ROWS, KEPT = "rows", "kept"
COUNTS = (
    *(ROWS, KEPT, OTHER_LANGUAGE, MALFORMED, EXTERNAL_URL, SELF_LOOP, DUPLICATE),
    *(MARKUP, BRACKETS, NO_WEIGHT),
)
TAB, NEWLINE = ord("\t"), ord("\n")
BLOCK_BYTES = 4 << 20
GZIP_MAGIC = b"\x1f\x8b"
UNREADABLE: tuple[Any, ...] = (EOFError, zlib.error, gzip.BadGzipFile, igzip_lib.IsalError)


class DumpReader:
    """Iterating over it reads the dump once and yields (language, edge) in the dump's order.

    Edges have an end in one of `languages` (ConceptNet's codes); an edge between two of them is yielded twice. Of equal
    edges (`Edge.triple`) the first is kept. When the iteration is over, `counts[language]` holds what happened to the
    rows, by the names in COUNTS, where `rows` is the sum of the others; and `changes[language]` what was decoded or
    cleaned in terms. Iterating raises UserError when the file is not gzip though named .gz, or is cut off.
    """

    def __init__(self, path: Path, languages: Collection[str], progress: Progress = QUIET) -> None:
        self._path = path
        self._progress = progress
        codes = b"|".join(re.escape(code.encode()) for code in sorted(languages))
        self._marker = re.compile(b"\t/c/(?:" + codes + b")/")
        # The hashes of triples, not the triples: a tenth of the memory, and two of 64 bits hardly ever collide.
        self._seen: dict[str, set[int]] = {language: set() for language in languages}
        self.counts = {language: Counter(dict.fromkeys(COUNTS, 0)) for language in languages}
        self.changes = {language: Counter[str]() for language in languages}

    def __iter__(self) -> Iterator[tuple[str, Edge]]:
        # A progress bar in rows would cost more than reading them.
        label = f"read ConceptNet, blocks of {BLOCK_BYTES >> 20} MiB"
        for block in self._progress.track(_blocks(self._path), label):
            yield from self._edges_of(block)

    def _edges_of(self, block: bytes) -> Iterator[tuple[str, Edge]]:
        rows, malformed = _count_rows(block, self._marker)
        others = dict.fromkeys(self.counts, rows)  # rows of the block that are not of the language
        for row in _rows_with(self._marker, block):
            try:
                parsed = parse_row(row)
            except ValueError:
                if row.count(b"\t") != TABS:  # not even columns, so of no language
                    malformed += 1
                    continue
                for language in self.counts:
                    if b"\t/c/%s/" % language.encode() in row:
                        others[language] -= 1
                        self.counts[language][MALFORMED] += 1
                continue
            triple = hash(parsed.edge.triple) if parsed.edge else 0
            for language in parsed.languages.intersection(self.counts):
                others[language] -= 1
                self.changes[language].update(parsed.changes)
                if parsed.edge is None:
                    self.counts[language][parsed.reason] += 1
                elif triple in self._seen[language]:
                    self.counts[language][DUPLICATE] += 1
                else:
                    self._seen[language].add(triple)
                    self.counts[language][KEPT] += 1
                    yield language, parsed.edge
        for language, count in others.items():
            self.counts[language].update({ROWS: rows, MALFORMED: malformed, OTHER_LANGUAGE: count - malformed})


def _blocks(path: Path) -> Iterator[bytes]:
    """The dump unpacked, in blocks of whole lines."""
    rest = b""
    try:
        with _open(path) as file:
            while block := file.read(BLOCK_BYTES):
                cut = block.rfind(b"\n") + 1
                if cut:
                    yield rest + block[:cut]
                rest = block[cut:] if cut else rest + block
    except UNREADABLE as error:
        raise UserError(f"{path}: not a readable gzip file ({error}); download it again") from error
    if rest:
        yield rest


def _open(path: Path) -> BinaryIO:
    """The unpacked file; a separate thread unpacks it, several times as fast as the gzip module."""
    with path.open("rb") as file:
        packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    if packed:
        return cast(BinaryIO, igzip_threaded.open(path, "rb", threads=1))
    if path.name.endswith(".gz"):
        # gzip reads an empty file, which a failed download leaves, as an empty archive.
        raise gzip.BadGzipFile("it does not begin as one")
    return path.open("rb")


def _count_rows(block: bytes, marker: re.Pattern[bytes]) -> tuple[int, int]:
    """The rows of a block, and how many of those without `marker` lack the five columns."""
    characters = numpy.frombuffer(block, dtype=numpy.uint8)
    rows = int(numpy.count_nonzero(characters == NEWLINE)) + (not block.endswith(b"\n"))
    if int(numpy.count_nonzero(characters == TAB)) == TABS * rows:
        # As good as always every row has its columns. Too many in one row and too few in another would cancel out, but
        # only among rows of other languages: those of ours are parsed.
        return rows, 0
    lines = block.removesuffix(b"\n").split(b"\n")
    return rows, sum(line.count(b"\t") != TABS and not marker.search(line) for line in lines)


def _rows_with(marker: re.Pattern[bytes], block: bytes) -> Iterator[bytes]:
    """The rows of a block that hold `marker`. All others are passed over inside the regular expression's C loop."""
    done = 0
    for match in marker.finditer(block):
        if match.start() < done:
            continue  # the other end of a row that was yielded
        start = block.rfind(b"\n", done, match.start()) + 1 or done
        end = block.find(b"\n", match.end())
        done = end + 1 if end >= 0 else len(block)
        yield block[start:done]
