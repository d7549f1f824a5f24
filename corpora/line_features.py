"""The features of lines that the filters use, computed for a batch at once; and the key of exact duplicates.

Every code point has a class, a byte of bits ("a letter", "of the language's script", ...). Looking the classes up and
adding them line by line gives every share that a filter needs.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy
from fontTools.unicodedata import script as script_of

from .code_points import GOLDEN_RATIO, LAST_LETTER, Array, code_points, mix_bits, numbers_within

# Bits of a code point's class.
LETTER, HAS_SCRIPT, IN_SCRIPT, IN_KEY, SPACE, MENU_SIGN, CODE_SIGN, OPENING_QUOTE = (1 << bit for bit in range(8))
SIGNS = {MENU_SIGN: "<>|»•›→", CODE_SIGN: "{}©", OPENING_QUOTE: "«‹", SPACE: "\n"}
PHRASES = (  # of boilerplate, web addresses among them
    "javascript",
    "lorem ipsum",
    "all rights reserved",
    "cookie policy",
    "http://",
    "https://",
)
MENU_LIMIT = 3  # menu signs from which on a line is a menu
NO_SCRIPT = ("Zyyy", "Zinh", "Zzzz")  # common to several scripts, inherited, unknown
SCRIPT_MEMBERS = {  # ISO 15924 codes that stand for several scripts
    "Jpan": ("Hira", "Kana", "Hani"),
    "Hans": ("Hani", "Bopo"),
    "Hant": ("Hani", "Bopo"),
    "Kore": ("Hang", "Hani"),
}


@dataclass(frozen=True)
class LineFeatures:
    """Arrays with a value for each line."""

    characters: Array
    """Length in characters, int64."""
    letter_share: Array
    """Share of letters and marks among the characters that are no space."""
    script_share: Array
    """Share of the language's script among the letters that belong to a script; 1 where there is none."""
    boilerplate: Array
    """Whether it looks like a menu, code, an address or a copyright notice, bool."""
    key: Array
    """Hash of the letters and digits in lower case, uint64: lines that differ in nothing else have the same."""


def line_features(lines: list[str], script: str) -> LineFeatures:
    """Features of lines without line breaks, none of them empty; `script` is an ISO 15924 code (`Latn`)."""
    text, codes, starts, ends = code_points(lines)
    classes = _classes(script)[numpy.minimum(codes, LAST_LETTER)]

    def count(bits: int) -> Array:
        return numpy.add.reduceat((classes & bits) != 0, starts, dtype=numpy.int32)

    visible = ends - starts + 1 - count(SPACE)  # + 1 for the line break, which counts as a space
    with_script = count(HAS_SCRIPT)
    in_script = count(IN_SCRIPT) / numpy.maximum(with_script, 1)
    # Where «» are quotation marks, each » follows a «: only those too many are signs of a menu.
    menu_signs = count(MENU_SIGN) - count(OPENING_QUOTE)
    return LineFeatures(
        characters=numpy.fromiter(map(len, lines), dtype=numpy.int64, count=len(lines)),
        letter_share=count(LETTER) / numpy.maximum(visible, 1),
        script_share=numpy.where((with_script > 0) & (script != "Zyyy"), in_script, 1.0),
        boilerplate=(menu_signs >= MENU_LIMIT) | (count(CODE_SIGN) > 0) | _with_phrases(text, starts),
        key=_keys(codes, (classes & IN_KEY) != 0, starts),
    )


def _with_phrases(text: str, starts: Array) -> Array:
    """Whether each line holds one of PHRASES. They are rare: a search of the whole text is quicker than of lines."""
    with_phrase = numpy.zeros(len(starts), dtype=bool)
    for phrase in PHRASES:
        position = text.find(phrase)
        while position >= 0:
            line = int(numpy.searchsorted(starts, position, side="right")) - 1
            with_phrase[line] = True
            position = text.find(phrase, int(starts[line + 1])) if line + 1 < len(starts) else -1
    return with_phrase


def _keys(codes: Array, counted: Array, starts: Array) -> Array:
    """A hash of each line's `counted` characters: the sum of the hashes of (character, position among them)."""
    lengths = numpy.add.reduceat(counted, starts, dtype=numpy.int64)
    positions = numbers_within(lengths).astype(numpy.uint64)
    hashes = mix_bits(codes[counted] + positions * numpy.uint64(GOLDEN_RATIO))
    # A line's sum is the difference of two running sums: reduceat has no sum of nothing, for a line without letters.
    running = numpy.concatenate((numpy.zeros(1, numpy.uint64), numpy.cumsum(hashes, dtype=numpy.uint64)))
    ends = numpy.cumsum(lengths)
    return running[ends] - running[ends - lengths]


@cache
def _classes(script: str) -> Array:
    """The class of every code point up to LAST_LETTER, which itself has none; uint8."""
    table = numpy.zeros(LAST_LETTER + 1, dtype=numpy.uint8)
    members = SCRIPT_MEMBERS.get(script, (script,))
    for code in range(LAST_LETTER):
        character = chr(code)
        category = unicodedata.category(character)[0]
        if category in "LM":
            table[code] = LETTER | IN_KEY
            # Only letters and marks have a script here: a script's digits and signs say little of the language.
            name = script_of(character)
            if name not in NO_SCRIPT:
                table[code] |= HAS_SCRIPT | (IN_SCRIPT if name in members else 0)
        else:
            table[code] = {"N": IN_KEY, "Z": SPACE}.get(category, 0)
    for bit, signs in SIGNS.items():
        table[[ord(sign) for sign in signs]] |= bit
    return table
