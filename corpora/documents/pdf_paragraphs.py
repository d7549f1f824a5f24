"""Paragraphs from the lines of a PDF's pages: running heads and page numbers removed, lines and broken words joined."""

from collections import Counter
from itertools import pairwise

import regex

from .paragraphs import BROKEN_WORD, ends_sentence
from .pdf_layout import Line, Page

REPEATS = 3  # pages with the same line at the same place from which on it is a running head; of two pages, both
EDGE_LINES = 3  # lines at the top and at the bottom of a page that may be heads, if the page has more
ROMAN = "(?=[ivxlc])c{0,3}(?:xc|xl|l?x{0,3})(?:ix|iv|v?i{0,3})"
PAGE_NUMBER = regex.compile(
    rf"[\p{{P}}\p{{S}}\s]*(?:\p{{N}}{{1,4}}|{ROMAN})(?:\s*[/|]\s*\p{{N}}{{1,4}})?[\p{{P}}\p{{S}}\s]*", regex.IGNORECASE
)
LEADERS = regex.compile(r"(?:[.…·_]\s?){4,}\s*(?:\p{N}+|[ivxlc]+)\s*\Z")  # of a table of contents, with its page
DIGITS = regex.compile(r"\p{N}+")
LEADING = 1.35  # times the usual distance of lines from which on a new paragraph begins
INDENT = 0.7  # heights of a line by which a paragraph's first line is indented
USUAL_WIDTH = 0.8  # quantile of the widths of lines that counts as that of full lines
SHORT = 0.85  # share of it below which a line ends its paragraph, if it ends a sentence
SIZE_CHANGE = 0.15  # of the height of lines: a heading begins or ends, and footnotes are smaller than the text
OPENING = "\"'([{«‹“‘„‚¿¡"  # may stand before the first letter of a line


def broken_paragraphs(pages: list[Page], changes: Counter[str]) -> list[list[str]]:
    """The lines of each paragraph of a document; what is removed is counted in `changes`.

    A paragraph goes on over the end of a page, whatever footnotes (smaller lines) stand between its parts.
    """
    bodies = _without_heads(pages, changes)
    lines_of_text = [line for lines in bodies for line in lines]
    size, width = _median([line.height for line in lines_of_text]), _usual_width(lines_of_text)
    paragraphs: list[list[Line]] = []
    last: list[Line] = []  # paragraph of the text on the pages before
    for lines in bodies:
        groups = _group(lines)
        text = [group for group in groups if group[0].height >= (1 - SIZE_CHANGE) * size]
        if text and last and _goes_on(last[-1], text[0][0], width):
            last += text[0]
            groups = [group for group in groups if group is not text[0]]
            text[0] = last
        paragraphs += groups
        last = text[-1] if text else last
    return [[line.text for line in lines] for lines in paragraphs]


def _goes_on(above: Line, below: Line, width: float) -> bool:
    """Whether a paragraph goes on from the end of a page or column to the next; `width` is that of full lines.

    It does after a broken word, and within a sentence if the next line begins with a small letter. Scripts without case
    show less: there the last line has to be full.
    """
    first = below.text.lstrip(OPENING)[:1]
    if BROKEN_WORD.search(above.text):
        return first.isalpha()
    if ends_sentence(above.text) or not first.isalpha():
        return False
    is_full = above.right - above.left >= SHORT * width
    return first.islower() or (first.lower() == first.upper() and is_full)


def _without_heads(pages: list[Page], changes: Counter[str]) -> list[list[Line]]:
    """The lines of each page without running heads and feet, page numbers, and lines of tables of contents."""
    counts: Counter[tuple[str, int]] = Counter()
    for page in pages:
        counts.update({_key(line) for edge in _edges(page) for line in edge})
    repeats = max(2, min(REPEATS, sum(bool(page.lines) for page in pages)))
    bodies = []
    for page in pages:
        removed: set[int] = set()
        for edge in _edges(page):
            for line in edge:
                if PAGE_NUMBER.fullmatch(line.text):
                    changes["page numbers removed"] += 1
                elif counts[_key(line)] >= repeats and len(page.lines) > EDGE_LINES:
                    changes["running heads removed"] += 1
                else:
                    break  # the text of the page begins
                removed.add(id(line))
        body = [line for line in page.lines if id(line) not in removed]
        bodies.append([line for line in body if not LEADERS.search(line.text)])
        changes["lines of tables of contents left out"] += len(body) - len(bodies[-1])
    return bodies


def _edges(page: Page) -> tuple[list[Line], list[Line]]:
    """The lines at the top of a page from above, and those at its bottom from below."""
    lines = sorted(page.lines, key=lambda line: -line.base)
    half = len(lines) // 2
    top = lines[: min(EDGE_LINES, max(half, 1))]
    return top, lines[::-1][: min(EDGE_LINES, len(lines) - len(top))]


def _key(line: Line) -> tuple[str, int]:
    """Text with numbers alike, and height on the page in tens of points: "Page 12" and "Page 13" have one key."""
    return DIGITS.sub("0", line.text).casefold(), round(line.base / 10)


def _group(lines: list[Line]) -> list[list[Line]]:
    """The lines of a page as paragraphs."""
    if not lines:
        return []
    leading = _median([above.base - below.base for above, below in pairwise(lines) if above.base > below.base])
    groups = [[lines[0]]]
    width = _usual_width(lines)
    for above, below in pairwise(lines):
        if _starts_paragraph(above, below, leading, width):
            groups.append([])
        groups[-1].append(below)
    return groups


def _starts_paragraph(above: Line, below: Line, leading: float, width: float) -> bool:
    """Whether `below` begins a paragraph; `leading` is the usual distance of lines and `width` that of full lines."""
    size = max(above.height, below.height)
    if abs(above.height - below.height) > SIZE_CHANGE * size:
        return True
    distance = above.base - below.base
    if distance < 0:  # the next column
        return not _goes_on(above, below, width)
    if leading and distance > LEADING * leading:
        return True
    if INDENT * size < below.left - above.left and ends_sentence(above.text):
        return True
    return above.right - above.left < SHORT * width and ends_sentence(above.text)


def _usual_width(lines: list[Line]) -> float:
    """The width of full lines."""
    widths = sorted(line.right - line.left for line in lines)
    return widths[int(USUAL_WIDTH * (len(widths) - 1))] if widths else 0.0


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0
