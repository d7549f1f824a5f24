"""What USFM and USX have in common: their markers, and paragraphs from them.

Markers: https://docs.usfm.bible/usfm/3.1/ (USFM) and https://docs.usfm.bible/usfm-usx-usj/usx (USX); USX has the same
names as values of `style`.
"""

import re

from .extracted import Extracted

# Paragraphs that are no running text: identification, remarks, headers, tables of contents, parallel passages, and
# labels of chapters.
DROPPED_PARAGRAPHS = re.compile(r"id|ide|usfm|rem|sts|h\d?|toc\d?|toca\d?|r|mr|sr|rr|cl|cp|cd|periph")
# Inside paragraphs: footnotes, cross references, figures, other numbers of chapters and verses, pronunciations.
DROPPED_CHARACTERS = ("fe", "f", "ef", "ex", "x", "fig", "va", "vp", "ca", "pro", "rq")
POETRY = re.compile(r"q[mrca]?\d?|qm\d?")

VERSES, CHAPTERS = "verse numbers removed", "chapter numbers removed"
NOTES, HEADERS = "notes, cross references and captions removed", "headers and labels removed"


class ScriptureParagraphs:
    """Collects the text of paragraphs; lines of poetry that follow one another become one paragraph."""

    def __init__(self) -> None:
        self.extracted = Extracted()
        self._text = ""
        self._style = ""

    def start(self, style: str) -> None:
        """Begin a paragraph of a style: p, q1."""
        if POETRY.fullmatch(style) and POETRY.fullmatch(self._style):
            self._text += " "
        else:
            self.end()
        self._style = style

    def text(self, text: str) -> None:
        """Add text to the paragraph; ~ is a no-break space, // a line break that is only recommended."""
        self._text += text.replace("\n", " ").replace("~", " ").replace("//", " ")

    def end(self) -> None:
        """End the paragraph, which is left out if its style is no running text."""
        if DROPPED_PARAGRAPHS.fullmatch(self._style):
            self.extracted.changes[HEADERS] += bool(self._text.strip())
        else:
            self.extracted.add(self._text)
        self._text, self._style = "", ""
