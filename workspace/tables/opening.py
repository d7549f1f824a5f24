"""Open data files by their content rather than their name: gzip, UTF-16, and files that are not data."""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from ..contents import WEB_PAGE, binary_content
from ..errors import UserError

GZIP = b"\x1f\x8b"
BYTE_ORDER_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
PARQUET = b"PAR1"
HEAD = 512  # bytes by which the content is recognised


@dataclass(frozen=True)
class Content:
    """How to decode a file."""

    gzipped: bool
    encoding: str
    note: str | None = None
    """What the name of the file does not show."""
    chosen: bool = False
    """Whether the caller named the encoding."""


def inspect(path: Path, *, parquet: bool = False, encoding: str | None = None) -> Content:
    """Find out how to read a file from its first bytes; `encoding`, if given, is taken as it is.

    Raises UserError for a file that is missing, broken, or is not text (not parquet, if `parquet`).
    """
    head = _head(path)
    gzipped = head.startswith(GZIP)
    if parquet and gzipped:
        raise UserError(f"{path}: a gzipped parquet file: unpack it with gunzip")
    if not gzipped and path.suffix.lower() == ".gz":
        raise UserError(f"{path}: not a readable gzip file; should .gz be removed from its name?")
    notes = ["compressed with gzip"] if gzipped and path.suffix.lower() != ".gz" else []
    if gzipped:
        with _user_errors(path), gzip.open(path) as file:
            head = file.read(HEAD)
    if what := binary_content(path, head):
        raise UserError(f"{path} is {what}")
    if re.match(WEB_PAGE, head):
        raise UserError(
            f"{path} is a web page, not data: is the address that of the file itself, and are you logged in?"
        )
    if head.startswith(PARQUET) and not parquet:
        raise UserError(f"{path} is a parquet file: rename it to end in .parquet")
    if encoding is not None or parquet:
        return Content(gzipped, encoding or "utf-8-sig", " and ".join(notes) or None, chosen=encoding is not None)
    marked, name = _byte_order_mark(path, head)
    return Content(gzipped, marked, " and ".join([*notes, *name]) or None)


def _byte_order_mark(path: Path, head: bytes) -> tuple[str, list[str]]:
    """The codec that the byte-order mark shows, with a note; UTF-8 without one. Raises UserError for binary files."""
    for mark, codec, name in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return codec, [f"in {name}"]
    if b"\0" in head:
        raise UserError(f"{path}: UTF-16 without a byte-order mark, or a binary file: save it as UTF-8")
    return "utf-8-sig", []


@contextmanager
def open_text(path: Path, newline: str = "", encoding: str | None = None) -> Iterator[TextIO]:
    """Open a text file, plain or gzipped, in UTF-8 or in UTF-16 with a byte-order mark, which is skipped.

    `newline` is as for the built-in `open`, and so is `encoding`, if given. Raises UserError, now or while it is read,
    if the file is missing, truncated or not text.
    """
    content = inspect(path, encoding=encoding)
    opened = gzip.open if content.gzipped else open
    with _user_errors(path), cast(TextIO, opened(path, "rt", encoding=content.encoding, newline=newline)) as text:
        try:
            yield text
        except UnicodeError as error:
            if isinstance(error, UnicodeEncodeError):
                raise  # raised by the caller, not by reading
            raise UserError(_undecodable(path, content, error)) from error


def open_bytes(path: Path, content: Content) -> BinaryIO:
    """The bytes of a file, decompressed."""
    return cast(BinaryIO, gzip.open(path)) if content.gzipped else path.open("rb")


@contextmanager
def _user_errors(path: Path) -> Iterator[None]:
    """Turn errors of the file system and of gzip into UserErrors."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"no such file: {path}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a readable gzip file ({error}); download or create it again") from error


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except FileNotFoundError as error:
        raise UserError(f"no such file: {path}") from error
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error


def _undecodable(path: Path, content: Content, error: UnicodeError) -> str:
    """What is wrong, with the line. It is searched for again, as decoders work on chunks and do not count lines."""
    if content.chosen and content.encoding != "utf-8-sig":
        return f"{path}: not {content.encoding} text ({getattr(error, 'reason', error)}); name another encoding"
    if content.encoding != "utf-8-sig":
        return f"{path}: not {content.encoding.upper()} text although it begins like it; download or create it again"
    with open_bytes(path, content) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as bad:
                byte = line[bad.start]
                return f"{path}, line {number}: not UTF-8 text (byte 0x{byte:02x}, {bad.reason}); save it as UTF-8"
    return f"{path}: not UTF-8 text ({error})"
