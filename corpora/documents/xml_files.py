"""XML, and the zip archives of XML that docx, odt and epub are."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...workspace.contents import DAMAGED_ARCHIVE, ZIP, other_content
from ...workspace.errors import UserError, first_line
from .extracted import documents_extra


@contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip archive at `path`. Raises UserError if it is none, or is damaged or encrypted."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DAMAGED_ARCHIVE as error:
        if path.read_bytes()[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":  # an OLE file
            raise UserError(
                f"{path}: protected with a password, or an old Word file: save it as {path.suffix} without a password"
            ) from error
        _refuse_other_content(path, error)
        raise UserError(
            f"{path}: not a readable {path.suffix} file ({first_line(error)}); save or download it again"
        ) from error
    except RuntimeError as error:  # how zipfile reports encrypted members
        raise UserError(f"{path}: encrypted; save it without a password") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error


def read_member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """A file of an archive. Raises UserError if it is missing."""
    try:
        return archive.read(name)
    except KeyError as error:
        _refuse_other_content(path, error)
        raise UserError(f"{path}: not a {path.suffix} file: it has no {name}") from error


def _refuse_other_content(path: Path, error: Exception) -> None:
    """Raise UserError, from `error`, if the file is of another kind than its name says; any zip archive may be one."""
    what = other_content(path)
    if what not in ("", ZIP):
        raise UserError(f"{path} is not a {path.suffix} file, but {what}") from error


def parse_xml(data: bytes, path: Path) -> Any:
    """The root element. Entities are not resolved, and nothing is fetched. Raises UserError for malformed XML."""
    with documents_extra(path):
        from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] - compiled, without type stubs
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise UserError(f"{path}: malformed XML ({first_line(error)}); save or download it again") from error


def local_name(element: Any) -> str:
    """The name of an element without its namespace; "" for entities."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def attribute(element: Any, name: str) -> str | None:
    """An attribute by its name without namespace."""
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), None)
