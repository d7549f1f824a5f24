"""Read data files: tables (csv, tsv, jsonl, json, parquet), CoNLL and text, plain or gzipped.

The extension of the name, in upper or lower case, decides the format; the content decides the dialect.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..contents import SAVE_AS
from ..errors import UserError, nearest
from .conll import Conll, read_conll
from .opening import inspect, open_text
from .parquet_rows import class_names

__all__ = [
    "ColumnError",
    "Conll",
    "Table",
    "choose_column",
    "class_names",
    "column",
    "is_brat",
    "is_conll",
    "is_json",
    "is_missing",
    "is_table",
    "is_text",
    "is_tsv",
    "open_table",
    "open_text",
    "read_conll",
    "read_rows",
    "text_in",
]

TEXT = (".txt",)
TSV = ".tsv"
JSON = (".jsonl", ".json")
BRAT = ".ann"
TABLES = (".csv", TSV, *JSON, ".parquet")
CONLL = (".txt", ".conll", ".conllu", ".conllup", ".bio", ".iob", ".iob2")
WITH_TABLES = (".docx", ".odt", ".pdf", ".html", ".htm", *SAVE_AS)  # formats that may hold tables, but are not read
MAX_SHOWN = 60  # characters of a value in a message


@dataclass(frozen=True)
class Table:
    """A table and how it is read."""

    path: Path
    unit: str
    """How the rows are numbered: by the line of the file on which they begin, or by row; both from 1."""
    rows: Iterator[tuple[int, dict[str, Any]]]
    """Number and values of each row; can be iterated once. Raises UserError while it is read."""
    notes: tuple[str, ...] = ()
    """What the name of the file does not show: other separators, encodings, compression."""

    late_notes: list[str] = field(default_factory=list)
    """Notes that are complete only after all rows were read."""
    ragged: bool = False
    """Whether the rows may have different columns, as in JSON."""

    def place(self, number: int) -> str:
        """The place of a row, for messages."""
        return f"{self.path}, {self.unit} {number}"

    def value(self, number: int, row: Mapping[str, Any], name: str) -> Any:
        """The value of a column in a row. Raises ColumnError if the row lacks the column."""
        try:
            return row[name]
        except KeyError:
            raise _no_column(row, name, self.place(number) if self.ragged else str(self.path)) from None


def open_table(path: Path) -> Table:
    """Open a csv, tsv, jsonl, json or parquet file. Raises UserError for other formats and missing files."""
    from . import delimited, json_rows, parquet_rows

    ending = _ending(path)
    if ending == ".parquet":
        return Table(path, "row", parquet_rows.parquet_rows(path))
    if ending == ".gz" and path.name.lower().endswith(".parquet.gz"):
        raise UserError(
            f"{path}: parquet files do not end in .gz: unpack it with gunzip, or rename it if it is not compressed"
        )
    if ending not in TABLES:
        hint = "; save its table as CSV" if ending in WITH_TABLES else ""
        expected = "csv, tsv, jsonl, json or parquet, or txt for lines of text"
        raise UserError(f"{path}: unknown format; expected {expected}{hint}")
    note = inspect(path).note
    notes = [note] if note else []
    if ending in JSON:
        array = json_rows.is_array(path)
        rows = json_rows.array_rows(path) if array else json_rows.line_rows(path)
        return Table(path, "row" if array else "line", rows, tuple(notes), ragged=True)
    tsv = ending == TSV
    dialect = delimited.find_dialect(path, tsv=tsv)
    late_notes: list[str] = []
    rows = delimited.delimited_rows(path, dialect, late_notes)
    return Table(path, "line", rows, (*notes, *dialect.notes(tsv=tsv)), late_notes)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a table as dictionaries, one by one. Raises UserError as `open_table` does."""
    for _, row in open_table(path).rows:
        yield row


def is_table(path: Path) -> bool:
    """Whether the name is that of a table: csv, tsv, jsonl, json or parquet."""
    return _ending(path) in TABLES


def is_conll(path: Path) -> bool:
    """Whether the name may be that of a CoNLL file; .txt is included."""
    return _ending(path) in CONLL


def is_json(path: Path) -> bool:
    """Whether the name is that of a JSON file."""
    return _ending(path) in JSON


def is_tsv(path: Path) -> bool:
    """Whether the name is that of a TSV file."""
    return _ending(path) == TSV


def is_brat(path: Path) -> bool:
    """Whether the name is that of brat's annotations, which lie beside their text."""
    return path.suffix.lower() == BRAT


def is_text(path: Path) -> bool:
    """Whether the name is that of a text file."""
    return _ending(path) in TEXT


class ColumnError(UserError):
    """A table lacks a column that the recipe names."""


def column(row: Mapping[str, Any], name: str, path: Path) -> Any:
    """`row[name]`, or a ColumnError that lists the columns of `path`."""
    try:
        return row[name]
    except KeyError:
        raise _no_column(row, name, str(path)) from None


def _no_column(row: Mapping[str, Any], name: str, place: str) -> ColumnError:
    near = nearest(name, row)
    hint = f"; did you mean {near}?" if near else f"; columns: {', '.join(map(str, row))}"
    return ColumnError(f"{place}: no column {name!r}{hint}")


def check_columns(names: Sequence[str], path: Path) -> None:
    """Raise a ColumnError that names all of `names` that the table lacks.

    Tables whose rows may differ, as in JSON, are checked row by row when they are read.
    """
    table = open_table(path)
    if table.ragged or (first_row := next(table.rows, None)) is None:
        return
    row = first_row[1]
    lacking = [name for name in dict.fromkeys(names) if name not in row]
    if len(lacking) == 1:
        raise _no_column(row, lacking[0], str(path))
    if lacking:
        *first, last = map(repr, lacking)
        raise ColumnError(f"{path}: no columns {', '.join(first)} and {last}; columns: {', '.join(map(str, row))}")


def choose_column(names: str | list[str], path: Path) -> str:
    """The first of `names` that is a column of the first row; the first name if none is."""
    if isinstance(names, str):
        return names
    if not is_table(path):
        return names[0]
    columns = next(read_rows(path), {})
    return next((name for name in names if name in columns), names[0])


def text_in(value: Any, name: str, place: str) -> str:
    """A value as text: numbers as they are written, "" for a missing value (null, NaN).

    Raises UserError with place, column and type for other values.
    """
    if isinstance(value, str):
        return value
    if is_missing(value):
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # csv does not distinguish numbers from text either
    raise UserError(f"{place}, column {name!r}: expected text, got {describe(value)}")


def is_missing(value: Any) -> bool:
    """Whether a value is null or NaN, which pandas writes for missing text."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def describe(value: Any) -> str:
    """The type and value, for messages."""
    kinds = {list: "a list", dict: "an object", bytes: "bytes (a binary column: store it as a string)"}
    kinds |= {bool: "true or false", int: "a number", float: "a number", str: "a string"}
    shown = repr(value)
    return f"{kinds.get(type(value), type(value).__name__)}, {shown[:MAX_SHOWN]}{'…' if len(shown) > MAX_SHOWN else ''}"


def _ending(path: Path) -> str:
    """The ending of a name in lower case, without .gz except for .parquet.gz, which is an error."""
    name = path.name.lower()
    return Path(name if name.endswith(".parquet.gz") else name.removesuffix(".gz")).suffix
