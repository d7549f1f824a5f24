"""The local files of a corpus: data files as tasks have them, and documents, which only a corpus is read from."""

from collections import Counter
from pathlib import Path

from ..workspace.locations import expand_files, unread_files
from .corpus import Corpus

WEB_PAGES = (".html", ".htm", ".xhtml")
DOCUMENTS = (".pdf", ".docx", ".odt", ".epub", *WEB_PAGES, ".srt", ".vtt", ".usfm", ".sfm", ".usx")


def is_document(path: Path) -> bool:
    """Whether the name is that of a document: a PDF, a Word file, subtitles, …"""
    return path.suffix.lower() in DOCUMENTS


def corpus_files(corpus: Corpus) -> list[Path]:
    """The files of `corpus.files`, in order and without repeats. Raises UserError if an entry has none."""
    return expand_files(corpus.files, "corpus.files", also=DOCUMENTS)


def unread_corpus_files(corpus: Corpus) -> dict[Path, Counter[str]]:
    """For each folder of `corpus.files`, the extensions of the files that are not read, with their numbers."""
    return unread_files(corpus.files, also=DOCUMENTS)
