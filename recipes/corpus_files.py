"""The local files of a corpus: data files as tasks have them, and documents, which only a corpus is read from."""

from collections import Counter
from pathlib import Path, PurePosixPath

from ..workspace.errors import UserError
from ..workspace.hub_files import WILDCARD, expand_braces
from ..workspace.locations import expand_files, unread_files
from .corpus import Corpus

WEB_PAGES = (".html", ".htm", ".xhtml")
PDF = ".pdf"
DOCUMENTS = (PDF, ".docx", ".odt", ".epub", *WEB_PAGES, ".srt", ".vtt", ".usfm", ".sfm", ".usx")
HUB = "hf://"


def is_document(path: Path) -> bool:
    """Whether the name is that of a document: a PDF, a Word file, subtitles, …"""
    return path.suffix.lower() in DOCUMENTS


def is_pdf(path: Path) -> bool:
    """Whether the name is that of a PDF."""
    return path.suffix.lower() == PDF


def may_name_pdf(pattern: str) -> bool:
    """Whether a path on the hub, which may be a pattern, is that of a PDF or may match one."""
    for expanded in expand_braces(pattern):
        name = PurePosixPath(expanded)
        ending = name.suffix.lower() or name.name
        if ending == PDF or WILDCARD.search(ending):
            return True
    return False


def local_corpus_files(corpus: Corpus) -> list[Path]:
    """The local files of `corpus.files`, in order and without repeats. Raises UserError if an entry has none."""
    return expand_files(_local_entries(corpus), "corpus.files", also=DOCUMENTS)


def hub_addresses(corpus: Corpus) -> list[str]:
    """The `hf://` addresses of `corpus.files`, in order and without repeats."""
    return list(dict.fromkeys(entry for entry in corpus.files if entry.startswith(HUB)))


def unread_corpus_files(corpus: Corpus) -> dict[Path, Counter[str]]:
    """For each folder of `corpus.files`, the extensions of the files that are not read, with their numbers."""
    return unread_files(_local_entries(corpus), also=DOCUMENTS)


def _local_entries(corpus: Corpus) -> list[str]:
    entries = [entry for entry in corpus.files if not entry.startswith(HUB)]
    if address := next((entry for entry in entries if "://" in entry), None):
        scheme = address.partition("://")[0]
        raise UserError(
            f"corpus.files: {scheme}:// is not read; download the file, or use hf://datasets/OWNER/NAME/PATH"
        )
    return entries
