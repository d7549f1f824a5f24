"""Read JSON files: an object per line, or an array of objects."""

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
    """Whether a file begins with a JSON array."""
    with open_text(path) as file:
        return file.read(HEAD).lstrip().startswith("[")


def array_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of an array, numbered from 1. Raises UserError for other or incomplete JSON."""
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
    """The line of each object, and the object; blank lines are skipped. Raises UserError for other lines."""
    first = True
    with open_text(path, newline="\n") as file:  # only \n: U+2028, \r and others may occur in a text
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
    """What is wrong with valid JSON that Python cannot read."""
    if isinstance(error, RecursionError):
        return "lists or objects are nested too deeply; make them flat"
    return "a number with too many digits; put it in quotes"


def _object(value: Any, place: str) -> dict[str, Any]:
    """An object with its names cleaned as all text is. Raises UserError if two become the same."""
    if not isinstance(value, dict):
        raise UserError(f"{place}: expected an object with a name for each value, got {str(value)[:40]!r}")
    names = {name: clean_line(name) for name in value}
    if all(name == clean for name, clean in names.items()):
        return value
    if len(set(names.values())) < len(names):
        repeated = next(name for name, count in Counter(names.values()).items() if count > 1)
        raise UserError(f"{place}: two values are both called {repeated!r}")
    return {names[name]: part for name, part in value.items()}


def _refuse_surrogates(value: Any, place: str) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:  # allowed in JSON, but not valid text
        raise UserError(f"{place}: half a surrogate pair (a truncated emoji?); correct it") from error


def _refuse_repeated_keys(path: Path, text: str, place: str) -> None:
    """Raise a UserError if the first object repeats a name, of which `json` would silently keep the last value.

    Only the first object is checked, as the header of a csv file: programs write all objects alike.
    """

    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        for second, name in enumerate(names):
            if (first := names.index(name)) < second:
                raise UserError(f"{path}, {place}: values {first + 1} and {second + 1} are both called {name!r}")
        return dict(pairs)

    try:
        json.loads(text, object_pairs_hook=check)
    except (ValueError, RecursionError):  # the first object of an array ends early if it contains others
        return
