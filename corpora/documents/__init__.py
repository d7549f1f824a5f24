"""Reading documents (PDF, Word, web pages, subtitles, …) and plain text as paragraphs.

Each format has a module, whose reader returns an `Extracted`. A new one also needs its extension in
`recipes/corpus_files.py`, and a test in tests/corpora/documents/.
"""

from collections.abc import Callable
from pathlib import Path

from ...recipes.corpus_files import WEB_PAGES
from ...workspace.errors import UserError
from .decoding import decode_file
from .epub import read_epub
from .extracted import Extracted
from .opendocument import read_odt
from .pdf import read_pdf
from .subtitles import read_subtitles
from .usfm import read_usfm
from .usx import read_usx
from .web import read_html
from .word import read_docx

BINARY: dict[str, Callable[[Path], Extracted]] = {
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".odt": read_odt,
    ".epub": read_epub,
    ".usx": read_usx,
}
TEXTUAL: dict[str, Callable[[Path, str], Extracted]] = {
    ".srt": read_subtitles,
    ".vtt": read_subtitles,
    ".usfm": read_usfm,
    ".sfm": read_usfm,
}


def read_document(path: Path, encoding: str | None = None, script: str | None = None) -> Extracted:
    """The paragraphs of a document, in the format that its extension names.

    `encoding` is that of subtitles, USFM and web pages; by default `decoding.find_encoding` finds it. `script` is the
    ISO 15924 code of the language's script. Raises UserError, which names the file, if it is unreadable or has no text.
    """
    if not path.is_file():
        raise UserError(f"no such file: {path}")
    ending = path.suffix.lower()
    if ending in WEB_PAGES:
        return read_html(path, encoding, script)
    if ending in BINARY:
        return BINARY[ending](path)
    text, notes = decode_file(path, encoding, script)
    extracted = TEXTUAL[ending](path, text)
    extracted.notes.extend(notes)
    return extracted
