"""Texts from files that the user names, for commands that read text."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ..recipes.corpus_files import is_document
from ..workspace.errors import UserError
from ..workspace.progress import QUIET, Progress
from ..workspace.tables import open_text

__all__ = ["document_texts", "file_texts", "is_document"]


def file_texts(files: Iterable[Path]) -> Iterator[str]:
    """The lines of files of text; of documents, their paragraphs. Raises UserError for a file that cannot be read."""
    for file in files:
        if is_document(file):
            yield from document_texts(file)
        else:
            with open_text(file) as lines:
                yield from (line.rstrip("\r\n") for line in lines)


def document_texts(path: Path, progress: Progress = QUIET) -> list[str]:
    """The paragraphs of a PDF, a Word file, subtitles, … as a corpus has them; what was mended goes to `progress`.

    Raises UserError for a file that cannot be read or has no text.
    """
    from ..corpora.documents import read_document
    from ..corpora.documents.extracted import describe_extraction

    extracted = read_document(path)
    for note in [*extracted.notes, describe_extraction(extracted.changes)]:
        if note:
            progress.say(f"read {path.name}: {note}")
    if not extracted.paragraphs:
        raise UserError(f"no text in {path}")
    return extracted.paragraphs
