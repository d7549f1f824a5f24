"""EPUB books (.epub): XHTML in a zip archive, in the order of the spine; https://www.w3.org/TR/epub-33/."""

import codecs
import posixpath
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ...workspace.errors import UserError
from .decoding import Encoding, decode_bytes
from .extracted import Extracted
from .web import declared_encoding, html_text
from .xml_files import attribute, open_archive, parse_xml, read_member

CONTAINER, ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"


def read_epub(path: Path) -> Extracted:
    """The paragraphs of a book's chapters, without its table of contents.

    Raises UserError for what is no epub, and for books protected by digital rights management.
    """
    extracted = Extracted()
    with open_archive(path) as archive:
        encrypted = _encrypted(archive, path)
        for name in _chapters(archive, path, extracted):
            if name in encrypted:
                raise UserError(f"{path}: protected by digital rights management (DRM); ask its publisher for the text")
            data = read_member(archive, name, path)
            utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            encoding = declared_encoding(data) or Encoding("utf-16" if utf16 else "utf-8-sig")
            text, _ = decode_bytes(path, data, encoding)
            chapter = html_text(text, path)
            extracted.paragraphs += chapter.paragraphs
            extracted.changes.update(chapter.changes)
    return extracted


def _chapters(archive: zipfile.ZipFile, path: Path, extracted: Extracted) -> Iterator[str]:
    """The files of the spine in their order."""
    container = parse_xml(read_member(archive, CONTAINER, path), path)
    package_name = next((attribute(each, "full-path") for each in container.iter("{*}rootfile")), None)
    if package_name is None:
        raise UserError(f"{path}: not an .epub file: {CONTAINER} names no package")
    package = parse_xml(read_member(archive, package_name, path), path)
    items = {attribute(item, "id"): item for item in package.iter("{*}item")}
    for reference in package.iter("{*}itemref"):
        item = items.get(attribute(reference, "idref"))
        if item is None or "html" not in (attribute(item, "media-type") or ""):
            continue
        if "nav" in (attribute(item, "properties") or "").split():
            extracted.changes["tables of contents left out"] += 1
            continue
        href = unquote(urlsplit(attribute(item, "href") or "").path)
        yield posixpath.normpath(posixpath.join(posixpath.dirname(package_name), href))


def _encrypted(archive: zipfile.ZipFile, path: Path) -> set[str]:
    """The files that encryption.xml lists; fonts may be among them in books without DRM."""
    if ENCRYPTION not in archive.namelist():
        return set()
    references = parse_xml(archive.read(ENCRYPTION), path).iter("{*}CipherReference")
    return {unquote(attribute(reference, "URI") or "") for reference in references}
