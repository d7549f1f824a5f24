"""Rows of JSON files: an object on each line, or an array of objects."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..text import clean_line
from .opening import open_text

HEAD = 4096  # characters, to see whether the file is an array


def is_array(path: Path) -> bool:
    """Whether a file begins as a JSON array."""
    with open_text(path) as file:
        return file.read(HEAD).lstrip().startswith("[")


def array_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of an array, numbered from 1. Raises UserError for other JSON, and for a file that breaks off."""
    with open_text(path) as file:
        text = file.read()
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}, line {error.lineno}: not JSON ({error.msg}, column {error.colno})") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: {_unreadable(error)}") from error
    _refuse_repeated_keys(path, text[: text.find("}") + 1].lstrip()[1:], "row 1")
    for number, value in enumerate(values, 1):
        place = f"{path}, row {number}"
        if r"\u" in text:
            _refuse_surrogates(value, place)
        yield number, _object(value, place)


def line_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The line of each object, and the object; blank lines are skipped. Raises UserError for a line of other form."""
    first = True
    with open_text(path, newline="\n") as file:  # a line end in a text is escaped; U+2028, \r and others end no line
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                hint = "; expected an object on each line, or an array of objects" if first else ""
                raise UserError(f"{path}, line {number}: not JSON ({error}){hint}") from error
            except (ValueError, RecursionError) as error:
                raise UserError(f"{path}, line {number}: {_unreadable(error)}") from error
            place = f"{path}, line {number}"
            if r"\u" in line:
                _refuse_surrogates(row, place)
            if first:
                _refuse_repeated_keys(path, line, f"line {number}")
                first = False
            yield number, _object(row, place)


def _unreadable(error: Exception) -> str:
    """What is wrong with JSON that Python cannot hold."""
    if isinstance(error, RecursionError):
        return "lists or objects are nested too deeply; make them flat"
    return "a number with too many digits; put it in quotes"


def _object(value: Any, place: str) -> dict[str, Any]:
    """An object with its names in the form that all text gets. Raises UserError where two become the same."""
    if not isinstance(value, dict):
        raise UserError(f"{place}: expected an object with a name for each value, got {str(value)[:40]!r}")
    names = {name: clean_line(name) for name in value}
    if all(name == clean for name, clean in names.items()):
        return value
    if len(set(names.values())) < len(names):
        twice = next(name for name, count in Counter(names.values()).items() if count > 1)
        raise UserError(f"{place}: two values are both called {twice!r}")
    return {names[name]: part for name, part in value.items()}


def _refuse_surrogates(value: Any, place: str) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:  # JSON allows it, but it is no text
        raise UserError(f"{place}: half a surrogate pair (a cut emoji?); mend it") from error


def _refuse_repeated_keys(path: Path, text: str, place: str) -> None:
    """Raise a UserError if the first object has a name twice: json would keep the last value in silence.

    Only the first, as for the header of a csv: programs write all objects alike.
    """

    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        for second, name in enumerate(names):
            if (first := names.index(name)) < second:
                raise UserError(f"{path}, {place}: values {first + 1} and {second + 1} are both called {name!r}")
        return dict(pairs)

    try:
        json.loads(text, object_pairs_hook=check)
    except (ValueError, RecursionError):  # an array's first object that holds others is not cut out whole
        return
