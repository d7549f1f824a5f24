"""Rows of csv and tsv files in the dialects that spreadsheets and scripts write."""

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..text import clean_line
from .opening import open_text
from .swallowed import Suspect, find_suspect, judge_suspects

SAMPLE = 2**18  # characters that the dialect is told from
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
UNCLOSED = "unexpected end"  # in the message of csv.Error
DOUBLED = re.compile(r'(?:^|\t)"[^\t]*""[^\t]*"(?=\t|\r?$)', re.MULTILINE)
QUOTED_HEADER = re.compile(r'"[^"\t\n]+"(\t"[^"\t\n]+")*\r?\n')
CARRIAGE_RETURN = "; a carriage return ends this line: if it is part of a text, put that in quotes or remove it"
SEP_LINE = re.compile(r"sep=(.)\r?\n")  # Excel's first line, which names the separator


@dataclass(frozen=True)
class Dialect:
    """How the columns of a file are set apart."""

    separator: str = ","
    quoted: bool = True
    """Fields may stand in quotes, with quotes inside them doubled (RFC 4180)."""
    skip_spaces: bool = False
    """Spaces after a separator are no part of the field."""
    skip_lines: int = 0
    """Lines before the header."""

    def reader(self, lines: Any, *, strict: bool = True) -> Any:
        """A csv.reader over `lines`."""
        quoting: dict[str, Any] = {"strict": strict} if self.quoted else {"quoting": csv.QUOTE_NONE}
        return csv.reader(lines, delimiter=self.separator, skipinitialspace=self.skip_spaces, **quoting)

    def notes(self, *, tsv: bool) -> list[str]:
        """What is not as the file's ending promises: commas and quotes in a csv, tabs without quoting in a tsv."""
        found = []
        if self.separator != ("\t" if tsv else ","):
            found.append(f"columns separated by {SEPARATORS.get(self.separator, repr(self.separator))}")
        elif tsv and self.quoted:
            found.append("quotes around fields removed")
        if self.skip_spaces:
            found.append("spaces after separators removed")
        return found


def find_dialect(path: Path, *, tsv: bool) -> Dialect:
    """The dialect of a file, told from its header and its first rows."""
    with open_text(path) as file:
        sample = file.read(SAMPLE)
    cut = len(sample) == SAMPLE
    if named := SEP_LINE.match(sample):
        separator, skip_lines = named[1], 1
    else:
        separator, skip_lines = _separator(sample, cut=cut, usual="\t" if tsv else ","), 0
    sample = sample.split("\n", skip_lines)[-1]
    if separator == "\t":
        return Dialect(separator, quoted=_is_quoted(sample, cut=cut), skip_lines=skip_lines)
    plain = Dialect(separator)
    header = next(iter(_records(sample, plain, cut=cut)), [])
    spaced = any(name[:1] == " " for name in header[1:]) or _quotes_after_spaces(sample, separator, cut=cut)
    return Dialect(separator, skip_spaces=spaced, skip_lines=skip_lines)


def delimited_rows(path: Path, dialect: Dialect, notes: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The line on which each row begins, and the row; `notes` gets what is told once all are read.

    Raises UserError with the line for two columns of one name, a row with more or fewer fields than the header, and
    quotes that are not closed or that swallow the rows after them.
    """
    csv.field_size_limit(sys.maxsize)  # whole web pages stand in one field
    suspects: list[Suspect] = []
    names: list[str] = []
    last = 0
    with open_text(path) as file:
        for _ in range(dialect.skip_lines):
            file.readline()
        lines = _Lines(file)
        reader = dialect.reader(lines)
        try:
            for fields in reader:
                line, last = last + 1, reader.line_num
                if not names:
                    names = header(path, fields)
                elif len(fields) == len(names):
                    if line < last and (suspect := find_suspect(line, last, fields, dialect.reader)):
                        suspects.append(suspect)
                    yield line + dialect.skip_lines, dict(zip(names, fields, strict=True))
                elif fields:
                    told = _wrong_width(path, line + dialect.skip_lines, len(names), len(fields))
                    raise UserError(told + (CARRIAGE_RETURN if lines.last.endswith("\r") else ""))
        except csv.Error as error:
            raise UserError(_misquoted(path, last + 1 + dialect.skip_lines, str(error))) from error
    if suspects:
        with open_text(path) as file:
            notes += judge_suspects(path, suspects, dialect.reader(file), skipped=dialect.skip_lines)


class _Lines:
    """The lines of a file, and the last one read."""

    def __init__(self, file: Iterable[str]) -> None:
        self._file = iter(file)
        self.last = ""

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        self.last = next(self._file)
        return self.last


def header(path: Path, names: list[str]) -> list[str]:
    """The column names in the form that all text gets. Raises UserError where two are the same."""
    names = [clean_line(name) for name in names]
    for second, name in enumerate(names):
        first = names.index(name)
        if first < second and name:  # a spreadsheet's empty columns at the right have no name
            raise UserError(f"{path}: columns {first + 1} and {second + 1} are both called {name!r}; rename one")
    return names


def _quotes_after_spaces(sample: str, separator: str, *, cut: bool) -> bool:
    """Whether fields stand in quotes behind a space, and the rows can be read so.

    In a quoted field a quote is doubled, or the closing one: neither counts.
    """
    part = re.escape(separator)
    if not re.search(rf'{part} +"[^"{part}\r\n]', sample):
        return False
    try:
        _records(sample, Dialect(separator, skip_spaces=True), cut=cut, strict=True)
    except csv.Error:
        return False
    return True


def _separator(sample: str, *, cut: bool, usual: str) -> str:
    """The one that gives the header more than one column, rather where the rows then have as many; else the usual."""

    def fitness(separator: str) -> tuple[bool, bool]:
        widths = [len(row) for row in _records(sample, Dialect(separator, quoted=separator != "\t"), cut=cut) if row]
        several = bool(widths) and widths[0] > 1
        return several and len(set(widths)) == 1, several

    return max([usual, *(other for other in SEPARATORS if other != usual)], key=fitness)


def _is_quoted(sample: str, *, cut: bool) -> bool:
    """Whether quotes around the fields of a tsv are not part of the text.

    Sure where no quote contradicts it and the header is in quotes, quotes inside fields are doubled, or only so all
    rows have as many columns; otherwise a quote is a character like others, as in SIB-200 and AfriSenti.
    """
    plain = _records(sample, Dialect("\t", quoted=False), cut=cut)
    try:
        quoted = _records(sample, Dialect("\t"), cut=cut, strict=True)
    except csv.Error:
        return False
    if len({len(row) for row in quoted if row}) > 1:
        return False
    return bool(DOUBLED.search(sample) or QUOTED_HEADER.match(sample)) or len({len(row) for row in plain if row}) > 1


def _records(sample: str, dialect: Dialect, *, cut: bool, strict: bool = False) -> list[list[str]]:
    """The records in a sample; without the last one if the sample ends within the file."""
    csv.field_size_limit(sys.maxsize)
    records = []
    try:
        for record in dialect.reader(io.StringIO(sample, newline=""), strict=strict):
            records.append(record)
    except csv.Error as error:
        if strict and not (cut and UNCLOSED in str(error)):  # the cut may fall into quotes
            raise
    return records[:-1] if cut else records


def _wrong_width(path: Path, line: int, expected: int, width: int) -> str:
    return f"{path}, line {line}: expected {expected} columns as in the header, found {width}"


def _misquoted(path: Path, line: int, error: str) -> str:
    if UNCLOSED in error:
        return f"{path}, line {line}: a quote opens in this row and is never closed; remove it, or double it"
    return (
        f"{path}, line {line}: quotes out of place in the row that begins here (text behind a closing one); double "
        "those inside fields"
    )
