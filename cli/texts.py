"""Texts to work on: arguments, the lines of a file, or what is piped in."""

import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from ..workspace.errors import UserError

Texts = Annotated[
    list[str] | None,
    typer.Argument(metavar="TEXT", help="Texts; without them and --file, the lines piped in.", show_default=False),
]
TextFile = Annotated[
    Path | None,
    typer.Option("--file", "-f", help="Read the lines of a text file, plain or .gz, instead.", show_default=False),
]


def read_texts(texts: Sequence[str] | None, file: Path | None) -> Iterator[str]:
    """The texts, one by one, without line ends; blank ones too, so that what is made of them keeps the order of lines.

    Raises UserError where there is nothing to read, both texts and a file are given, or something else than UTF-8.
    """
    from ..workspace.tables import is_table, open_text

    if texts and file:
        raise UserError("give texts, or --file, not both")
    if file and is_table(file):
        raise UserError(f"--file {file}: expected lines of text, not a table; write its texts into a .txt, one a line")
    if file:
        with open_text(file) as lines:
            yield from _some(lines, str(file))
    elif texts:
        yield from _some([_argument(text) for text in texts], "the arguments")
    elif sys.stdin.isatty():
        raise UserError("no text: write it behind the command in quotes, name a --file, or pipe lines in")
    else:
        # its own decoder: Python's depends on the locale
        lines = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig")
        try:
            yield from _some(lines, "the standard input")
        except UnicodeDecodeError as error:
            raise UserError(f"standard input: not UTF-8 text (byte {error.start}: {error.reason})") from error


def _argument(text: str) -> str:
    """An argument, decoded anew where Python took the locale's word for its encoding (LC_ALL=C) and could not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        try:
            return os.fsencode(text).decode()
        except UnicodeDecodeError as error:
            raise UserError("the arguments are not UTF-8 text") from error
    return text


def _some(lines: Iterable[str], origin: str) -> Iterator[str]:
    """The lines without their ends. Raises UserError where all are blank, before the first."""
    rest = iter(lines)
    head = []
    for line in rest:
        head.append(line)
        if line.strip():
            break
    else:
        raise UserError(f"no text in {origin}")
    for line in chain(head, rest):
        yield line.rstrip("\r\n")
