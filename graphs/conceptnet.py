"""Reading a ConceptNet 5 assertions dump: the edges that touch given languages, streamed, every dropped row counted.

The format: gzip'd text without a header, five columns parted by tabs (assertion URI, relation, start, end, JSON with
weight and license); https://github.com/commonsense/conceptnet5/wiki/Downloads.
"""

import gzip
import html
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote

import numpy
from isal import igzip_threaded

from ..workspace.errors import UserError
from ..workspace.progress import QUIET, Progress
from ..workspace.text import clean_line

MARKUP, BRACKETS, NO_WEIGHT = "markup in a term", "a bracket in a term lacks its pair", "weight not above 0"
COUNTS = (
    *("rows", "kept", "other language", "malformed", "external url", "self-loop", "duplicate"),
    *(MARKUP, BRACKETS, NO_WEIGHT),
)
PERCENT, ENTITY = "percent-encoded terms decoded", "HTML entities in terms decoded"
SYMMETRIC = frozenset(
    {"RelatedTo", "SimilarTo", "EtymologicallyRelatedTo", "Synonym", "Antonym", "DistinctFrom"}
)  # conceptnet5/relations.py, SYMMETRIC_RELATIONS
PARTS_OF_SPEECH = frozenset("nvars")
TAB, NEWLINE = ord("\t"), ord("\n")
TABS = 4  # in a row
BLOCK_BYTES = 4 << 20
GZIP_MAGIC = b"\x1f\x8b"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
PERCENT_CODES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
HTML_ENTITY = re.compile(r"&(?:#[0-9]+|#[xX][0-9A-Fa-f]+|[A-Za-z][A-Za-z0-9]*);")
TAG = re.compile(r"</?[A-Za-z]")
PAIRS = ("()", "[]", "{}")

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


def parse_node(uri: str, changes: Counter[str] | None = None) -> Node | None:
    """The node that `/c/LANGUAGE/TERM[/POS[/SENSE]]` names; None for any other URI.

    In the term `_` is read as a space, percent codes and HTML entities are decoded, and the rules for all text
    (`workspace.text`) hold; what that changed is added to `changes`. The term is a fixed element: the last one of
    `/c/mt/qattus/n/wn/animal` is a sense tag, not a word.
    """
    before, kind, language, text, *rest = [*uri.split("/", 4), "", "", ""]
    try:
        term = _decoded(text, changes)
    except UnicodeDecodeError:
        return None
    if before or kind != "c" or not language or CONTROL.search(term):
        return None
    term = clean_line(term, changes)
    if not term:
        return None
    pos, _, sense = rest[0].partition("/")
    if pos not in PARTS_OF_SPEECH:
        pos, sense = "", rest[0]
    return Node(language, term, pos, sense)


def _decoded(text: str, changes: Counter[str] | None) -> str:
    """A term without `_`, percent codes and HTML entities. Raises UnicodeDecodeError for codes that are not UTF-8."""
    text = text.replace("_", " ")
    for sign, name, pattern in (("%", PERCENT, PERCENT_CODES), ("&", ENTITY, HTML_ENTITY)):
        if sign not in text:
            continue
        decode = _unquote if sign == "%" else html.unescape
        text, times = pattern.subn(lambda match, decode=decode: decode(match[0]), text)
        if times and changes is not None:
            changes[name] += 1 if sign == "%" else times
    return text


def _unquote(codes: str) -> str:

    return unquote(codes, errors="strict")


def read_edges(
    path: Path,
    languages: Collection[str],
    counts: Mapping[str, Counter[str]],
    progress: Progress = QUIET,
    changes: Mapping[str, Counter[str]] | None = None,
) -> Iterator[tuple[str, Edge]]:
    """Edges of a dump with an end in one of `languages` (ConceptNet's codes), all in one pass, in the dump's order.

    Yields the language and the edge, twice when two of the languages meet in it; of equal edges the first is kept. Adds
    to `counts[language]` under the names in COUNTS; `rows` is the sum of the others; to `changes[language]` what was
    decoded or cleaned in terms. Raises UserError while reading when the file is not gzip though named .gz, or breaks
    off.
    """
    marker = re.compile(b"\t/c/(?:" + b"|".join(re.escape(code.encode()) for code in sorted(languages)) + b")/")
    changes = changes if changes is not None else {language: Counter() for language in languages}
    seen: dict[str, set[int]] = {language: set() for language in languages}
    # A bar per row would cost more than reading it: the whole dump has 34 million.
    for block in progress.track(_blocks(path), f"read ConceptNet, blocks of {BLOCK_BYTES >> 20} MiB"):
        rows, malformed = _shape(block, marker)
        elsewhere = dict.fromkeys(languages, rows)
        for row in _rows_with(marker, block):
            try:
                outcome, ends, changed = _parse_row(row)
            except (ValueError, OverflowError, RecursionError):  # the last two: JSON with vast numbers or deep nesting
                if row.count(b"\t") != TABS:
                    malformed += 1
                    continue
                for language in (language for language in languages if b"\t/c/%s/" % language.encode() in row):
                    elsewhere[language] -= 1
                    counts[language]["malformed"] += 1
                continue
            key = hash(_triple(outcome)) if isinstance(outcome, Edge) else 0
            for language in ends.intersection(languages):
                elsewhere[language] -= 1
                changes[language].update(changed)
                if not isinstance(outcome, Edge):
                    counts[language][outcome] += 1
                elif key in seen[language]:
                    counts[language]["duplicate"] += 1
                else:
                    seen[language].add(key)
                    counts[language]["kept"] += 1
                    yield language, outcome
        for language, others in elsewhere.items():
            counts[language].update({"rows": rows, "malformed": malformed, "other language": others - malformed})


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
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: not a readable gzip file ({error}); fetch it again") from error
    if rest:
        yield rest


def _open(path: Path) -> BinaryIO:
    """Unpacked by a thread of its own, several times as fast as gzip does it."""
    with path.open("rb") as file:
        packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    if packed:
        return cast(BinaryIO, igzip_threaded.open(path, "rb", threads=1))
    if path.name.endswith(".gz"):
        # gzip would take an empty file for an empty archive: what a failed download leaves.
        raise gzip.BadGzipFile("it does not begin as one")
    return path.open("rb")


def _shape(block: bytes, marker: re.Pattern[bytes]) -> tuple[int, int]:
    """Rows of a block, and those among them without `marker` that lack the five columns."""
    characters = numpy.frombuffer(block, dtype=numpy.uint8)
    rows = int(numpy.count_nonzero(characters == NEWLINE)) + (not block.endswith(b"\n"))
    if int(numpy.count_nonzero(characters == TAB)) == TABS * rows:
        return rows, 0
    lines = block.removesuffix(b"\n").split(b"\n")
    return rows, sum(line.count(b"\t") != TABS and not marker.search(line) for line in lines)


def _rows_with(marker: re.Pattern[bytes], block: bytes) -> Iterator[bytes]:
    """The few rows of a block that may be of a language wanted; nearly every row is passed over by one C loop."""
    done = 0
    for match in marker.finditer(block):
        if match.start() < done:
            continue  # the row's other end
        start = block.rfind(b"\n", done, match.start()) + 1 or done
        end = block.find(b"\n", match.end())
        done = end + 1 if end >= 0 else len(block)
        yield block[start:done]


def _parse_row(row: bytes) -> tuple[Edge | str, frozenset[str], Counter[str]]:
    """The edge in a row or the reason why there is none, the languages at its ends, and what changed in its terms.

    Raises ValueError where the row is malformed.
    """
    _, relation, start_uri, end_uri, details = row.rstrip(b"\r\n").decode().split("\t")
    changes: Counter[str] = Counter()
    start = _node(start_uri, changes)
    if end_uri.startswith(("http://", "https://")):
        return "external url", frozenset({start.language}), changes
    end = _node(end_uri, changes)
    ends = frozenset({start.language, end.language})
    edge = Edge(start, _relation(relation), end, *_details(details))
    return _unfit(edge) or edge, ends, changes


def _unfit(edge: Edge) -> str | None:
    """Why an edge is not to become a sentence: an error of extraction in it, or that it is said not to hold."""
    if edge.start.key == edge.end.key:
        return "self-loop"
    terms = (edge.start.term, edge.end.term)
    if any(TAG.search(term) for term in terms):
        return MARKUP
    if any(term.count(opening) != term.count(closing) for term in terms for opening, closing in PAIRS):
        return BRACKETS
    return None if edge.weight > 0 else NO_WEIGHT


def _node(uri: str, changes: Counter[str]) -> Node:
    if (node := parse_node(uri, changes)) is None:
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
