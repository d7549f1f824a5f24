"""Clean text: the same rules for every text that is read, whatever it is used for.

They apply to corpus lines, texts, words and labels of tasks, sentences, input of `predict` and `fill-mask`, and terms
of a graph. Text in another form looks the same to a reader, but is split into other subwords. The rules:

    NFC                     Unicode's normal form C, before the other rules and after them
    control characters      dropped, as are code points that are not characters
    byte-order marks        dropped, wherever they stand
    soft hyphens            dropped: they only mark where a word may be hyphenated
    direction marks         dropped: they only control the direction of display
    other format characters dropped: word joiners, invisible operators, annotations, tags outside a flag emoji
    zero-width spaces       dropped, except between letters of scripts without spaces, where they separate words
    stray joiners           joiners (ZWJ, ZWNJ) and variation selectors stay with the character that they follow;
                            at the start of a text, after white space and repeated they are dropped
    unusual spaces          no-break spaces and all others become ordinary spaces
    line breaks             of every kind become a space in a text of one line; in a page of a corpus they end a line

White space at the ends is removed, and runs of it become one space. Characters that merely look alike (quotation marks,
ligatures, wide forms, Arabic presentation forms) are kept.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from .scripts import TIBETAN, UNSPACED

NFC = "NFC"
LINE_BREAKS = "line breaks"
EMPTIED = "texts left empty"

_JOINERS = "\u200c\u200d"
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"  # the first are Mongolian
_TAGS = "\U000e0020-\U000e007f"  # of the flags of England, Scotland and Wales, after a black flag
_BREAKS = "\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"  # where str.splitlines cuts
_SPACES = "\x1f\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
_UNSPACED = "".join(f"{chr(part.start)}-{chr(part.stop - 1)}" for part in (TIBETAN, *UNSPACED))
_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(f"{chr(end - 1)}{chr(end)}" for end in range(0xFFFF, 0x110000, 0x10000))


@dataclass(frozen=True)
class Rule:
    """A rule for certain characters."""

    name: str
    characters: str
    """The characters, in the notation of a character class of a regular expression."""
    where: str = ""
    """The rest of the regular expression, for a rule that applies in some contexts only."""
    replacement: str = ""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Where the rule applies. Beginning with the character class keeps the search fast."""
        return re.compile(f"[{self.characters}]{self.where}")


# The order matters: each rule sees the text that the rules before it left. Possessive quantifiers (*+) take a whole
# run, so that the context is that of the run. A lookbehind such as (?<!\S.) is checked after the first character of the
# match, which the dot stands for: it tests the character before the match.
RULES = (
    Rule("control characters", "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f" + _NONCHARACTERS),
    Rule("byte-order marks", "\ufeff"),
    Rule("soft hyphens", "\xad"),
    Rule("direction marks", "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"),
    Rule(
        "other format characters",
        "\u2060-\u2065\u206a-\u206f\ufff9-\ufffc\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e001f",
    ),
    Rule("other format characters", _TAGS, f"(?<![\U0001f3f4{_TAGS}].)[{_TAGS}]*+"),
    Rule(
        "zero-width spaces",
        "\u200b",
        f"(?:(?<![{_UNSPACED}\u200b].)\u200b*+|\u200b*+(?![{_UNSPACED}])|(?=\u200b))",
    ),
    Rule(
        "stray joiners",
        _JOINERS + _SELECTORS,
        rf"(?:(?<!\S.)[{_JOINERS}{_SELECTORS}]*+|(?<=[{_JOINERS}]{{2}})|(?<=[{_SELECTORS}]{{2}}))",
    ),
    Rule("unusual spaces", _SPACES, replacement=" "),
)
DROPPED = "".join(rule.characters for rule in RULES if not rule.where and not rule.replacement)
"""Characters that are always dropped, in the notation of a character class."""
NAMES = (NFC, *dict.fromkeys(rule.name for rule in RULES), LINE_BREAKS)
_BREAK = Rule(LINE_BREAKS, _BREAKS, r"(?:(?<=\r)\n)?+", " ")
_WHITE = re.compile(r"\s+")
# One search finds out whether any rule may apply; to most texts none does. Tabs and line feeds do not count.
_AFFECTED = re.compile(f"[{''.join(rule.characters for rule in RULES)}\x0b-\x0d\x1c-\x1e\x85\u2028\u2029]")
_SEPARATOR = "\x1c"  # joins texts: white space that no rule for pages changes
_CODE_POINTS = 0x110000


def clean_page(text: str, counts: Counter[str] | None = None) -> str:
    """Clean a text of several lines; line breaks and ordinary white space stay as they are.

    Changes are added to `counts`: the number of texts under NFC, of characters under the names of the other rules.
    """
    text = to_nfc(text, counts)
    if not _AFFECTED.search(text):
        return text
    before = text
    for rule in RULES:
        text = _apply(rule, text, counts)
    return text if text is before else unicodedata.normalize("NFC", text)


def clean_line(text: str, counts: Counter[str] | None = None) -> str:
    """Clean a text of one line and collapse its white space. `counts` as in `clean_page`."""
    text = text.strip()
    if text.isascii() and text.isprintable():  # also the empty text
        return " ".join(text.split())
    text = clean_page(text, counts)
    if "\n" in text or _AFFECTED.search(text):
        text = _apply(_BREAK, text, counts)
    text = " ".join(text.split())
    if counts is not None and not text:
        counts[EMPTIED] += 1
    return text


def clean_field(value: str | list[str], counts: Counter[str] | None = None) -> str | list[str]:
    """Clean a text or label, or each of the words or tags in a list, whose length stays the same."""
    return clean_line(value, counts) if isinstance(value, str) else [clean_line(part, counts) for part in value]


def clean_pages(texts: list[str], counts: Counter[str] | None = None, *, normal: bool = False) -> list[str]:
    """`clean_page` for many texts, joined into one where possible: web text is cleaned at tens of MB/s.

    `normal` says that the texts are in normal form C, which takes as long to check as all other rules.
    """
    texts = texts if normal else to_nfc_all(texts, counts)
    joined = _SEPARATOR.join(texts)
    bits = _present(joined)
    if not bits:
        return texts
    if joined.count(_SEPARATOR) >= len(texts):  # one of the texts contains the separator
        return [clean_page(text, counts) for text in texts]
    before = joined
    for number, rule in enumerate(RULES):
        if bits >> number & 1:
            joined = _apply(rule, joined, counts)
    return texts if joined is before else unicodedata.normalize("NFC", joined).split(_SEPARATOR)


def to_nfc_all(texts: Sequence[str], counts: Counter[str] | None = None) -> list[str]:
    """`to_nfc` for many texts."""
    if unicodedata.is_normalized("NFC", _SEPARATOR.join(texts)):
        return list(texts)
    return [to_nfc(text, counts) for text in texts]


def describe_changes(counts: Counter[str]) -> str:
    """What the rules changed, in words: "NFC: 312 texts changed, soft hyphens: 4 dropped"; "" for no changes.

    Names that do not belong to a rule are listed with their counts.
    """
    made_spaces = {rule.name for rule in (*RULES, _BREAK) if rule.replacement}

    def effect(name: str) -> str:
        if name == NFC:
            return "texts changed"
        return "replaced by spaces" if name in made_spaces else "dropped"

    changes = [f"{name}: {counts[name]:,} {effect(name)}" for name in NAMES if counts[name]]
    return ", ".join([*changes, *(f"{name}: {count:,}" for name, count in counts.items() if name not in NAMES)])


@dataclass(frozen=True)
class Aligned:
    """A cleaned text (see `clean_line`) and the positions of its characters in the original."""

    text: str
    spans: Sequence[tuple[int, int]]
    """For each character of `text`, start and end in the original text."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Start and end in the original of the characters `start` to `end`, or of one if the range is empty."""
        return self.spans[start][0], self.spans[max(start, end - 1)][1]


def align(text: str, counts: Counter[str] | None = None) -> Aligned:
    """Clean a text as `clean_line` does, keeping track of the positions in the original."""
    cleaned = clean_line(text, counts)
    tracked = Aligned(text, [(index, index + 1) for index in range(len(text))])
    if cleaned == text:
        return tracked
    tracked = _tracked_nfc(tracked)
    for rule in (*RULES, _BREAK):
        tracked = _tracked_sub(tracked, rule.pattern, rule.replacement)
    tracked = _tracked_sub(_tracked_nfc(tracked), _WHITE, " ")
    first = len(tracked.text) - len(tracked.text.lstrip())
    return Aligned(cleaned, tracked.spans[first : first + len(cleaned)])


def to_nfc(text: str, counts: Counter[str] | None = None) -> str:
    """The text in Unicode's normal form C: the first rule only."""
    if unicodedata.is_normalized("NFC", text):
        return text
    if counts is not None:
        counts[NFC] += 1
    return unicodedata.normalize("NFC", text)


def _present(text: str) -> int:
    """Bit mask of the rules that may apply to the text, by its characters."""
    import numpy  # slow to import, and only needed for corpora

    codes = numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=numpy.uint32)
    return int(numpy.bitwise_or.reduce(_bits_of_code_points()[codes])) if len(codes) else 0


@cache
def _bits_of_code_points() -> Any:
    """For each code point the bit mask of the rules that may apply to it; uint16."""
    import numpy

    characters = "".join(map(chr, range(_CODE_POINTS)))
    table = numpy.zeros(_CODE_POINTS, dtype=numpy.uint16)
    for number, rule in enumerate(RULES):
        for match in re.finditer(f"[{rule.characters}]+", characters):
            table[match.start() : match.end()] |= 1 << number
    return table


def _apply(rule: Rule, text: str, counts: Counter[str] | None) -> str:
    changed, times = rule.pattern.subn(rule.replacement, text)
    if not times:
        return text
    if counts is not None:
        counts[rule.name] += times if rule.replacement else len(text) - len(changed)
    return changed


def _tracked_sub(tracked: Aligned, pattern: re.Pattern[str], replacement: str) -> Aligned:
    spans: list[tuple[int, int]] = []
    done = 0
    for match in pattern.finditer(tracked.text):
        spans += tracked.spans[done : match.start()]
        if replacement:
            spans.append(tracked.original(*match.span()))
        done = match.end()
    return Aligned(pattern.sub(replacement, tracked.text), [*spans, *tracked.spans[done:]])


def _tracked_nfc(tracked: Aligned) -> Aligned:
    """Normal form C by grapheme clusters; by words if clusters do not give the same result as the whole text."""
    import regex  # slow to import, and only needed for texts that change

    whole = unicodedata.normalize("NFC", tracked.text)
    if whole == tracked.text:
        return tracked
    for unit in (r"\X", r"\S+|\s+"):
        spans = list(_nfc_spans(tracked, regex.finditer(unit, tracked.text)))
        text = "".join(unicodedata.normalize("NFC", match[0]) for match in regex.finditer(unit, tracked.text))
        if text == whole:
            break
    return Aligned(whole, spans)


def _nfc_spans(tracked: Aligned, units: Iterable[Any]) -> Iterable[tuple[int, int]]:
    for match in units:
        normal = unicodedata.normalize("NFC", match[0])
        if normal == match[0]:
            yield from tracked.spans[match.start() : match.end()]
        else:
            yield from [tracked.original(*match.span())] * len(normal)
