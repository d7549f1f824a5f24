"""One door for text: every text that comes in, whatever for, is put into the same form by the same rules.

Corpus lines, task texts, words and labels, sentences, input of `predict` and `fill-mask`, terms of a graph: a model
that is trained on one form and asked in another sees other pieces, although both look alike on paper. The rules:

    NFC                     Unicode's normal form C, before the other rules and after them
    control characters      dropped, as are code points that are no characters
    byte-order marks        dropped, wherever they stand
    soft hyphens            dropped: they only say where a word may be broken
    direction marks         dropped: they only say in which direction to draw
    other format characters dropped: word joiners, invisible operators, annotations, tags outside a flag emoji
    zero-width spaces       dropped, except between letters of scripts without spaces, where they part words
    stray joiners           joiners (ZWJ, ZWNJ) and variation selectors stay with the character that they follow;
                            at the start of a text, after white space and repeated they are dropped
    unusual spaces          no-break spaces and all others become plain ones
    line breaks             of every kind become a space in a text of one line; in a page of a corpus they end a line

White space at the ends goes, runs of it become one space. Signs that only look alike (quotation marks, ligatures, wide
forms, Arabic presentation forms) are the writer's own and stay.
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
NOTHING_LEFT = "texts of which nothing is left"

_JOINERS = "\u200c\u200d"
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"  # the first are Mongolian
_TAGS = "\U000e0020-\U000e007f"  # of the flags of England, Scotland and Wales, after a black flag
_BREAKS = "\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"  # where str.splitlines cuts
_SPACES = "\x1f\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
_UNSPACED = "".join(f"{chr(part.start)}-{chr(part.stop - 1)}" for part in (TIBETAN, *UNSPACED))
_NO_CHARACTERS = "\ufdd0-\ufdef" + "".join(f"{chr(end - 1)}{chr(end)}" for end in range(0xFFFF, 0x110000, 0x10000))


@dataclass(frozen=True)
class Rule:
    """What happens to some characters."""

    name: str
    characters: str
    """Those that it may concern, as what stands between the brackets of a regular expression."""
    where: str = ""
    """Part of a regular expression: what must follow one of them, or stand around it, for the rule to hold."""
    replacement: str = ""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Where the rule holds. It begins with the characters themselves: so the search passes over all others."""
        return re.compile(f"[{self.characters}]{self.where}")


# In this order: each rule sees what those before it left. Possessive runs (*+) are judged as a whole by what is around.
# In (?<!\S.) the dot is the character found: it tells what stands before that one.
RULES = (
    Rule("control characters", "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f" + _NO_CHARACTERS),
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
"""Characters that never stay, as what stands between the brackets of a regular expression."""
NAMES = (NFC, *dict.fromkeys(rule.name for rule in RULES), LINE_BREAKS)
_BREAK = Rule(LINE_BREAKS, _BREAKS, r"(?:(?<=\r)\n)?+", " ")
_WHITE = re.compile(r"\s+")
# Most texts have none of the characters that a rule may concern: one look tells. Tabs and line feeds do not count.
_CONCERNED = re.compile(f"[{''.join(rule.characters for rule in RULES)}\x0b-\x0d\x1c-\x1e\x85\u2028\u2029]")
_SEPARATOR = "\x1c"  # between texts: white space that no rule of a page changes
_CODE_POINTS = 0x110000


def clean_page(text: str, counts: Counter[str] | None = None) -> str:
    """A text of many lines after the rules; line breaks and ordinary white space stay as they are.

    What changed is added to `counts`: under NFC the texts, under every other rule's name the characters.
    """
    text = to_nfc(text, counts)
    if not _CONCERNED.search(text):
        return text
    before = text
    for rule in RULES:
        text = _apply(rule, text, counts)
    return text if text is before else unicodedata.normalize("NFC", text)


def clean_line(text: str, counts: Counter[str] | None = None) -> str:
    """A text of one line after the rules, white space folded. `counts` as of `clean_page`."""
    text = text.strip()
    if text.isascii() and text.isprintable():  # so is ""
        return " ".join(text.split())
    text = clean_page(text, counts)
    if "\n" in text or _CONCERNED.search(text):
        text = _apply(_BREAK, text, counts)
    text = " ".join(text.split())
    if counts is not None and not text:
        counts[NOTHING_LEFT] += 1
    return text


def clean_field(value: str | list[str], counts: Counter[str] | None = None) -> str | list[str]:
    """A text or label, or each of the words or tags in a list (their number stays), after the rules."""
    return clean_line(value, counts) if isinstance(value, str) else [clean_line(part, counts) for part in value]


def clean_pages(texts: list[str], counts: Counter[str] | None = None, *, normal: bool = False) -> list[str]:
    """`clean_page` for many texts, at once where that is possible: a web corpus is cleaned at tens of MB/s.

    `normal`: they are known to be in normal form C, which takes as long to tell as all the rest.
    """
    texts = texts if normal else to_nfc_all(texts, counts)
    joined = _SEPARATOR.join(texts)
    bits = _present(joined)
    if not bits:
        return texts
    if joined.count(_SEPARATOR) >= len(texts):  # one of them holds it
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


def told(counts: Counter[str]) -> str:
    """What the rules changed, for people: "NFC: 312 texts changed, soft hyphens: 4 dropped"; "" for nothing.

    Names that are no rule's are told as they are.
    """
    plain = {rule.name for rule in (*RULES, _BREAK) if rule.replacement}

    def ending(name: str) -> str:
        return "texts changed" if name == NFC else "made plain spaces" if name in plain else "dropped"

    rules = [f"{name}: {counts[name]:,} {ending(name)}" for name in NAMES if counts[name]]
    return ", ".join([*rules, *(f"{name}: {count:,}" for name, count in counts.items() if name not in NAMES)])


@dataclass(frozen=True)
class Aligned:
    """A text after the rules (`clean_line`), and where each of its characters stood before."""

    text: str
    spans: Sequence[tuple[int, int]]
    """Start and end in the text as it was given, for each character of `text`."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Where the characters `start` to `end` (or one, if that is none) stood in the text as it was given."""
        return self.spans[start][0], self.spans[max(start, end - 1)][1]


def align(text: str, counts: Counter[str] | None = None) -> Aligned:
    """`clean_line` of a text, with the way back to the characters that the user wrote."""
    cleaned = clean_line(text, counts)
    tracked = Aligned(text, [(place, place + 1) for place in range(len(text))])
    if cleaned == text:
        return tracked
    tracked = _tracked_nfc(tracked)
    for rule in (*RULES, _BREAK):
        tracked = _tracked_sub(tracked, rule.pattern, rule.replacement)
    tracked = _tracked_sub(_tracked_nfc(tracked), _WHITE, " ")
    first = len(tracked.text) - len(tracked.text.lstrip())
    return Aligned(cleaned, tracked.spans[first : first + len(cleaned)])


def to_nfc(text: str, counts: Counter[str] | None = None) -> str:
    """The text in Unicode's normal form C; the first rule alone."""
    if unicodedata.is_normalized("NFC", text):
        return text
    if counts is not None:
        counts[NFC] += 1
    return unicodedata.normalize("NFC", text)


def _present(text: str) -> int:
    """A bit for each rule that a character of the text may concern."""
    import numpy  # only a corpus needs it

    codes = numpy.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=numpy.uint32)
    return int(numpy.bitwise_or.reduce(_bits_of_code_points()[codes])) if len(codes) else 0


@cache
def _bits_of_code_points() -> Any:
    """The rules that may concern each code point, a bit each; uint16."""
    import numpy

    everything = "".join(map(chr, range(_CODE_POINTS)))
    table = numpy.zeros(_CODE_POINTS, dtype=numpy.uint16)
    for number, rule in enumerate(RULES):
        for match in re.finditer(f"[{rule.characters}]+", everything):
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
    """Normal form C, character clusters as units; words where clusters are not enough (an older table of them)."""
    import regex  # only a text that changes needs it

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
