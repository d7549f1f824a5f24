"""Lines as one array of code points, and the hash that is used on it.

A call per character in Python would make preparing a web corpus take days; numpy on these arrays takes over 10 MB/s.
"""

from typing import Any, NamedTuple

import numpy

Array = numpy.ndarray[Any, Any]

LAST_LETTER = 0x32400  # tables by code point end here: beyond lie tags, selectors and private use, no letters
GOLDEN_RATIO = 0x9E3779B97F4A7C15  # 2**64 divided by it, odd: the usual multiplier of a multiplicative hash


class CodePoints(NamedTuple):
    """Lines in lower case, joined."""

    text: str
    codes: Array
    """Code points of `text`, uint32."""
    starts: Array
    """Where each line begins in `codes`, int64 (lines,)."""
    ends: Array
    """Where it ends; in lower case a line may have more characters than before."""


def code_points(lines: list[str], gap: int = 1) -> CodePoints:
    """Join lines, none of them empty or with a line break in it, each followed by `gap` line breaks."""
    breaks = "\n" * gap
    text = breaks.join(lines).lower() + breaks
    codes = encode(text)
    is_break = codes == ord("\n")
    ends = numpy.flatnonzero(is_break[1:] & ~is_break[:-1]) + 1
    starts = numpy.concatenate(([0], ends + gap))[:-1]
    return CodePoints(text, codes, starts, ends)


def encode(text: str) -> Array:
    """The code points of a text, uint32; lone surrogates too."""
    return numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=numpy.uint32)


def numbers_within(counts: Array) -> Array:
    """0, 1, ... up to each count, one after the other: [2, 3] gives [0, 1, 0, 1, 2]."""
    return numpy.arange(int(counts.sum())) - numpy.repeat(numpy.cumsum(counts) - counts, counts)


def mix_bits(values: Array) -> Array:
    """Hash uint64 values in place: splitmix64's finaliser (Steele et al. 2014), every bit depends on every other."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values ^= values >> numpy.uint64(shift)
        values *= numpy.uint64(factor)
    values ^= values >> numpy.uint64(31)
    return values


def multiplier(position: int) -> numpy.uint64:
    """An odd factor for each position, so that a sum of products depends on the order of what is summed."""
    return numpy.uint64(pow(GOLDEN_RATIO, position + 1, 2**64))
