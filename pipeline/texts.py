"""Texts to label from documents, for `predict` and `fill-mask`."""

from pathlib import Path

from ..recipes.corpus_files import is_document
from ..workspace.errors import UserError
from ..workspace.progress import QUIET, Progress

__all__ = ["document_texts", "is_document"]


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
