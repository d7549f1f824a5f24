"""Reading a ConceptNet 5 assertions dump: the edges that touch one language, streamed, every dropped row counted.

The format: gzip'd text without a header, five columns parted by tabs (assertion URI, relation, start, end, JSON with
weight and license); https://github.com/commonsense/conceptnet5/wiki/Downloads.
"""

import gzip
import io
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..recipes.errors import UserError
from ..recipes.progress import QUIET, Progress

COUNTS = ("rows", "kept", "other language", "malformed", "external url", "self-loop", "duplicate")
SYMMETRIC = frozenset(
    {"RelatedTo", "SimilarTo", "EtymologicallyRelatedTo", "Synonym", "Antonym", "DistinctFrom"}
)  # conceptnet5/relations.py, SYMMETRIC_RELATIONS
PARTS_OF_SPEECH = frozenset("nvars")
TABS = 4
BLOCK_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

TripleKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Node:
    """A term of a language; `pos` is n, v, a, r, s or "", `sense` what follows it in the URI, or ""."""

    language: str
    term: str
    pos: str
    sense: str

    @property
    def key(self) -> str:
        """`language:term`: what the same word is in every part of speech and sense."""
        return f"{self.language}:{self.term}"


@dataclass(frozen=True, slots=True)
class Edge:
    """An assertion; `relation` is the URI without /r/ (`Synonym`, `dbpedia/genre`), `weight` ConceptNet's."""

    start: Node
    relation: str
    end: Node
    weight: float
    license: str


def parse_node(uri: str) -> Node | None:
    """The node that `/c/LANGUAGE/TERM[/POS[/SENSE]]` names, `_` in TERM read as a space; None for any other URI.

    The term is a fixed element: the last one of `/c/mt/qattus/n/wn/animal` is a sense tag, not a word.
    """
    before, kind, language, text, *rest = [*uri.split("/", 4), "", "", ""]
    term = text.replace("_", " ").strip()
    if before or kind != "c" or not language or not term or CONTROL.search(term):
        return None
    pos, _, sense = rest[0].partition("/")
    if pos not in PARTS_OF_SPEECH:
        pos, sense = "", rest[0]
    return Node(language, term, pos, sense)


def read_edges(path: Path, language: str, counts: Counter[str], progress: Progress = QUIET) -> Iterator[Edge]:
    """Edges of a dump with an end in `language` (ConceptNet's code), in the dump's order, the first of equal ones kept.

    Adds to `counts` under the names in COUNTS; `rows` is the sum of the others. Raises UserError while reading when the
    file is not gzip though named .gz, or breaks off.
    """
    marker = f"\t/c/{language}/".encode()
    seen: set[TripleKey] = set()
    # A bar per row would cost more than reading it: the whole dump has 34 million.
    for block in progress.track(_blocks(path), "read ConceptNet, MiB"):
        counts["rows"] += len(block)
        for line in block:
            if marker not in line:  # nearly every row, so nothing dearer may come first
                counts["other language" if line.count(b"\t") == TABS else "malformed"] += 1
                continue
            edge = _parse_row(line, language)
            if isinstance(edge, str):
                counts[edge] += 1
                continue
            key = _triple(edge)
            if key in seen:
                counts["duplicate"] += 1
                continue
            seen.add(key)
            counts["kept"] += 1
            yield edge


def _blocks(path: Path) -> Iterator[list[bytes]]:
    """Lists of whole lines, each about a MiB unpacked."""
    try:
        with _open(path) as file:
            while block := file.readlines(BLOCK_BYTES):
                yield block
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: not a readable gzip file ({error}); fetch it again") from error


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    if packed:
        return io.BufferedReader(gzip.GzipFile(path))  # GzipFile alone makes a Python call per line
    if path.name.endswith(".gz"):
        # gzip would take an empty file for an empty archive: what a failed download leaves.
        raise gzip.BadGzipFile("it does not begin as one")
    return path.open("rb")


def _parse_row(line: bytes, language: str) -> Edge | str:
    """The edge in a row, or the reason why it is dropped."""
    try:
        _, relation, start_uri, end_uri, details = line.rstrip(b"\r\n").decode().split("\t")
        if end_uri.startswith(("http://", "https://")):
            return "external url"
        start, end = _node(start_uri), _node(end_uri)
        if language not in (start.language, end.language):
            return "other language"
        if start.key == end.key:
            return "self-loop"
        return Edge(start, _relation(relation), end, *_details(details))
    except (ValueError, OverflowError, RecursionError):  # the latter two from JSON with vast numbers or deep nesting
        return "malformed"


def _node(uri: str) -> Node:
    if (node := parse_node(uri)) is None:
        raise ValueError(f"not a node: {uri}")
    return node


def _relation(uri: str) -> str:
    name = uri.removeprefix("/r/")
    if not name or name == uri:
        raise ValueError(f"not a relation: {uri}")
    return name


def _details(text: str) -> tuple[float, str]:
    """Weight and license in the JSON column."""
    details = json.loads(text)
    if not isinstance(details, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one kind of error for a bad row
    weight, license_ = details.get("weight"), details.get("license", "")
    if not isinstance(weight, int | float) or not math.isfinite(weight) or not isinstance(license_, str):
        raise ValueError("no weight, or a strange license")
    license_.encode()  # an escaped lone surrogate is a string that no file can hold
    return float(weight), license_


def _triple(edge: Edge) -> TripleKey:
    """What equal edges share: both ends and the relation; the order of the ends only where it means something."""
    start, end = edge.start.key, edge.end.key
    if edge.relation in SYMMETRIC and end < start:
        start, end = end, start
    return start, edge.relation, end
