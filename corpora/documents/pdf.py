"""PDF documents: text by PDFium (pypdfium2), lines, columns and paragraphs by the positions of the characters."""

import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from ...workspace.contents import other_content
from ...workspace.errors import UserError
from .extracted import Extracted, documents_extra
from .paragraphs import WordParts, mend_paragraphs
from .pdf_layout import Fragment, Page, find_lines
from .pdf_paragraphs import broken_paragraphs

PASSWORD_ERROR = 4  # FPDF_ERR_PASSWORD
UNREADABLE = 0.3  # share of characters without a meaning from which a document is refused
GAP = 1.0  # heights of a line between characters from which on they belong to different columns
SAME_LINE = 0.5  # heights by which the bases of characters on one line may differ (superscripts)
HYPHEN = 2  # PDFium's code for a hyphen at the end of a line


def read_pdf(path: Path) -> Extracted:
    """The paragraphs of a PDF without running heads and page numbers, its words mended by those of the file alone.

    Raises UserError as `pdf_lines` does.
    """
    changes = Counter[str]()
    return mend_pdf(pdf_lines(path, changes), changes)


def mend_pdf(paragraphs: list[list[str]], changes: Counter[str], words: WordParts | None = None) -> Extracted:
    """The text of the paragraphs that `pdf_lines` gives; `words` are as for `mend_paragraphs`."""
    extracted = Extracted(changes=changes)
    for paragraph in mend_paragraphs(paragraphs, changes, words):
        extracted.add(paragraph)
    return extracted


def pdf_lines(path: Path, changes: Counter[str]) -> list[list[str]]:
    """The lines of each paragraph, which may divide words; what is removed is counted in `changes`.

    Raises UserError for files that are damaged or protected, that hold no text (scans), or whose fonts do not say which
    letters their glyphs are.
    """
    with documents_extra(path):
        import pypdfium2
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == PASSWORD_ERROR:
            raise UserError(f"{path}: protected with a password; save it without one") from error
        if what := other_content(path):
            raise UserError(f"{path} is not a PDF, but {what}") from error
        raise UserError(f"{path}: not a readable PDF ({error}); save or download it again") from error
    with closing(document):
        pages = [find_lines(_fragments(document, number)) for number in range(len(document))]
    _require_text(path, pages)
    changes["pages without text (images)"] = sum(not page.lines for page in pages)
    changes["pages read in columns"] = sum(page.columns for page in pages)
    return broken_paragraphs(pages, changes)


def _require_text(path: Path, pages: list[Page]) -> None:
    counts = Counter(
        unicodedata.category(character) for page in pages for line in page.lines for character in line.text
    )
    if not sum(count for category, count in counts.items() if category[0] in "LN"):
        raise UserError(
            f"{path}: a scanned PDF without text: recognise the text in its images first (OCR), e.g. with OCRmyPDF"
        )
    unknown = sum(counts[category] for category in ("Cc", "Cn", "Co"))
    unknown += sum(line.text.count("\ufffd") for page in pages for line in page.lines)
    if unknown > UNREADABLE * counts.total():
        raise UserError(
            f"{path}: its fonts do not say which letters they show; recognise its text from the pages' images (OCR)"
        )


def _fragments(document: Any, number: int) -> list[Fragment]:
    """Runs of characters on one line without a wide gap, in the order of the file."""
    with closing(document[number]) as page, closing(page.get_textpage()) as text:
        fragments: list[Fragment] = []
        for character, left, right, base, height in _characters(text):
            last = fragments[-1] if fragments else None
            if last is None or not _continues(last, left, right, base, height):
                if character.isspace():
                    continue
                fragments.append(Fragment(character, left, right, base, height))
            else:
                last.text += character
                last.left, last.right = min(last.left, left), max(last.right, right)
                last.height = max(last.height, height)
    for fragment in fragments:  # PDFium may give characters beyond the first plane as two halves of UTF-16
        fragment.text = fragment.text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return fragments


def _continues(last: Fragment, left: float, right: float, base: float, height: float) -> bool:
    """Whether a character goes on where a fragment ends: at its right or, in scripts from right to left, its left."""
    size = max(last.height, height)
    near = last.left - GAP * size <= right and left <= last.right + GAP * size
    return near and abs(base - last.base) <= SAME_LINE * size


def _characters(text: Any) -> Iterator[tuple[str, float, float, float, float]]:
    """Character, left, right, base line and height of the line, in points from the page's lower left corner.

    The spaces and line breaks that PDFium adds itself are left out where they have no place of their own.
    """
    import ctypes

    from pypdfium2 import raw

    x, y = ctypes.c_double(), ctypes.c_double()
    right_end = 0.0
    for index in range(raw.FPDFText_CountChars(text)):
        code = raw.FPDFText_GetUnicode(text, index)
        character = "-" if code == HYPHEN and raw.FPDFText_IsHyphen(text, index) == 1 else chr(code)
        if raw.FPDFText_IsGenerated(text, index) == 1:
            if character == " " and right_end:
                yield " ", right_end, right_end, y.value, 0.0
            continue
        left, bottom, right, top = text.get_charbox(index, loose=True)
        if not raw.FPDFText_GetCharOrigin(text, index, x, y) or character in "\r\n\0":
            continue
        right_end = right
        yield character, left, right, y.value, top - bottom
