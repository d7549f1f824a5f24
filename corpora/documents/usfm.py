"""USFM scripture (.usfm, .sfm): text with backslash markers, https://docs.usfm.bible/usfm/3.1/."""

import re
from pathlib import Path

from ...workspace.errors import UserError
from .extracted import Extracted
from .scripture import CHAPTERS, DROPPED_CHARACTERS, NOTES, VERSES, ScriptureParagraphs

# A note without its end marker ends at the next verse, chapter or paragraph.
NOTE = re.compile(rf"\\({'|'.join(DROPPED_CHARACTERS)})\s(?:(?!\\[vcp]\s).)*?(?:\\\1\*|(?=\\[vcp]\s)|\Z)", re.DOTALL)
MILESTONE = re.compile(r"\\z?[a-z\d]+(?:-[se])?\s*(?:\|[^\\]*)?\\\*")  # \ts\*, \qt-s |who="Petro"\*, \zaln-s |x="…"\*
ATTRIBUTES = re.compile(r"\|[^\\|]*(?=\\\+?[a-z]+\d?\*)")  # \w neno|lemma="neno"\w*
CHARACTERS = (
    r"add|addpn|bk|dc|em|bd|bdit|it|no|sc|sup|nd|ndx|ord|pn|png|qs|qac|qt|sig|sls|tl|wj|k|rb|jmp|w|wa|wg|wh|wr|ior|iqt"
    r"|liv\d?|lik|litl|z[a-z]+"
)
CLOSING = re.compile(r"\\\+?[a-z]+\d?\*")
OPENING = re.compile(rf"\\\+?(?:{CHARACTERS})\b\s?")
CELL = re.compile(r"\\t[hc][rc]?\d(?:-\d)?\b")
VERSE = re.compile(r"\\v\s+\S+")
CHAPTER = re.compile(r"\\c\s+\S+")
PARAGRAPH = re.compile(r"\\([a-z]+\d?)\b")


def read_usfm(path: Path, text: str) -> Extracted:
    """The paragraphs of a book without chapter and verse numbers, notes and headers.

    Raises UserError for text without markers.
    """
    paragraphs = ScriptureParagraphs()
    changes = paragraphs.extracted.changes
    text, changes[NOTES] = NOTE.subn("", text.replace("\r\n", "\n"))
    for pattern, replacement in ((MILESTONE, ""), (ATTRIBUTES, ""), (CLOSING, ""), (OPENING, ""), (CELL, " ")):
        text = pattern.sub(replacement, text)
    text, changes[VERSES] = VERSE.subn(" ", text)
    text, changes[CHAPTERS] = CHAPTER.subn(r"\\c", text)
    before, *parts = PARAGRAPH.split(text)
    if not parts:
        raise UserError(f"{path}: no USFM: expected markers such as \\id, \\c and \\v")
    paragraphs.text(before.lstrip("\ufeff"))
    for style, content in zip(parts[::2], parts[1::2], strict=True):
        paragraphs.start(style)
        paragraphs.text(content)
    paragraphs.end()
    return paragraphs.extracted
