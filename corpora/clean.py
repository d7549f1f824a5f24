"""From a batch of documents to the lines worth keeping, with counts of what was dropped and changed on the way.

Pages are filtered, their text is cleaned and cut into lines, the lines are filtered, and the hashes for finding
duplicates are computed. Nothing here depends on another batch, so batches may be cleaned in any process (parallel.py).
"""

import hashlib
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy
import sentencex

from ..recipes.languages import Language
from ..recipes.schema import Corpus
from ..workspace.text import clean_pages, to_nfc_all
from .code_points import Array
from .encoding import repair_encoding
from .filters import line_filters, page_outcome
from .line_features import line_features
from .minhash import near_hashes
from .other_languages import Identifier, LanguageCounts, find_other_languages
from .readers import Document
from .reasons import EMPTY, KEPT, OTHER_LANGUAGE, REPAIRED


@dataclass
class Tally:
    """Counts of pages and lines by what became of them, and of what the rules for text changed."""

    pages: Counter[str] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    """Of the lines, in UTF-8."""
    text: Counter[str] = field(default_factory=Counter)
    """By rule of `workspace.text`."""
    languages: LanguageCounts = field(default_factory=LanguageCounts)

    def add(self, other: "Tally") -> None:
        """Add the counts of another batch."""
        self.pages.update(other.pages)
        self.lines.update(other.lines)
        self.bytes.update(other.bytes)
        self.text.update(other.text)
        self.languages.add(other.languages)


@dataclass(frozen=True)
class Cleaned:
    """The kept lines of a batch of pages, with arrays that have a value for each line or each page."""

    lines: list[str]
    pages: Array
    """Index of each line's page in this batch, int32."""
    sizes: Array
    """Bytes of each line in UTF-8, uint32."""
    keys: Array
    """`LineFeatures.key` of each line."""
    bands: Array
    signatures: Array
    """Both of `near_hashes`; without rows where near-duplicates are kept."""
    digests: Array
    """SHA-256 of each page's id, uint8 (pages, 32)."""
    files: Array
    """Number of each page's file, uint32."""
    preferences: Array
    """`Document.preference` of each page, uint8."""
    tally: Tally


def clean(
    documents: list[Document], corpus: Corpus, language: Language, identifier: Identifier | None = None
) -> Cleaned:
    """Clean a batch of documents as the recipe's `corpus` section says; `identifier` checks its lines' language."""
    tally = Tally()
    outcomes = [page_outcome(document, corpus) for document in documents]
    tally.pages.update(outcomes)
    pages = [document for document, outcome in zip(documents, outcomes, strict=True) if outcome == KEPT]
    texts, repaired, tally.text = clean_texts([page.text for page in pages], repair=corpus.repair)
    blank = sum(not text.strip() for text in texts)  # the rules for text left nothing
    tally.pages.update({KEPT: -blank, EMPTY: blank, REPAIRED: repaired})

    lines: list[str] = []
    page_of_line: list[int] = []
    for index, text in enumerate(texts):
        for line in lines_of(text, corpus, language.iso):
            lines.append(line)
            page_of_line.append(index)
    sizes = numpy.fromiter((len(line.encode()) for line in lines), dtype=numpy.uint32, count=len(lines))
    features = line_features(lines, language.script)
    keep = numpy.ones(len(lines), dtype=bool)
    for reason, drops in line_filters(features, corpus).items():
        _drop(keep, drops, reason, sizes, tally)
    if identifier is not None:
        kept_lines = [lines[index] for index in numpy.flatnonzero(keep)]
        foreign = numpy.zeros(len(lines), dtype=bool)
        foreign[keep] = find_other_languages(kept_lines, features.key[keep], identifier, tally.languages)
        if corpus.identify is not None and corpus.identify.drop:
            _drop(keep, foreign, OTHER_LANGUAGE, sizes, tally)
    lines = [line for line, kept in zip(lines, keep.tolist(), strict=True) if kept]
    bands, signatures = near_hashes(lines if corpus.drop_near_duplicates else [])
    digests = b"".join(document_digest(page) for page in pages)
    return Cleaned(
        lines=lines,
        pages=numpy.array(page_of_line, dtype=numpy.int32)[keep],
        sizes=sizes[keep],
        keys=features.key[keep],
        bands=bands,
        signatures=signatures,
        digests=numpy.frombuffer(digests, dtype=numpy.uint8).reshape(len(pages), 32),
        files=numpy.array([page.file for page in pages], dtype=numpy.uint32),
        preferences=numpy.array([page.preference for page in pages], dtype=numpy.uint8),
        tally=tally,
    )


def _drop(keep: Array, drops: Array, reason: str, sizes: Array, tally: Tally) -> None:
    """Take the lines that a filter drops out of `keep`, bool (lines,), and count those that were still in it."""
    dropped = keep & drops
    tally.lines[reason] += int(dropped.sum())
    tally.bytes[reason] += int(sizes[dropped].sum())
    keep &= ~drops


def document_digest(document: Document) -> bytes:
    """SHA-256 of a document's id. Its bytes decide the split (0), the name (0 to 7) and the rank (8 to 15)."""
    return hashlib.sha256(document.id.encode()).digest()


def clean_texts(texts: list[str], *, repair: bool = True) -> tuple[list[str], int, Counter[str]]:
    """The texts after the rules for all text (`workspace.text`), with broken encoding repaired before if `repair`.

    Also how many texts were repaired, and what the rules changed, by their names.
    """
    changes: Counter[str] = Counter()
    repaired = 0
    texts = to_nfc_all(texts, changes)
    if repair:
        texts, repaired = repair_encoding(texts)
    return clean_pages(texts, changes, normal=True), repaired, changes


def lines_of(text: str, corpus: Corpus, language: str) -> Iterator[str]:
    """Lines with white space collapsed, none empty; cut into sentences if the recipe says so or a line is too long.

    `language` is an ISO 639 code; the sentence splitter goes by punctuation where it does not know it. Sentences that
    are still too long are cut at spaces, which is where Thai and Lao end theirs.
    """
    for raw in text.splitlines():
        line = " ".join(raw.split())
        if not line:
            continue
        if corpus.cut == "lines" and len(line) <= corpus.max_characters:
            yield line
            continue
        for sentence in _sentences(line, language):
            if len(sentence) <= corpus.max_characters:
                yield sentence
            else:
                yield from textwrap.wrap(
                    sentence, corpus.max_characters, break_long_words=False, break_on_hyphens=False
                )


def _sentences(line: str, language: str) -> Iterator[str]:
    segment: Any = getattr(sentencex, "segment")  # noqa: B009 - compiled, without type stubs
    for sentence in segment(language, line):
        if stripped := sentence.strip():
            yield stripped
