"""Web pages (.html, .xhtml): the text of their blocks without menus, heads and feet, forms and scripts."""

import codecs
import html
import re
from pathlib import Path
from typing import Any

from .decoding import Encoding, decode_bytes, decode_file
from .extracted import Extracted, documents_extra
from .xml_files import attribute, local_name

BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "details", "dialog"),
        *("div", "dl", "dt", "fieldset", "figcaption", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "html"),
        *("li", "main", "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr"),
        "ul",
    )
)
LAYOUT = frozenset(("nav", "aside", "menu", "header", "footer"))
SECTIONS = frozenset(("article", "main", "section"))  # a header inside one belongs to the text
SKIPPED = frozenset(
    (
        *("head", "script", "style", "template", "noscript", "svg", "math", "button", "select", "textarea"),
        *("iframe", "object", "audio", "video", "canvas", "rt", "rp"),
    )
)
NOTE_MARK = re.compile(r"[\[(]?[\d*†‡§,\s]+[\])]?")
DECLARED = re.compile(rb"""(?i)<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^>]+encoding\s*=\s*["']([\w.:-]+)""")
HEAD = 4096  # bytes in which an encoding is declared; browsers look at 1024
NAMED_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)[A-Za-z][A-Za-z\d]*;")
SPACES = re.compile(r"\s+")


def read_html(path: Path, encoding: str | None, script: str | None) -> Extracted:
    """The text of a saved web page.

    Its encoding is the one chosen, else the one that it declares, else what `find_encoding` finds. Raises UserError.
    """
    data = path.read_bytes()
    declared = None if encoding else declared_encoding(data)
    text, notes = decode_bytes(path, data, declared) if declared else decode_file(path, encoding, script)
    extracted = html_text(text, path)
    extracted.notes.extend(notes)
    return extracted


def declared_encoding(data: bytes) -> Encoding | None:
    """The encoding that a page declares, unless it has a byte-order mark or is UTF-8 after all."""
    match = DECLARED.search(data[:HEAD])
    if match is None or data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return None
    name = (match.group(1) or match.group(2)).decode()
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        return None
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        # Browsers read Latin-1 as Windows-1252, as the Encoding Standard says; UTF-8 would not have failed here.
        codec = "cp1252" if codec in ("iso8859-1", "ascii") else codec
        return (
            None
            if codec in ("utf-8", "utf-16", "utf-16-le", "utf-16-be")
            else Encoding(codec, f"in {name}, as it declares")
        )
    return None


def html_text(text: str, path: Path) -> Extracted:
    """The text of a page's blocks, each line of a `pre` and each `br` on its own."""
    extracted = Extracted()
    block: list[str] = []
    root = _parse(text, path)
    if root is not None:
        _read(root, block, extracted)
    extracted.add("".join(block))
    return extracted


def _parse(text: str, path: Path) -> Any:
    """The root of a page: as XML if it is well formed, since HTML parsers misread <title/>, else as HTML."""
    with documents_extra(path):
        from lxml import etree  # pyright: ignore[reportAttributeAccessIssue] - compiled, without type stubs
    text = re.sub(r"\A\s*<\?xml[^>]*\?>", "", text.lstrip("\ufeff"))
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        return etree.fromstring(NAMED_ENTITY.sub(lambda match: html.unescape(match.group()), text), parser)
    except etree.XMLSyntaxError:
        return etree.fromstring(
            text, etree.HTMLParser(huge_tree=True, no_network=True, remove_comments=True, remove_pis=True)
        )


def _read(root: Any, block: list[str], extracted: Extracted) -> None:
    """Add the text in document order, without recursion: pages may be nested deeply."""
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        element, ends = stack.pop()
        name = local_name(element).lower()
        if name in BLOCKS:
            extracted.add("".join(block))
            block.clear()
        if not ends and not _is_skipped(element, name, extracted):
            block.append(_text(element, element.text))
            stack.append((element, True))
            stack.extend((child, False) for child in reversed(element))
            continue
        if element is not root and element.getparent() is not None:
            block.append(_text(element.getparent(), element.tail))


def _text(parent: Any, text: str | None) -> str:
    """A text node: white space is collapsed, except in `pre`."""
    if not text or any(local_name(element) == "pre" for element in (parent, *parent.iterancestors())):
        return text or ""
    return SPACES.sub(" ", text)


def _is_skipped(element: Any, name: str, extracted: Extracted) -> bool:
    if not name or name in SKIPPED or attribute(element, "hidden") is not None:
        return True
    if name in LAYOUT and not (
        name in ("header", "footer") and any(local_name(parent) in SECTIONS for parent in element.iterancestors())
    ):
        extracted.changes["menus, heads and feet of pages removed"] += 1
        return True
    if name == "sup" and NOTE_MARK.fullmatch("".join(element.itertext())):
        extracted.changes["marks of notes removed"] += 1
        return True
    return False
