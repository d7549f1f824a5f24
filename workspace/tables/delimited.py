"""Read csv and tsv files in the dialects of spreadsheets and scripts."""

import csv
import io
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..formatting import format_count
from ..text import clean_line
from .opening import open_text
from .swallowed import Suspect, find_suspect, judge_suspects

SAMPLE = 2**18  # characters from which the dialect is inferred
SEPARATORS = {  # that are recognised, tried in this order, and their names in messages
    ",": "commas",
    ";": "semicolons",
    "\t": "tabs",
    "|": "vertical bars",
}
UNCLOSED = "unexpected end"  # in the message of csv.Error
DOUBLED = re.compile(r'(?:^|\t)"[^\t]*""[^\t]*"(?=\t|\r?$)', re.MULTILINE)
QUOTED_HEADER = re.compile(r'"[^"\t\n]+"(\t"[^"\t\n]+")*\r?\n')
CARRIAGE_RETURN = (
    "; a carriage return ends this line: if it is part of a text, quote the text or remove the carriage return"
)
SEP_LINE = re.compile(r"sep=(.)\r?\n")  # Excel's first line, which names the separator


@dataclass(frozen=True)
class Dialect:
    """How the columns of a file are separated."""

    separator: str = ","
    quoted: bool = True
    """Whether fields may be quoted, with quotes inside them doubled (RFC 4180)."""
    skip_spaces: bool = False
    """Whether spaces after a separator are ignored."""
    skip_lines: int = 0
    """Lines before the header."""

    def reader(self, lines: Any, *, strict: bool = True) -> Any:
        """A csv.reader over `lines`."""
        quoting: dict[str, Any] = {"strict": strict} if self.quoted else {"quoting": csv.QUOTE_NONE}
        return csv.reader(lines, delimiter=self.separator, skipinitialspace=self.skip_spaces, **quoting)

    def notes(self, *, tsv: bool) -> list[str]:
        """How the dialect differs from that of the ending: commas and quotes in csv, tabs without quotes in tsv."""
        notes = []
        if self.separator != ("\t" if tsv else ","):
            notes.append(f"columns separated by {SEPARATORS.get(self.separator, repr(self.separator))}")
        elif tsv and self.quoted:
            notes.append("quotes around fields removed")
        if self.skip_spaces:
            notes.append("spaces after separators removed")
        return notes


def find_dialect(path: Path, *, tsv: bool) -> Dialect:
    """Infer the dialect of a file from its header and first rows."""
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
    """The line on which each row begins, and the row. After the last one, notes on the file are added to `notes`.

    Raises UserError with the line for two columns of one name, a row with more or fewer fields than the header, quotes
    that are not closed, and quotes that swallow the rows after them.
    """
    csv.field_size_limit(sys.maxsize)  # a field may hold a whole web page
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
                    hint = CARRIAGE_RETURN if lines.last.endswith("\r") else ""
                    columns = format_count(len(names), "column")
                    raise UserError(
                        f"{path}, line {line + dialect.skip_lines}: expected {columns} as in the header, "
                        f"found {len(fields)}{hint}"
                    )
        except csv.Error as error:
            raise UserError(_misquoted(path, last + 1 + dialect.skip_lines, str(error))) from error
    if suspects:
        with open_text(path) as file:
            notes += judge_suspects(path, suspects, dialect.reader(file), skipped=dialect.skip_lines)


class _Lines:
    """Iterates over the lines of a file and keeps the last one."""

    def __init__(self, file: Iterable[str]) -> None:
        self._file = iter(file)
        self.last = ""

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        self.last = next(self._file)
        return self.last


def header(path: Path, names: list[str]) -> list[str]:
    """The column names, cleaned as all text is. Raises UserError if two are the same."""
    names = [clean_line(name) for name in names]
    for second, name in enumerate(names):
        first = names.index(name)
        if first < second and name:  # empty columns at the right of a spreadsheet have no names
            raise UserError(f"{path}: columns {first + 1} and {second + 1} are both called {name!r}; rename one")
    return names


def _quotes_after_spaces(sample: str, separator: str, *, cut: bool) -> bool:
    """Whether quoted fields follow a space, and the sample is valid if such spaces are skipped.

    Doubled and closing quotes of a quoted field do not count.
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
    """The separator that gives a header of several columns, preferably with rows of the same width; else the usual."""

    def fitness(separator: str) -> tuple[bool, bool]:
        widths = [len(row) for row in _records(sample, Dialect(separator, quoted=separator != "\t"), cut=cut) if row]
        several = bool(widths) and widths[0] > 1
        return several and len(set(widths)) == 1, several

    return max([usual, *(other for other in SEPARATORS if other != usual)], key=fitness)


def _is_quoted(sample: str, *, cut: bool) -> bool:
    """Whether quotes around the fields of a tsv are not part of the text.

    They are not if the sample is valid as quoted fields, and either the header is quoted, quotes inside fields are
    doubled, or rows have the same width only with quoting. Otherwise a quote is an ordinary character, as in SIB-200
    and AfriSenti.
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
    """The records of a sample, without the last one if the sample is `cut` off."""
    csv.field_size_limit(sys.maxsize)
    records = []
    try:
        for record in dialect.reader(io.StringIO(sample, newline=""), strict=strict):
            records.append(record)
    except csv.Error as error:
        if strict and not (cut and UNCLOSED in str(error)):  # the sample may end inside quotes
            raise
    return records[:-1] if cut else records


def _misquoted(path: Path, line: int, error: str) -> str:
    if UNCLOSED in error:
        return f"{path}, line {line}: a quote opens in this row and is never closed; remove it, or double it"
    return (
        f"{path}, line {line}: misplaced quotes in the row that begins here (text after a closing quote); double "
        "quotes inside fields"
    )
