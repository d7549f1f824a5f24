"""Repairing broken encoding (mojibake, HTML entities) with ftfy, in the few texts that may need it."""

from functools import cache
from typing import Any

import numpy

from ..workspace.text import to_nfc
from .code_points import LAST_LETTER, Array, encode

# Classes of code points: a byte that begins a character in UTF-8, one that continues it, and what is suspect by itself.
LEAD, CONTINUATION, SUSPECT = 1, 2, 3
WINDOWS_1252 = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"  # its characters for the bytes 80 to 9F
SUSPECT_RANGES = (  # control characters but for white space, private use, the replacement character
    (0, 8), (0xE, 0x1B), (0x7F, 0x84), (0x86, 0x9F), (0xE000, 0xF8FF), (0xFFFD, 0xFFFD),
)  # fmt: skip


def repair_encoding(texts: list[str]) -> tuple[list[str], int]:
    """The texts with broken encoding repaired, and how many of them that changed."""
    import ftfy

    texts, repaired = list(texts), 0
    for index in suspects(texts):
        text = "\n".join(texts[index].splitlines())  # ftfy would drop the rarer line breaks
        fixed = ftfy.fix_text(text, _repair_only())
        repaired += fixed != text
        texts[index] = to_nfc(fixed)
    return texts, repaired


def suspects(texts: list[str]) -> list[int]:
    """Indices of the texts that may have broken encoding, and of few others: ftfy is too slow for all.

    The signs are UTF-8 read as Latin-1 or Windows-1252 ("Ä‹" for "ċ"), HTML's &, control and private characters.
    """
    codes = encode("\n".join(texts) + "\n")
    classes = _classes()[numpy.minimum(codes, LAST_LETTER)]
    signs = classes == SUSPECT
    signs[:-1] |= (classes[:-1] == LEAD) & (classes[1:] == CONTINUATION)
    ends = numpy.cumsum(numpy.fromiter((len(text) + 1 for text in texts), dtype=numpy.int64, count=len(texts)))
    return numpy.unique(numpy.searchsorted(ends, numpy.flatnonzero(signs), side="right")).tolist()


@cache
def _classes() -> Array:
    """The class of every code point up to LAST_LETTER, which stands for all beyond it; uint8."""
    table = numpy.zeros(LAST_LETTER + 1, dtype=numpy.uint8)
    table[0xC2:0xF5] = LEAD
    table[0x80:0xC0] = CONTINUATION
    table[[ord(sign) for sign in WINDOWS_1252]] = CONTINUATION
    for first, last in SUSPECT_RANGES:
        table[first : last + 1] = SUSPECT
    table[[ord("&"), 0xFEFF]] = SUSPECT
    return table


@cache
def _repair_only() -> Any:
    """ftfy's settings for repair alone: everything else is left to the rules for all text (`workspace.text`)."""
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
