"""What a batch of lines is made of, computed for all of them at once on their code points.

A call per character in Python would make preparing a web corpus take days; these arrays take it at over 10 MB/s.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

import numpy
from fontTools.unicodedata import Scripts

PERMUTATIONS = 64  # values of a signature
BANDS = 10
ROWS = 6  # values in a band: lines of similarity s share a band with probability 1 - (1 - s ** ROWS) ** BANDS
GRAM = 5  # characters in a shingle
SEED = 42
SLICE = 10_000  # lines

LETTER, SCRIPTED, OWN, KEY, SPACE, MENU, CODE, OPEN = (1 << bit for bit in range(8))  # bits of a code point's class
MENU_SIGNS, CODE_SIGNS, OPEN_SIGNS = "<>|»•›→", "{}©", "«‹"
PHRASES = ("javascript", "lorem ipsum", "all rights reserved", "cookie policy", "http://", "https://")
LEAD, TRAIL, ALONE = 1, 2, 3  # bytes of UTF-8 read as characters; what is suspect by itself
WINDOWS_1252 = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"  # what 80 to 9F are there
MENU_LIMIT = 3  # signs; where «» are quotation marks they go in pairs
MEMBERS = {
    "Jpan": ("Hira", "Kana", "Hani"),
    "Hans": ("Hani", "Bopo"),
    "Hant": ("Hani", "Bopo"),
    "Kore": ("Hang", "Hani"),
}
ASSIGNED = 0x32400  # beyond it lie tags, selectors and private use: no letters
GOLDEN = numpy.uint64(0x9E3779B97F4A7C15)

Array = numpy.ndarray[Any, Any]


@dataclass(frozen=True)
class Measures:
    """Arrays with a value for each line."""

    characters: Array
    """Length in characters."""
    letters: Array
    """Share of letters and marks among the characters that are no space."""
    script: Array
    """Share of the language's script among the letters that belong to a script; 1 where there is none."""
    boilerplate: Array
    """Whether it looks like a menu, code, an address or a copyright notice."""
    key: Array
    """64-bit hash of the letters and digits in lower case: lines that differ in nothing else are equal."""


def measure(lines: list[str], script: str) -> Measures:
    """Measure lines, which hold no line break; `script` is an ISO 15924 code (`Latn`)."""
    joined, codes, starts, ends = _codes(lines)
    classes = _classes(script)[numpy.minimum(codes, ASSIGNED)]

    def count(bits: int) -> Array:
        return numpy.add.reduceat((classes & bits) != 0, starts, dtype=numpy.int32)

    lengths = ends - starts  # of the lower case, which may have more characters
    ink, scripted = lengths + 1 - count(SPACE), count(SCRIPTED)  # each line's break is a space
    return Measures(
        characters=numpy.fromiter(map(len, lines), dtype=numpy.int64, count=len(lines)),
        letters=count(LETTER) / numpy.maximum(ink, 1),
        script=numpy.where((scripted > 0) & (script != "Zyyy"), count(OWN) / numpy.maximum(scripted, 1), 1.0),
        boilerplate=(count(MENU) - count(OPEN) >= MENU_LIMIT) | (count(CODE) > 0) | _with_phrases(joined, starts),
        key=_keys(codes, (classes & KEY) != 0, starts),
    )


def near_hashes(lines: list[str]) -> tuple[Array, Array]:
    """What near twins are found by: band values, uint64 (lines, BANDS), and signatures, uint8 (lines, PERMUTATIONS).

    Both from MinHash over lower-case character 5-grams (Broder 1997): the share of equal signature values estimates the
    Jaccard similarity of two lines, and those that share no value of the same band need not be compared.
    """
    from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue] - compiled, without type stubs

    if not lines:
        return numpy.zeros((0, BANDS), dtype=numpy.uint64), numpy.zeros((0, PERMUTATIONS), dtype=numpy.uint8)
    _, codes, starts, ends = _codes(lines, gap=GRAM)
    grams = numpy.zeros(len(codes) - GRAM + 1, dtype=numpy.uint64)
    wide = codes.astype(numpy.uint64)
    for place in range(GRAM):
        grams += wide[place : place + len(grams)] * _salt(place)
    counts = numpy.maximum(ends - starts - GRAM + 1, 1)  # a line shorter than a shingle is one, with line breaks
    offsets = numpy.concatenate(([0], numpy.cumsum(counts))).astype(numpy.uint64)
    within = numpy.arange(int(offsets[-1])) - numpy.repeat(offsets[:-1].astype(numpy.int64), counts)
    tokens = _mixed(grams[numpy.repeat(starts, counts) + within])
    signatures = numpy.empty((len(lines), PERMUTATIONS), dtype=numpy.uint64)
    for start in range(0, len(lines), SLICE):  # the library gives Python numbers, 32 bytes each
        some = offsets[start : start + SLICE + 1]
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(
            tokens[int(some[0]) : int(some[-1])], some - some[0], PERMUTATIONS, SEED
        )
        values = chain.from_iterable(matrix.to_rows())
        rows = len(some) - 1
        signatures[start : start + rows] = numpy.fromiter(
            values, dtype=numpy.uint64, count=rows * PERMUTATIONS
        ).reshape(rows, PERMUTATIONS)
    groups = signatures[:, : BANDS * ROWS].reshape(len(lines), BANDS, ROWS)
    salts = numpy.array([_salt(place) for place in range(ROWS)], dtype=numpy.uint64)
    return _mixed((groups * salts).sum(axis=2, dtype=numpy.uint64)), signatures.astype(numpy.uint8)


def suspects(texts: list[str]) -> list[int]:
    """Indices of the texts that may have broken encoding, and of few others.

    Told by UTF-8 read as Latin-1 or Windows-1252 ("Ä‹" for "ċ"), HTML's &, control and private characters.
    """
    joined = "\n".join(texts) + "\n"
    codes = numpy.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=numpy.uint32)
    marks = _suspect_marks()[numpy.minimum(codes, ASSIGNED)]
    found = marks == ALONE
    found[:-1] |= (marks[:-1] == LEAD) & (marks[1:] == TRAIL)
    ends = numpy.cumsum(numpy.fromiter((len(text) + 1 for text in texts), dtype=numpy.int64, count=len(texts)))
    return numpy.unique(numpy.searchsorted(ends, numpy.flatnonzero(found), side="right")).tolist()


def _codes(lines: list[str], gap: int = 1) -> tuple[str, Array, Array, Array]:
    """The lines joined in lower case by `gap` breaks, their code points, and the start and end of each line in them."""
    joined = ("\n" * gap).join(lines).lower() + "\n" * gap
    codes = numpy.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=numpy.uint32)
    breaks = codes == ord("\n")
    ends = numpy.flatnonzero(breaks[1:] & ~breaks[:-1]) + 1  # no line is empty
    return joined, codes, numpy.concatenate(([0], ends[:-1] + gap)), ends


def _with_phrases(joined: str, starts: Array) -> Array:
    found = numpy.zeros(len(starts), dtype=bool)
    for phrase in PHRASES:
        place = joined.find(phrase)
        while place >= 0:
            line = int(numpy.searchsorted(starts, place, side="right")) - 1
            found[line] = True
            place = joined.find(phrase, int(starts[line + 1])) if line + 1 < len(starts) else -1
    return found


def _keys(codes: Array, counted: Array, starts: Array) -> Array:
    """A sum of hashes of (character, place in line), over the counted characters."""
    lengths = numpy.add.reduceat(counted, starts, dtype=numpy.int64)
    firsts = numpy.cumsum(lengths) - lengths
    places = numpy.arange(int(lengths.sum())) - numpy.repeat(firsts, lengths)
    hashes = _mixed(codes[counted] + places.astype(numpy.uint64) * GOLDEN)
    running = numpy.concatenate((numpy.zeros(1, numpy.uint64), numpy.cumsum(hashes, dtype=numpy.uint64)))
    return running[firsts + lengths] - running[firsts]


def _mixed(values: Array) -> Array:
    """splitmix64's finaliser, in place: every bit of the input moves every bit of the output (Steele et al. 2014)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values ^= values >> numpy.uint64(shift)
        values *= numpy.uint64(factor)
    values ^= values >> numpy.uint64(31)
    return values


def _salt(place: int) -> numpy.uint64:
    """An odd factor for each place."""
    return numpy.uint64(pow(int(GOLDEN), place + 1, 2**64))


@cache
def _suspect_marks() -> Array:
    table = numpy.zeros(ASSIGNED + 1, dtype=numpy.uint8)
    table[0xC2:0xF5] = LEAD
    table[0x80:0xC0] = TRAIL
    table[[ord(sign) for sign in WINDOWS_1252]] = TRAIL
    for first, last in ((0, 8), (0xE, 0x1B), (0x7F, 0x84), (0x86, 0x9F), (0xE000, 0xF8FF), (0xFFFD, 0xFFFD)):
        table[first : last + 1] = ALONE
    table[[ord("&"), 0xFEFF]] = ALONE
    return table


@cache
def _classes(script: str) -> Array:
    """A byte of bits for every code point up to ASSIGNED."""
    table = numpy.zeros(ASSIGNED + 1, dtype=numpy.uint8)
    own = MEMBERS.get(script, (script,))
    ranges = zip(Scripts.RANGES, [*Scripts.RANGES[1:], ASSIGNED], Scripts.VALUES, strict=True)
    for start, end, name in ranges:
        if name not in ("Zyyy", "Zinh", "Zzzz"):  # shared by scripts, or none
            table[start : min(end, ASSIGNED)] |= SCRIPTED | (OWN if name in own else 0)
    for code in range(ASSIGNED):
        kind = unicodedata.category(chr(code))[0]
        if kind in "LM":
            table[code] |= LETTER | KEY
        else:
            table[code] &= ~numpy.uint8(SCRIPTED | OWN)  # a script's own digits and signs say little
            table[code] |= {"N": KEY, "Z": SPACE}.get(kind, 0)
    for bit, signs in ((MENU, MENU_SIGNS), (CODE, CODE_SIGNS), (OPEN, OPEN_SIGNS), (SPACE, "\n")):
        table[[ord(sign) for sign in signs]] |= bit
    return table
