"""What a file is by its first bytes, whatever its name: for messages about files of another kind than expected."""

import re
import struct
import zipfile
import zlib
from pathlib import Path

DAMAGED_ARCHIVE = (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, EOFError, ValueError)
"""What zipfile raises for an archive that is damaged."""
ARCHIVE = b"PK\x03\x04"
ZIP = "a zip archive: unpack it"
BINARY = (
    (rb"version https://git-lfs", "a Git LFS pointer, not the data: run `git lfs pull`, or download the file itself"),
    (rb"\xd0\xcf\x11\xe0", "an old Word or Excel file: save it as .docx, or its table as CSV"),
    (rb"BZh[1-9]1AY&SY", "compressed with bzip2: unpack it"),
    (rb"\xfd7zXZ\x00", "compressed with xz: unpack it"),
    (rb"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it"),
    (rb"%PDF-", "a PDF document: rename it to end in .pdf for a corpus; for a task, extract its text"),
    (rb"\{\\rtf", "an RTF document: save it as plain text (UTF-8)"),
)
WEB_PAGE = rb"(?i)\s*<(!doctype html|html)"
TEXTUAL = (
    (WEB_PAGE, "a web page: rename it to end in .html"),
    (rb"(\xef\xbb\xbf)?\s*[\[{]", "JSON: rename it to end in .json or .jsonl"),
)
ARCHIVED = (  # a member of the archive, and what has it
    ("word/document.xml", "a Word document: rename it to end in .docx for a corpus; for a task, save its table as CSV"),
    ("xl/workbook.xml", "an Excel workbook: save the sheet as CSV"),
    ("META-INF/container.xml", "an e-book: rename it to end in .epub"),
    ("content.xml", "an OpenDocument file: rename a text to end in .odt, or save a table as CSV"),
)
SAVE_AS = {
    **dict.fromkeys((".doc", ".rtf", ".pages", ".wpd", ".wps"), ".docx"),
    **dict.fromkeys((".xls", ".xlsx", ".ods"), ".csv"),
    **dict.fromkeys((".mobi", ".azw", ".azw3"), ".epub"),
    **dict.fromkeys((".ppt", ".pptx", ".odp"), ".pdf"),
}
"""Formats that are not read, and those as which their programs can save them."""


def binary_content(path: Path, head: bytes) -> str:
    """What a file with these first bytes is and what to do about it, if it is certainly no text; else ""."""
    if head.startswith(ARCHIVE):
        return _archived(path) or ZIP
    return next((what for magic, what in BINARY if re.match(magic, head)), "")


def other_content(path: Path) -> str:
    """What a file is, also if it is text, and what to do about it; "" if that is not known, or as its name says."""
    with path.open("rb") as file:
        head = file.read(512)
    what = binary_content(path, head) or next((what for magic, what in TEXTUAL if re.match(magic, head)), "")
    return "" if path.suffix.lower() in what else what


def _archived(path: Path) -> str:
    """What an archive is by its members, and what to do about it; "" if they do not show it."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = set(archive.namelist())
    except (*DAMAGED_ARCHIVE, OSError):  # also one inside a gzip file
        return ""
    return next((what for member, what in ARCHIVED if member in members), "")
