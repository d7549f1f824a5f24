"""Texts to read: arguments, the lines of a file, or standard input."""

import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from ..workspace.errors import UserError
from ..workspace.progress import QUIET, Progress

Texts = Annotated[
    list[str] | None, typer.Argument(metavar="TEXT", help="Texts; default: the lines of --file, or of standard input.")
]
TextFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        "-f",
        help="Read the lines of this text file, plain or .gz, or the paragraphs of a document: pdf, docx, html, srt, …",
    ),
]


def read_texts(texts: Sequence[str] | None, file: Path | None, progress: Progress = QUIET) -> Iterator[str]:
    """The texts, one by one, without line ends; blank ones too, so that results have the line numbers of the input.

    Reports to `progress` how a document is read. Raises UserError if there is nothing to read, if both texts and a file
    are given, and for text that is not UTF-8.
    """
    from ..pipeline.texts import document_texts, is_document
    from ..workspace.tables import is_table, open_text

    if texts and file:
        raise UserError("give texts or --file, not both")
    if file and is_table(file):
        raise UserError(
            f"--file {file}: expected lines of text, not a table; write its texts into a .txt file, one per line"
        )
    if file and is_document(file):
        yield from document_texts(file, progress)
    elif file:
        with open_text(file) as lines:
            yield from _lines(lines, str(file))
    elif texts:
        if names := [text for text in texts if _is_file(text)]:
            raise UserError(f"{names[0]} is a file: write --file {names[0]} to read it")
        yield from _lines([_argument(text) for text in texts], "the arguments")
    elif sys.stdin.isatty():
        raise UserError("no text: put it in quotes after the command, name a --file, or pipe lines in")
    else:
        # not sys.stdin itself, whose encoding depends on the locale
        lines = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig")
        try:
            yield from _lines(lines, "standard input")
        except UnicodeDecodeError as error:
            raise UserError(f"standard input: not UTF-8 text (byte {error.start}: {error.reason})") from error


def _is_file(text: str) -> bool:
    """Whether a text is the name of a file, whose content was meant; a word without an ending is taken as a text."""
    try:
        return bool(Path(text).suffix) and Path(text).is_file()
    except OSError:  # longer than a name may be
        return False


def _argument(text: str) -> str:
    """The argument as UTF-8, which Python does not decode under LC_ALL=C."""
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            return os.fsencode(text).decode()
        except UnicodeDecodeError as error:
            raise UserError("the arguments are not UTF-8 text") from error
    return text


def _lines(lines: Iterable[str], origin: str) -> Iterator[str]:
    """The lines without their ends. Raises UserError before the first if all are blank."""
    remaining = iter(lines)
    start = []
    for line in remaining:
        start.append(line)
        if line.strip():
            break
    else:
        raise UserError(f"no text in {origin}")
    for line in chain(start, remaining):
        yield line.rstrip("\r\n")
