"""A row of a ConceptNet 5 assertions dump: from its bytes to an edge between two terms, or the reason for none.

The format: text without a header, five columns separated by tabs (assertion URI, relation, start, end, JSON with weight
and license); https://github.com/commonsense/conceptnet5/wiki/Downloads. A filter of edges belongs to `_reason_to_drop`.
"""

import html
import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote

from ..workspace.text import clean_line

# Why a row gives no edge.
EXTERNAL_URL, SELF_LOOP, DUPLICATE = "external url", "self-loop", "duplicate"
MARKUP, BRACKETS, NO_WEIGHT = "markup in a term", "unpaired bracket in a term", "weight of 0 or less"
# What is decoded in terms.
PERCENT, ENTITY = "percent-encoded terms decoded", "HTML entities in terms decoded"
SYMMETRIC = frozenset(
    {"RelatedTo", "SimilarTo", "EtymologicallyRelatedTo", "Synonym", "Antonym", "DistinctFrom"}
)  # conceptnet5/relations.py, SYMMETRIC_RELATIONS
PARTS_OF_SPEECH = frozenset("nvars")
TABS = 4  # in a row
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
PERCENT_CODES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
HTML_ENTITY = re.compile(r"&(?:#[0-9]+|#[xX][0-9A-Fa-f]+|[A-Za-z][A-Za-z0-9]*);")
TAG = re.compile(r"</?[A-Za-z]")
BRACKET_PAIRS = ("()", "[]", "{}")


@dataclass(frozen=True, slots=True)
class Node:
    """A term of a language; `pos` is n, v, a, r, s or "", `sense` what follows it in the URI, or ""."""

    language: str
    term: str
    pos: str
    sense: str

    @property
    def key(self) -> str:
        """`language:term`, the same for every part of speech and sense of a word."""
        return f"{self.language}:{self.term}"


@dataclass(frozen=True, slots=True)
class Edge:
    """An assertion; `relation` is the URI without /r/ (`Synonym`, `dbpedia/genre`), `weight` ConceptNet's."""

    start: Node
    relation: str
    end: Node
    weight: float
    license: str

    @property
    def triple(self) -> tuple[str, str, str]:
        """What equal edges share: start, relation, end; the two ends in sorted order if the relation is symmetric."""
        start, end = self.start.key, self.end.key
        if self.relation in SYMMETRIC and end < start:
            start, end = end, start
        return start, self.relation, end


@dataclass(frozen=True, slots=True)
class ParsedRow:
    """What a row holds: an edge, or else the `reason` why there is none."""

    edge: Edge | None
    reason: str
    languages: frozenset[str]
    """At its ends."""
    changes: Counter[str]
    """What was decoded or cleaned in its terms."""


def parse_row(row: bytes) -> ParsedRow:
    """Parse a row of the dump. Raises ValueError where it is malformed."""
    _, relation, start_uri, end_uri, details = row.rstrip(b"\r\n").decode().split("\t")
    changes: Counter[str] = Counter()
    start = _node(start_uri, changes)
    if end_uri.startswith(("http://", "https://")):
        return ParsedRow(None, EXTERNAL_URL, frozenset({start.language}), changes)
    end = _node(end_uri, changes)
    edge = Edge(start, _relation(relation), end, *_weight_and_license(details))
    reason = _reason_to_drop(edge)
    return ParsedRow(None if reason else edge, reason, frozenset({start.language, end.language}), changes)


def _reason_to_drop(edge: Edge) -> str:
    """Why an edge is not to become a sentence; "" if it is.

    Some terms show errors of ConceptNet's extraction, and a weight of 0 or less says that the assertion does not hold.
    """
    if edge.start.key == edge.end.key:
        return SELF_LOOP
    terms = (edge.start.term, edge.end.term)
    if any(TAG.search(term) for term in terms):
        return MARKUP
    if not all(_brackets_match(term) for term in terms):
        return BRACKETS
    return "" if edge.weight > 0 else NO_WEIGHT


def _brackets_match(term: str) -> bool:
    return all(term.count(opening) == term.count(closing) for opening, closing in BRACKET_PAIRS)


def parse_node(uri: str, changes: Counter[str] | None = None) -> Node | None:
    """The node that `/c/LANGUAGE/TERM[/POS[/SENSE]]` names; None for any other URI.

    In the term `_` is read as a space, percent codes and HTML entities are decoded, and the rules for all text
    (`workspace.text`) are applied; what that changed is added to `changes`. The term is always the fourth part of the
    URI: the last one of `/c/mt/qattus/n/wn/animal` is a sense tag, not a word.
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
        decode = partial(unquote, errors="strict") if sign == "%" else html.unescape
        text, times = pattern.subn(lambda match, decode=decode: decode(match[0]), text)
        if times and changes is not None:
            changes[name] += 1 if sign == "%" else times
    return text


def _node(uri: str, changes: Counter[str]) -> Node:
    if (node := parse_node(uri, changes)) is None:
        raise ValueError(f"not a node: {uri}")
    return node


def _relation(uri: str) -> str:
    name = uri.removeprefix("/r/")
    if not name or name == uri:
        raise ValueError(f"not a relation: {uri}")
    return name


def _weight_and_license(text: str) -> tuple[float, str]:
    """Weight and license in the JSON column. Raises ValueError where they are not what they should be."""
    try:
        details = json.loads(text)
        weight = details.get("weight") if isinstance(details, dict) else None
        if not isinstance(weight, int | float) or not math.isfinite(weight):
            raise ValueError(f"no weight: {text[:80]}")
    except (OverflowError, RecursionError) as error:  # an integer beyond any float, or deep nesting
        raise ValueError(f"no weight: {text[:80]}") from error
    license_ = details.get("license", "")
    if not isinstance(license_, str):
        raise ValueError(f"no license: {license_!r}")  # noqa: TRY004 - one kind of error for a malformed row
    license_.encode()  # an escaped lone surrogate is a string that no file can hold; this raises a ValueError, too
    return float(weight), license_
