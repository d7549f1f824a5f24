"""USX scripture (.usx): USFM as XML, https://docs.usfm.bible/usfm-usx-usj/usx."""

from pathlib import Path
from typing import Any

from ...workspace.errors import UserError
from .extracted import Extracted
from .scripture import CHAPTERS, DROPPED_CHARACTERS, NOTES, VERSES, ScriptureParagraphs
from .xml_files import attribute, local_name, parse_xml

NOT_TEXT = ("note", "figure")


def read_usx(path: Path) -> Extracted:
    """The paragraphs of a book without chapter and verse numbers, notes and headers. Raises UserError for other XML."""
    root = parse_xml(path.read_bytes(), path)
    if local_name(root) not in ("usx", "usfm"):
        raise UserError(f"{path}: not USX: its first element is {local_name(root)}, expected usx")
    paragraphs = ScriptureParagraphs()
    _read(root, paragraphs)
    paragraphs.end()
    return paragraphs.extracted


def _read(element: Any, paragraphs: ScriptureParagraphs) -> None:
    """Add the text inside an element, and with each of its children the text after it."""
    changes = paragraphs.extracted.changes
    for child in element:
        name, style = local_name(child), attribute(child, "style") or ""
        if name in ("verse", "chapter"):
            starts = attribute(child, "number") is not None  # the milestone at the end has none
            changes[VERSES if name == "verse" else CHAPTERS] += starts
            if name == "chapter":
                paragraphs.end()
            elif starts:
                paragraphs.text(" ")
        elif not name:
            pass  # an entity
        elif name in NOT_TEXT or (name == "char" and style in DROPPED_CHARACTERS):
            changes[NOTES] += 1
        else:
            if name in ("book", "para", "row"):
                paragraphs.start(style if name != "row" else "tr")
            paragraphs.text(f" {child.text or ''}" if name == "cell" else child.text or "")
            _read(child, paragraphs)
        # White space between paragraphs is layout.
        paragraphs.text(child.tail or "" if local_name(element) not in ("usx", "table", "row") else "")
