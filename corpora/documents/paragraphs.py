"""From lines that a page's width broke to paragraphs: joining lines, and words that were hyphenated at line ends."""

import sys
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import regex

from ...workspace.scripts import is_unspaced

HYPHENS = "-\u00ad\u2010"
OTHER_HYPHENS = str.maketrans("\u2010\u2011", "--")  # within a line; U+2011 forbids a line break
WORD = regex.compile(r"[\p{L}\p{M}\p{N}'’ʼ]+(?:-[\p{L}\p{M}\p{N}'’ʼ]+)*")
BROKEN_WORD = regex.compile(rf"([\p{{L}}\p{{M}}'’ʼ]+)[{HYPHENS}]\Z")
CONTINUATION = regex.compile(r"[\p{L}\p{M}\p{N}'’ʼ]+")
SENTENCE_END = regex.compile(r"[\p{SB=STerm}\p{SB=ATerm}…]\p{SB=Close}*\s*\Z")
PARTNERS = 2  # other words with the same second part from which on a hyphen belongs to the word
# A hyphen belongs to a first part (Maltese il-, Kabyle d-) that has one in other words, unless more than BEGINNINGS
# times as many words just begin like it (Swahili wa-). In text of 13 languages that a program broke at hyphens and
# within words (5,000 lines of each), 97% of the former and 99% of the latter hyphens were judged correctly.
BEGINNINGS = 20

JOINED = "words joined at line ends"
HYPHEN_KEPT = "hyphens kept at line ends"
LINES_JOINED = "lines joined to paragraphs"

# Plain text is taken as wrapped at a width if WRAPPED_SHARE of the lines that others follow within a paragraph are at
# least FULL of the width long, the width is one of text, and half of them end within a sentence.
WIDTHS = range(30, 201)
FULL = 0.75
WRAPPED_SHARE = 0.75
UNFINISHED_SHARE = 0.5


def ends_sentence(text: str) -> bool:
    """Whether a text ends with a sentence's last mark, by Unicode's property Sentence_Break, or with an ellipsis."""
    return SENTENCE_END.search(text) is not None


def is_wrapped(paragraphs: Iterable[list[str]]) -> bool:
    """Whether the lines of paragraphs look broken at a width, rather than where their author ended them."""
    followed = [line for lines in paragraphs for line in lines[:-1]]
    if not followed:
        return False
    lengths = sorted(map(len, followed))
    width = lengths[int(0.95 * (len(lengths) - 1))]
    full = sum(length >= FULL * width for length in lengths)
    unfinished = sum(not ends_sentence(line) for line in followed)
    return width in WIDTHS and full >= WRAPPED_SHARE * len(lengths) and unfinished >= UNFINISHED_SHARE * len(lengths)


@dataclass
class WordParts:
    """The words of a document or of a corpus, by which a hyphen at the end of a line is judged."""

    words: Counter[str] = field(default_factory=Counter)
    """Numbers of the words that no line end divides, in lower case."""
    first_parts: dict[str, set[str]] = field(default_factory=dict)
    """The second parts that a first part has in hyphenated words: il -> {ktieb, kelb}."""
    second_parts: dict[str, set[str]] = field(default_factory=dict)
    _unhyphenated: list[str] = field(default_factory=list)
    """The words without a hyphen, sorted, of the first `_sorted` words."""
    _sorted: int = 0

    @classmethod
    def of(cls, paragraphs: Iterable[list[str]]) -> "WordParts":
        """The words of the lines of paragraphs."""
        parts = cls()
        for lines in paragraphs:
            parts.add(lines)
        return parts

    def add(self, lines: Iterable[str]) -> None:
        """Count the words of lines, without those at the end or the beginning of a broken word."""
        for line in lines:
            for word in WORD.findall(line.rstrip(HYPHENS).lower().translate(OTHER_HYPHENS)):
                self.words[word] += 1
                first, hyphen, second = word.partition("-")
                if hyphen:
                    self.first_parts.setdefault(first, set()).add(second)
                    self.second_parts.setdefault(second, set()).add(first)

    def keeps_hyphen(self, first: str, second: str) -> bool:
        """Whether the word of these parts is written with a hyphen in the middle of a line.

        It is before a capital or a digit (Jean-Paul, COVID-19); of other words, the form that occurs more often counts.
        If neither occurs, the hyphen is kept after a single letter (Maltese l-istat; hyphenation leaves two or more, as
        lefthyphenmin says in TeX), between equal words (Javanese bocah-bocah), and where the first or second part has
        one in other words (Maltese il-ktieb).
        """
        starts_name = second[0].isupper() and not first.isupper()
        if starts_name or second[0].isnumeric():
            return True
        first, second = first.lower(), second.lower()
        joined, hyphenated = self.words[first + second], self.words[f"{first}-{second}"]
        if joined or hyphenated:
            return hyphenated > joined
        is_single_letter = len(first) == 1 and first != first.upper()  # of a script with capitals
        if is_single_letter or (first == second and self.words[first]):
            return True
        hyphenated_words = len(self.first_parts.get(first, ()))
        is_prefix = hyphenated_words and BEGINNINGS * hyphenated_words >= self._count_words_from(first)
        return bool(is_prefix) or len(self.second_parts.get(second, ())) >= PARTNERS

    def _count_words_from(self, first: str) -> int:
        """How many words without a hyphen begin with `first`."""
        if self._sorted != len(self.words):
            self._unhyphenated = sorted(word for word in self.words if "-" not in word)
            self._sorted = len(self.words)
        return bisect(self._unhyphenated, first + chr(sys.maxunicode)) - bisect(self._unhyphenated, first)


def join_lines(lines: list[str], words: WordParts, changes: Counter[str]) -> str:
    """The lines of a paragraph as one, with words mended that a hyphen divides at a line end; counted in `changes`."""
    text = lines[0].strip() if lines else ""
    for line in (line.strip() for line in lines[1:]):
        changes[LINES_JOINED] += 1
        broken, continuation = BROKEN_WORD.search(text), CONTINUATION.match(line)
        if broken and continuation:
            keeps = text[-1] != "\u00ad" and words.keeps_hyphen(broken.group(1), continuation.group())
            changes[HYPHEN_KEPT if keeps else JOINED] += 1
            text = text + line if keeps else text[:-1] + line
        elif text and line and is_unspaced(text[-1]) and is_unspaced(line[0]):
            text += line  # scripts without spaces
        else:
            text = f"{text} {line}"
    return text


def mend_paragraphs(
    paragraphs: list[list[str]], changes: Counter[str], words: WordParts | None = None
) -> Iterator[str]:
    """Each paragraph's lines as one line; `words` are those of all files of the corpus, None: of these paragraphs."""
    words = words or WordParts.of(paragraphs)
    for lines in paragraphs:
        yield join_lines(lines, words, changes)


def split_at_blank_lines(lines: Iterable[str]) -> Iterator[list[str]]:
    """Paragraphs: lists of lines, stripped, between blank ones."""
    paragraph: list[str] = []
    for line in lines:
        if stripped := line.strip():
            paragraph.append(stripped)
        elif paragraph:
            yield paragraph
            paragraph = []
    if paragraph:
        yield paragraph
