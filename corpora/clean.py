"""From pages to lines worth keeping, a batch at a time: judged by page, mended, cut, judged by line, all counted."""

import hashlib
import multiprocessing
import os
import signal
import textwrap
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cache
from itertools import chain, islice
from typing import Any

import numpy
import sentencex

from ..recipes.languages import Language
from ..recipes.schema import Corpus
from ..workspace.errors import UserError
from ..workspace.text import clean_pages, to_nfc, to_nfc_all
from .measure import Array, Measures, measure, near_hashes, suspects
from .readers import EMPTY, Document

RELIGIOUS = frozenset({"religious", "associations_religieuses"})  # GlotCC's categories for it
KEPT = "kept"
ALONE = 4  # batches: starting a process takes as long as cleaning one


@dataclass
class Tally:
    """What became of pages and lines, by outcome, with the bytes of the lines; what the rules for text changed."""

    pages: Counter[str] = field(default_factory=Counter)
    lines: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    text: Counter[str] = field(default_factory=Counter)
    """By rule of `workspace.text`."""

    def add(self, other: "Tally") -> None:
        """Add another batch's counts."""
        self.pages.update(other.pages)
        self.lines.update(other.lines)
        self.bytes.update(other.bytes)
        self.text.update(other.text)


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
    texts = mend(texts, tally, repair=corpus.repair)
    blank = sum(not text.strip() for text in texts)  # the rules for all text left nothing
    tally.pages[KEPT] -= blank
    tally.pages[EMPTY] += blank
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


def clean_all(
    batches: Iterable[list[Document]], corpus: Corpus, language: Language, workers: int = 1
) -> Iterator[Cleaned]:
    """Clean batches in their order; after the first few in `workers` processes, if more than one.

    These start anew (spawn), so a script that asks for them needs `if __name__ == "__main__":`.
    """
    batches = iter(batches)
    yield from (clean(batch, corpus, language) for batch in islice(batches, ALONE if workers > 1 else None))
    if (first := next(batches, None)) is None:
        return
    context = multiprocessing.get_context("spawn")  # a fork would inherit locks that nobody opens
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker)
    waiting: deque[Future[Cleaned]] = deque()
    try:
        for batch in chain([first], batches):
            waiting.append(pool.submit(clean, batch, corpus, language))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise UserError("a process that cleans text was killed: is there too little memory?") from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and end when it is gone, killed even."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def mend(texts: list[str], tally: Tally, *, repair: bool = True) -> list[str]:
    """The texts after the rules for all text (`workspace.text`), broken encoding repaired before (if `repair`)."""
    texts = to_nfc_all(texts, tally.text)
    for index in suspects(texts) if repair else ():  # ftfy is too slow for all
        texts[index] = to_nfc(_mended(texts[index], tally))
    return clean_pages(texts, tally.text, normal=True)


def lines_of(text: str, corpus: Corpus, language: str) -> Iterator[str]:
    """Lines with white space folded, none empty; cut into sentences where the recipe says so, or a line is too long.

    `language` is an ISO 639 code that the sentence splitter may know; it goes by punctuation where it does not. What is
    too long still is cut at spaces, which is where Thai and Lao end their sentences.
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
        if folded := sentence.strip():
            yield folded


def _mended(text: str, tally: Tally) -> str:
    import ftfy

    text = "\n".join(text.splitlines())  # ftfy would take the rarer breaks away
    repaired = ftfy.fix_text(text, _repair_only())
    tally.pages["of these with repaired encoding"] += repaired != text
    return repaired


@cache
def _repair_only() -> Any:
    """ftfy's settings: only what went wrong on the way is put right; the rest is for the rules for all text."""
    import ftfy

    return ftfy.TextFixerConfig(
        uncurl_quotes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        fix_line_breaks=False,
        remove_control_chars=False,
        normalization=None,
        explain=False,
    )


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
