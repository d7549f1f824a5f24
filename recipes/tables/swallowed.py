"""Stray quotes in csv files: one that opens by mistake swallows the rows up to the next one, line ends and all."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import UserError

FEW = 0.5  # of the rows: a column with fewer different values has classes, not texts


@dataclass(frozen=True)
class Suspect:
    """A row with a field of several lines that could be rows themselves."""

    first: int
    last: int
    """Lines of the file."""
    values: list[tuple[int, str]]
    """The columns' numbers and the values they would have in the rows swallowed."""


def find_suspect(first: int, last: int, fields: Sequence[str], reader: Callable[..., Any]) -> Suspect | None:
    """A suspect if every line in a field of this record has as many columns as a row, and there is more than one.

    `first` and `last` are the lines of the record; `reader` splits lines into fields.
    """
    for number, field in enumerate(fields):
        if len(fields) > 1 and "\n" in field and (rows := _rows_in(field, number, len(fields), reader)):
            return Suspect(first, last, list(_values(rows, number, len(fields))))
    return None


def _rows_in(field: str, number: int, width: int, reader: Callable[..., Any]) -> list[list[str]] | None:
    """The lines of a field as rows of `width` columns; None where one has more or fewer.

    The first line begins in column `number`, the last one ends in it.
    """
    lines = field.split("\n")
    rows = []
    for place, line in enumerate(lines):
        before, after = number * (place == 0), (width - number - 1) * (place == len(lines) - 1)
        row = next(reader([line], strict=False), [])
        if len(row) != width - before - after:
            return None
        rows.append([""] * before + row + [""] * after)
    return rows


def _values(rows: list[list[str]], within: int, width: int) -> Iterator[tuple[int, str]]:
    """What stands in the other columns; in the first and the last row only on one side of the field."""
    for place, row in enumerate(rows):
        for column in range(width):
            before, after = column < within, column > within
            if (before and place > 0) or (after and place < len(rows) - 1):
                yield column, row[column]


def refuse_swallowed(path: Path, suspects: list[Suspect], rows: Iterable[list[str]], *, skipped: int) -> None:
    """Raise a UserError for the first suspect whose lines hold what the same columns hold in the other rows.

    `rows` are those of the file once more, with `skipped` lines and the header in front. That a text has as many
    separators in each line as the table can be chance; that known labels or numbers stand behind them is none.
    """
    seen: dict[int, Counter[str]] = {column: Counter() for suspect in suspects for column, _ in suspect.values}
    for row in islice(rows, skipped + 1, None):
        if row and not any("\n" in field for field in row):
            for column, values in seen.items():
                values[row[column].strip()] += 1
    for suspect in suspects:
        known = [_is_known(value.strip(), seen[column]) for column, value in suspect.values]
        if known.count(True) > known.count(False):
            raise UserError(
                f"{path}, line {suspect.first + skipped}: a quote that opens here swallows the rows up to line "
                f"{suspect.last + skipped}; remove the stray quote, or double it inside a quoted field"
            )


def _is_known(value: str, seen: Counter[str]) -> bool | None:
    """Whether a value fits a column of numbers or of few classes; None where the column has neither."""
    if not seen:
        return None
    if all(map(_is_number, seen)):
        return _is_number(value)
    return value in seen if len(seen) <= FEW * seen.total() else None


def _is_number(value: str) -> bool:
    return value.replace(".", "", 1).removeprefix("-").isdecimal()
