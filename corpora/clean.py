"""From pages to lines worth keeping, a batch at a time: judged by page, mended, cut, judged by line, all counted."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy

from ..recipes.languages import Language
from ..recipes.schema import Corpus
from .measure import Array, Measures, measure, near_hashes
from .readers import Document

RELIGIOUS = frozenset({"religious", "associations_religieuses"})  # GlotCC's categories for it
# UTF-8 read as Latin-1 or Windows-1252 ("Ä‹" for "ċ"), entities, stray controls: rare, and ftfy is too slow for all.
SUSPECT = re.compile(
    "[\u00c2-\u00f4][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
    "|&#?[a-zA-Z0-9]{2,8};|[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\ufffd\ue000-\uf8ff]"
)
SEPARATOR = "\x1e"  # between pages that are looked at together
KEPT = "kept"


@dataclass
class Tally:
    """What became of pages and lines, by outcome; the bytes of lines too."""

    pages: Counter[str] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Add another batch's counts."""
        self.pages.update(other.pages)
        self.lines.update(other.lines)
        self.bytes.update(other.bytes)


@dataclass(frozen=True)
class Cleaned:
    """Lines of a batch of pages, with arrays that have a value for each line or page."""

    lines: list[str]
    owners: Array
    """Index of the line's page in this batch."""
    sizes: Array
    """Bytes in UTF-8."""
    keys: Array
    bands: Array
    signatures: Array
    """Both of `near_hashes`; of no line where near twins may stay."""
    digests: Array
    """SHA-256 of each page's id, uint8 (pages, 32)."""
    tally: Tally


def clean(documents: list[Document], corpus: Corpus, language: Language) -> Cleaned:
    """Clean a batch of pages after the recipe's rules."""
    tally = Tally()
    pages = [document for document in documents if _judge_page(document, corpus, tally)]
    texts = [page.text for page in pages]
    if corpus.repair:
        texts = mend(texts, tally)
    owners: list[int] = []
    lines: list[str] = []
    for index, text in enumerate(texts):
        for line in lines_of(text, corpus, language.iso):
            lines.append(line)
            owners.append(index)
    sizes = numpy.fromiter((len(line.encode()) for line in lines), dtype=numpy.uint32, count=len(lines))
    keep = numpy.ones(len(lines), dtype=bool)
    keys = numpy.zeros(0, dtype=numpy.uint64)
    if lines:
        found = measure(lines, language.script)
        keep, keys = _judge_lines(found, sizes, corpus, tally), found.key
        lines = [line for line, kept in zip(lines, keep.tolist(), strict=True) if kept]
    bands, signatures = near_hashes(lines if corpus.drop_near_duplicates else [])
    digests = b"".join(hashlib.sha256(page.id.encode()).digest() for page in pages)
    return Cleaned(
        lines=lines,
        owners=numpy.array(owners, dtype=numpy.int32)[keep],
        sizes=sizes[keep],
        keys=keys[keep],
        bands=bands,
        signatures=signatures,
        digests=numpy.frombuffer(digests, dtype=numpy.uint8).reshape(len(pages), 32),
        tally=tally,
    )


def mend(texts: list[str], tally: Tally) -> list[str]:
    """The texts in Unicode's normal form C, broken encoding repaired and counted."""
    together = SEPARATOR.join(texts)
    if not unicodedata.is_normalized("NFC", together):
        texts = [unicodedata.normalize("NFC", text) for text in texts]
    if not SUSPECT.search(together.replace(SEPARATOR, "\n")):
        return texts
    return [_mended(text, tally) if SUSPECT.search(text) else text for text in texts]


def lines_of(text: str, corpus: Corpus, language: str) -> Iterator[str]:
    """Lines with white space folded, none empty; cut into sentences where the recipe says so, or a line is too long.

    `language` is an ISO 639 code that the sentence splitter may know; it goes by punctuation where it does not.
    """
    for raw in text.splitlines():
        line = " ".join(raw.split())
        if not line:
            continue
        if corpus.cut == "lines" and len(line) <= corpus.max_characters:
            yield line
        else:
            yield from _sentences(line, language)


def _sentences(line: str, language: str) -> Iterator[str]:
    import sentencex

    segment: Any = getattr(sentencex, "segment")  # noqa: B009 - compiled, without type stubs
    for sentence in segment(language, line):
        if folded := sentence.strip():
            yield folded


def _mended(text: str, tally: Tally) -> str:
    import ftfy

    # Quotation marks, ligatures and wide forms are the writer's own and stay.
    repaired = ftfy.fix_text(text, uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False)
    tally.pages["of these with repaired encoding"] += repaired != text
    return repaired


def _judge_page(document: Document, corpus: Corpus, tally: Tally) -> bool:
    """Whether a page stays by GlotCC's own marks."""
    outcome = KEPT
    if document.probability is not None and document.probability < corpus.min_probability:
        outcome = "uncertain language"
    elif document.warnings and not document.warnings.isdisjoint(corpus.drop_warnings):
        outcome = "quality warning"
    elif corpus.drop_religious and not document.categories.isdisjoint(RELIGIOUS):
        outcome = "religious"
    tally.pages[outcome] += 1
    return outcome == KEPT


def _judge_lines(found: Measures, sizes: Array, corpus: Corpus, tally: Tally) -> Array:
    """Which lines stay; the first test that speaks against one is the reason that is counted."""
    tests = {
        "too short": found.characters < corpus.min_characters,
        "too long": found.characters > corpus.max_characters,
        "few letters": found.letters < corpus.min_letters,
        "other script": found.script < corpus.min_script,
    }
    if corpus.drop_boilerplate:
        tests["boilerplate"] = found.boilerplate
    keep = numpy.ones(len(sizes), dtype=bool)
    for reason, speaks in tests.items():
        taken = keep & speaks
        tally.lines[reason] += int(taken.sum())
        tally.bytes[reason] += int(sizes[taken].sum())
        keep &= ~speaks
    return keep
