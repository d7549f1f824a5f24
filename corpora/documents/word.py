"""Word documents (.docx): WordprocessingML in a zip archive, ECMA-376 part 1, section 17."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .extracted import Extracted
from .xml_files import attribute, local_name, open_archive, parse_xml, read_member

HEADS = re.compile(r"word/(header|footer)\d*\.xml")
NOTES = ("word/footnotes.xml", "word/endnotes.xml")
CONTENTS = re.compile(r"toc ?\d*|tableoffigures", re.IGNORECASE)  # styles of the lines of tables of contents
# Deletions in tracked changes, field codes, the old form of drawings, the readings above ruby text.
SKIPPED = ("del", "moveFrom", "delText", "instrText", "Fallback", "rt")
SIGNS = {"tab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": "\u00ad", "ptab": " "}


def read_docx(path: Path) -> Extracted:
    """The paragraphs of the body, with those of tables and text boxes, then of footnotes and endnotes.

    Heads and feet of pages, page numbers and tables of contents are left out. Raises UserError for what is no docx.
    """
    extracted = Extracted()
    with open_archive(path) as archive:
        _read_part(parse_xml(read_member(archive, "word/document.xml", path), path), extracted)
        for name in NOTES:
            if name in archive.namelist():
                _read_part(parse_xml(archive.read(name), path), extracted)
        extracted.changes["heads and feet of pages left out"] = sum(_heads(archive, path))
    return extracted


def _heads(archive: zipfile.ZipFile, path: Path) -> Iterator[bool]:
    """For each head and foot, whether it has text."""
    for name in archive.namelist():
        if HEADS.fullmatch(name):
            root = parse_xml(archive.read(name), path)
            yield any(text.strip() for text in root.itertext())


def _read_part(root: Any, extracted: Extracted) -> None:
    for paragraph in root.iter("{*}p"):
        if any(local_name(parent) in SKIPPED for parent in paragraph.iterancestors()):
            continue
        style = next(paragraph.iterfind("{*}pPr/{*}pStyle"), None)
        if style is not None and CONTENTS.fullmatch(attribute(style, "val") or ""):
            extracted.changes["lines of tables of contents left out"] += 1
            continue
        extracted.add("".join(_pieces(paragraph, extracted)))


def _pieces(element: Any, extracted: Extracted) -> Iterator[str]:
    """The text of a paragraph or a part of one; paragraphs of text boxes inside it come on their own."""
    for child in element:
        name = local_name(child)
        if name == "t":
            yield child.text or ""
        elif name in SIGNS:
            yield SIGNS[name]
        elif name in SKIPPED:
            if name in ("del", "moveFrom"):
                extracted.changes["deleted passages (tracked changes) left out"] += 1
        elif name == "r" and _is_hidden(child):
            extracted.changes["hidden passages left out"] += 1
        elif name not in ("txbxContent", "pPr", "rPr"):
            yield from _pieces(child, extracted)


def _is_hidden(run: Any) -> bool:
    hidden = next(run.iterfind("{*}rPr/{*}vanish"), None)
    return hidden is not None and attribute(hidden, "val") not in ("0", "false", "off")
