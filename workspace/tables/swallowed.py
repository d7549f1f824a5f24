"""Detect stray quotes in csv files, which swallow the rows up to the next quote into one field."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..errors import UserError

LINE_END = re.compile(r"\r\n?|\n")
FEW = 0.5  # a column with fewer distinct values per row holds classes, not texts
STRONG = 3  # rows of evidence from which the file is refused
NUMBER_WEIGHT = 0.5  # evidence of a class that is a number, since numbers occur in texts too


@dataclass(frozen=True)
class Suspect:
    """A row with a field of several lines, which may be rows themselves."""

    first: int
    last: int
    """Lines of the file."""
    rows: int
    """How many rows it may be."""
    columns: dict[int, list[str]]
    """By column index, the values of these rows."""
    within: int
    """The index of the column with the field."""
    spaced: bool
    """Whether a space follows every separator in the field, as in prose."""

    def swallowed(self, column: int) -> list[str]:
        """The values of the swallowed rows, without the row itself: the first before the field, the last after it."""
        return self.columns[column][1:] if column < self.within else self.columns[column][:-1]


@dataclass
class _Others:
    """The contents of the other rows of the file."""

    seen: dict[int, Counter[str]]
    """By column, how often each value occurs in rows without line ends."""
    neighbours: dict[int, list[list[str]]]
    """By the last line of a suspect, the rows before and after it; empty where there is none."""
    spaced: float = 0
    """Share of the rows with a space after a separator."""


def find_suspect(first: int, last: int, fields: Sequence[str], reader: Callable[..., Any]) -> Suspect | None:
    """A suspect, if a field of this record has several lines with as many columns as a row; else None.

    `first` and `last` are the lines of the record; `reader` splits lines into fields.
    """
    for number, field in enumerate(fields):
        if len(fields) > 1 and LINE_END.search(field) and (rows := _rows_in(field, number, len(fields), reader)):
            spaced = all(part[:1] == " " for row in rows for part in row[1:])
            rows[0] = [*fields[:number], *rows[0]]
            rows[-1] = [*rows[-1], *fields[number + 1 :]]
            columns = {column: [row[column] for row in rows] for column in range(len(fields)) if column != number}
            return Suspect(first, last, len(rows), columns, number, spaced)
    return None


def _rows_in(field: str, number: int, width: int, reader: Callable[..., Any]) -> list[list[str]] | None:
    """The lines of a field, read as rows of `width` columns; None if one has more or fewer.

    The first line begins in column `number`, and the last one ends in it.
    """
    lines = LINE_END.split(field)
    rows = []
    for index, line in enumerate(lines):
        before = number if index == 0 else 0
        after = width - number - 1 if index == len(lines) - 1 else 0
        row = next(reader([line], strict=False), [])
        if len(row) != width - before - after:
            return None
        rows.append(row)
    return rows


def judge_suspects(path: Path, suspects: Sequence[Suspect], reader: Any, *, skipped: int) -> list[str]:
    """Notes on suspects that may be texts after all. Raises UserError for the first one that certainly is not.

    A text may by chance have as many separators in each line as the table, or begin with a number. It is no chance if
    three or more rows contain classes of the other rows, or numbers between those of the rows around them. `reader`
    reads the rows of the file again, with `skipped` lines and the header in front.
    """
    others = _read_others(suspects, reader, skipped)
    doubtful = []
    for suspect in suspects:
        evidence, known, unknown = _weigh(suspect, others)
        prose = suspect.spaced and others.spaced < FEW
        if suspect.rows > STRONG and evidence >= STRONG and not unknown and not prose:
            raise UserError(
                f"{path}, line {suspect.first + skipped}: a quote that opens here swallows the rows up to line "
                f"{suspect.last + skipped}; remove the stray quote, or double it inside a quoted field (if these lines "
                "are one text, write the table as .jsonl)"
            )
        if known > unknown:
            doubtful.append(suspect)
    if not doubtful:
        return []
    more = f", and {len(doubtful) - 1} more" if len(doubtful) > 1 else ""
    return [
        f"the quoted field at line {doubtful[0].first + skipped} holds {doubtful[0].rows} lines that look like rows"
        f"{more}; if they are rows, a stray quote opens there"
    ]


def _read_others(suspects: Sequence[Suspect], reader: Any, skipped: int) -> _Others:
    others = _Others({column: Counter() for suspect in suspects for column in suspect.columns}, {})
    places = {suspect.last for suspect in suspects}
    before: list[str] = []
    waiting = None
    count = spaced = 0
    for row in _data_rows(reader, skipped):
        if waiting is not None:
            others.neighbours[waiting][1] = row
            waiting = None
        if (last := reader.line_num - skipped) in places:
            waiting = last
            others.neighbours[waiting] = [before, []]
        if not any(map(LINE_END.search, row)):
            for column, values in others.seen.items():
                values[row[column].strip()] += 1
            count += 1
            spaced += any(field[:1] == " " for field in row[1:])
        before = row
    others.spaced = spaced / max(1, count)
    return others


def _data_rows(reader: Any, skipped: int) -> Iterator[list[str]]:
    for number, row in enumerate(reader):
        if number > skipped and row:
            yield row


def _weigh(suspect: Suspect, others: _Others) -> tuple[float, int, int]:
    """Evidence for swallowed rows, in rows, and how many of their values do and do not occur in other rows."""
    evidence, known, unknown = 0.0, 0, 0
    for column in suspect.columns:
        seen = others.seen[column]
        values = [value.strip() for value in suspect.swallowed(column)]
        numbers = all(map(_is_number, seen))
        if seen and len(seen) <= FEW * seen.total():
            matches = sum(value in seen for value in values)
            evidence += matches * (NUMBER_WEIGHT if numbers else 1)
        elif seen and numbers:
            matches = sum(map(_is_number, values))
            evidence += matches if _in_order(suspect, column, others.neighbours[suspect.last]) else 0
        else:
            continue
        known, unknown = known + matches, unknown + len(values) - matches
    return evidence, known, unknown


def _in_order(suspect: Suspect, column: int, around: Sequence[Sequence[str]]) -> bool:
    """Whether the numbers of a column rise or fall steadily from the row before to the row after."""
    texts = [*around[0][column : column + 1], *suspect.columns[column], *around[1][column : column + 1]]
    if not all(_is_number(text.strip()) for text in texts):
        return False
    pairs = list(pairwise(map(float, texts)))
    return all(one < other for one, other in pairs) or all(one > other for one, other in pairs)


def _is_number(value: str) -> bool:
    return value.replace(".", "", 1).removeprefix("-").isdecimal()
