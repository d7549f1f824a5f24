"""OpenDocument texts (.odt): XML in a zip archive, OASIS OpenDocument 1.3 part 3."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...workspace.errors import UserError
from .extracted import Extracted
from .xml_files import attribute, local_name, open_archive, parse_xml, read_member

# Deletions and other tracked changes, comments, numbers of pages, readings above ruby text.
SKIPPED = ("tracked-changes", "annotation", "annotation-end", "note", "page-number", "page-count", "ruby-text", "forms")
CONTENTS = ("table-of-content", "illustration-index", "table-index", "alphabetical-index", "user-index")


def read_odt(path: Path) -> Extracted:
    """The paragraphs and headings of the body, each followed by those of its footnotes.

    Heads and feet of pages (in another file of the archive), page numbers, comments and tables of contents are left
    out. Raises UserError for what is no odt, or encrypted.
    """
    extracted = Extracted()
    with open_archive(path) as archive:
        if b"encryption-data" in read_member(archive, "META-INF/manifest.xml", path):
            raise UserError(f"{path}: protected with a password; save it without one")
        _read(parse_xml(read_member(archive, "content.xml", path), path), extracted)
    return extracted


def _read(element: Any, extracted: Extracted) -> None:
    for child in element:
        name = local_name(child)
        if name in ("p", "h"):
            extracted.add("".join(_pieces(child)))
            _read_inside(child, extracted)
        elif name in CONTENTS:
            extracted.changes["tables of contents left out"] += 1
        elif name == "tracked-changes":
            extracted.changes["deleted passages (tracked changes) left out"] += sum(
                1 for _ in child.iter("{*}deletion")
            )
        elif name not in SKIPPED:
            _read(child, extracted)


def _read_inside(paragraph: Any, extracted: Extracted) -> None:
    """The paragraphs of footnotes and text boxes that are anchored in a paragraph."""
    for child in paragraph:
        if local_name(child) in ("note-body", "text-box"):
            _read(child, extracted)
        elif local_name(child) != "annotation":
            _read_inside(child, extracted)


def _pieces(element: Any) -> Iterator[str]:
    yield _collapsed(element.text)
    for child in element:
        name = local_name(child)
        if name == "s":
            yield " " * int(attribute(child, "c") or 1)
        elif name == "tab":
            yield " "
        elif name == "line-break":
            yield "\n"
        elif name and name not in SKIPPED and name != "text-box":
            yield from _pieces(child)
        yield _collapsed(child.tail)


def _collapsed(text: str | None) -> str:
    """Text with line breaks as spaces: in OpenDocument only text:line-break ends a line."""
    return (text or "").replace("\n", " ")
