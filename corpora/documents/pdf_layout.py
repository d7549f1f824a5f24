"""Lines of a page of a PDF in reading order: fragments of lines are joined, and columns read one after the other."""

from collections.abc import Iterable
from dataclasses import dataclass

MIN_LINES = 5  # fragments on each side of a gutter from which on a page has columns
MIN_WIDTH = 0.3  # of the narrower side's usual line, in widths of the wider side's
MIN_GUTTER = 0.6  # width of a gutter, in heights of a line
MAX_CROSSING = 0.25  # share of fragments that may cross the gutter: headings over both columns
MIDDLE = (0.2, 0.8)  # where gutters are looked for, in shares of the text's width
SAME_LINE = 0.5


@dataclass
class Fragment:
    """A run of characters on one line: text, and its place in points from the lower left corner."""

    text: str
    left: float
    right: float
    base: float
    height: float


Line = Fragment


@dataclass(frozen=True)
class Page:
    """The lines of a page in reading order."""

    lines: list[Line]
    columns: bool


def find_lines(fragments: list[Fragment]) -> Page:
    """The lines of a page in reading order."""
    fragments = [fragment for fragment in fragments if fragment.text.strip()]
    bands = _bands(fragments)
    lines = [line for band in bands for line in _join(band)]
    return Page(lines, len(bands) > 1)


def _bands(fragments: list[Fragment]) -> list[list[Fragment]]:
    """Parts of the page to read one after the other: its columns, and what stands over both between them."""
    gutter = _gutter(fragments)
    if gutter is None:
        return [fragments]
    bands: list[list[Fragment]] = []
    left: list[Fragment] = []
    right: list[Fragment] = []
    across: list[Fragment] = []
    for fragment in sorted(fragments, key=lambda fragment: -fragment.base):
        crosses = fragment.left < gutter < fragment.right
        if crosses and (left or right):
            bands += [across, left, right]
            across, left, right = [], [], []
        if crosses:
            across.append(fragment)
        else:
            (left if fragment.right <= gutter else right).append(fragment)
    bands += [across, left, right]
    # More than two columns: each side is looked at again.
    return [part for band in bands if band for part in (_bands(band) if len(band) < len(fragments) else [band])]


def _gutter(fragments: list[Fragment]) -> float | None:
    """The middle of a vertical gap that few fragments cross, with lines side by side; None without columns."""
    if len(fragments) < 2 * MIN_LINES:
        return None
    start, end = min(fragment.left for fragment in fragments), max(fragment.right for fragment in fragments)
    low, high = (start + share * (end - start) for share in MIDDLE)
    size = sorted(fragment.height for fragment in fragments)[len(fragments) // 2]
    best: tuple[int, float, float] | None = None
    # Gutters begin where a fragment ends.
    for edge in sorted({fragment.right for fragment in fragments if low <= fragment.right <= high}):
        middle = edge + MIN_GUTTER * size / 2
        crossing = [
            fragment for fragment in fragments if fragment.left < edge + MIN_GUTTER * size and fragment.right > edge
        ]
        left = [fragment for fragment in fragments if fragment.right <= edge]
        right = [fragment for fragment in fragments if fragment.left >= edge + MIN_GUTTER * size]
        if len(crossing) > MAX_CROSSING * len(fragments) or not _side_by_side(left, right):
            continue
        candidate = (len(crossing), abs(middle - (start + end) / 2), middle)
        best = min(best, candidate) if best else candidate
    return best[2] if best else None


def _side_by_side(left: list[Fragment], right: list[Fragment]) -> bool:
    """Whether both sides have enough lines beside one another; the numbers in a list are too narrow for a side."""
    if min(len(left), len(right)) < MIN_LINES:
        return False
    widths = [sorted(fragment.right - fragment.left for fragment in side)[len(side) // 2] for side in (left, right)]
    if min(widths) < MIN_WIDTH * max(widths):
        return False
    low = max(min(fragment.base for fragment in side) for side in (left, right))
    high = min(max(fragment.base for fragment in side) for side in (left, right))
    return all(sum(low <= fragment.base <= high for fragment in side) >= MIN_LINES for side in (left, right))


def _join(fragments: Iterable[Fragment]) -> list[Line]:
    """Fragments on the same base line as one line, from top to bottom."""
    lines: list[list[Fragment]] = []
    for fragment in sorted(fragments, key=lambda fragment: -fragment.base):
        if lines and abs(lines[-1][0].base - fragment.base) <= SAME_LINE * min(lines[-1][0].height, fragment.height):
            lines[-1].append(fragment)
        else:
            lines.append([fragment])
    return [_line(parts) for parts in lines]


def _line(parts: list[Fragment]) -> Line:
    rtl = sum(_is_rtl(part.text) for part in parts) > len(parts) / 2
    parts = sorted(parts, key=lambda part: part.left, reverse=rtl)
    text = " ".join(part.text.strip() for part in parts)
    right, height = max(part.right for part in parts), max(part.height for part in parts)
    return Line(text, min(part.left for part in parts), right, parts[0].base, height)


def _is_rtl(text: str) -> bool:
    return any("\u0590" <= character <= "\u08ff" or "\ufb1d" <= character <= "\ufefc" for character in text)
