"""Map spans of characters to words, so that entities marked in an annotation tool become tags.

Words are those that `predict` labels (`workspace.words`), but in scripts without spaces each character (grapheme
cluster) is one, since a tool's spans may begin and end anywhere there. A text of several lines becomes one sentence for
each line; lines with a span across their break stay together.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

import regex

from ...workspace.text import align, clean_line
from ...workspace.words import TSHEG, split_words
from .records import CHARACTERS, GRAPHEMES, Record, Span

WIDENED = "widened to whole words"
OVERLAP, OUTSIDE_TEXT = "left out: overlap another entity", "left out: leave the text"
OTHER_TEXT, NO_WORD = "left out: not the text that the file repeats", "left out: contain no word"
MISPLACED = (OUTSIDE_TEXT, OTHER_TEXT)
GRAPHEME = regex.compile(r"\X")
LAST_SINGLE_UNIT = 0xFFFF  # later characters are two units in UTF-16

Sentence = tuple[list[str], list[str]]
"""Words and their IOB2 tags."""


@dataclass
class Alignment:
    """Tagged sentences, and what became of the spans."""

    sentences: list[Sentence] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """Numbers of spans that are not tagged exactly as they were marked, by what happened to them."""
    unit: str = CHARACTERS
    """What the offsets count."""

    @property
    def misfits(self) -> int:
        """Spans that suggest that the offsets count something else."""
        return self.counts[WIDENED] + self.counts[NO_WORD] + sum(self.counts[reason] for reason in MISPLACED)


def align_records(records: Sequence[Record], units: Sequence[str]) -> Alignment:
    """Tag the words of the records' texts by their spans, whose offsets count one of `units`.

    Files do not say what they count. Of several units, the one is used whose offsets fall on the ends of words, and on
    the text that the file repeats, most often; the first of them if several fit equally well.
    """
    alignments = []
    for unit in units:
        alignments.append(_align_in(records, unit))
        if not alignments[-1].misfits:
            break
    return min(alignments, key=lambda alignment: alignment.misfits)


def _align_in(records: Sequence[Record], unit: str) -> Alignment:
    alignment = Alignment(unit=unit)
    for record in records:
        spans = _in_characters(record.text, record.spans or (), unit)
        spans = list(_usable(record.text, spans, alignment.counts))
        for start, end in _pieces(record.text, spans):
            inside = [_shifted(span, -start) for span in spans if start <= span.start < end]
            if sentence := tag_words(record.text[start:end], inside, alignment.counts):
                alignment.sentences.append(sentence)
    return alignment


def tag_words(text: str, spans: Sequence[Span], counts: Counter[str]) -> Sentence | None:
    """The words of a text with IOB2 tags for `spans`; None for a text without words.

    An entity that cuts a word is widened to the whole of it. Of entities that share a word, the longest is kept, of
    equally long ones the first. Both are counted in `counts`.
    """
    words = word_ranges(text)
    if not words:
        counts[NO_WORD] += len(spans)
        return None
    starts, ends = [start for start, _ in words], [end for _, end in words]
    tags = ["O"] * len(words)
    tagged: set[tuple[int, int, str]] = set()
    for span in sorted(spans, key=lambda span: (span.start - span.end, span.start)):
        # The first word that ends after the span's start, and the one after the last that begins before its end
        first, last = bisect_left(ends, span.start + 1), bisect_left(starts, span.end)
        if first >= last:
            counts[NO_WORD] += 1
            continue
        if (first, last, span.label) in tagged:
            continue  # marked twice
        if any(tag != "O" for tag in tags[first:last]):
            counts[OVERLAP] += 1
            continue
        tagged.add((first, last, span.label))
        label = clean_line(span.label)
        tags[first:last] = [f"B-{label}"] + [f"I-{label}"] * (last - first - 1)
        if _is_visible(text[starts[first] : span.start]) or _is_visible(text[span.end : ends[last - 1]]):
            counts[WIDENED] += 1
    return [text[start:end] for start, end in words], tags


def word_ranges(text: str) -> list[tuple[int, int]]:
    """Start and end of the words of a text."""
    aligned = align(text)
    ranges = []
    for word in split_words(aligned.text):
        parts = [(word.start, word.end)]
        if word.unspaced:
            clusters = GRAPHEME.finditer(aligned.text, word.start, word.end)
            parts = [match.span() for match in clusters if _is_visible(match[0])]
        ranges += [aligned.original(start, end) for start, end in parts]
    return ranges


def _is_visible(text: str) -> bool:
    """Whether something of a word is in a text: not the tsheg after it, or characters that are cleaned away."""
    return bool(clean_line(text.strip(TSHEG)).strip("\u200b"))


def _usable(text: str, spans: Sequence[Span], counts: Counter[str]) -> Iterator[Span]:
    """The spans inside a text, without spaces at their ends; others are counted."""
    for span in spans:
        if not 0 <= span.start < span.end <= len(text):
            counts[OUTSIDE_TEXT] += 1
            continue
        marked = text[span.start : span.end]
        if span.text is not None and clean_line(span.text) != clean_line(marked):
            counts[OTHER_TEXT] += 1
        elif not marked.strip():
            counts[NO_WORD] += 1
        else:
            start = span.start + len(marked) - len(marked.lstrip())
            yield replace(span, start=start, end=start + len(marked.strip()))


def _pieces(text: str, spans: Sequence[Span]) -> Iterator[tuple[int, int]]:
    """Start and end of the lines of a text, or of several with a span across their breaks."""
    start = 0
    for end in accumulate(map(len, text.splitlines(keepends=True))):
        if not any(span.start < end < span.end for span in spans):
            yield start, end
            start = end


def _shifted(span: Span, distance: int) -> Span:
    return replace(span, start=span.start + distance, end=span.end + distance)


def _in_characters(text: str, spans: Sequence[Span], unit: str) -> Sequence[Span]:
    """The spans with offsets that count characters (code points)."""
    if unit == CHARACTERS or not spans:
        return spans
    parts = GRAPHEME.findall(text) if unit == GRAPHEMES else list(text)
    lengths = [1] * len(parts) if unit == GRAPHEMES else [1 + (ord(part) > LAST_SINGLE_UNIT) for part in parts]
    offsets, positions = accumulate(lengths, initial=0), accumulate(map(len, parts), initial=0)
    position_of = dict(zip(offsets, positions, strict=True))
    outside = len(text) + 1  # also for an offset inside a surrogate pair
    return [
        replace(span, start=position_of.get(span.start, outside), end=position_of.get(span.end, outside))
        for span in spans
    ]
