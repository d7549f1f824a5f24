"""Rows of data files as examples of a task, and as sentences."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import UserError
from .evaluation import Task
from .tables import SUFFIXES, column, open_text, read_conll, read_rows
from .text import clean_line

CONLL = (".txt", ".conll", ".bio", ".iob", ".iob2")


@dataclass(frozen=True)
class Item:
    """A text and its label, or words and their tags."""

    text: str | list[str]
    label: str | list[str]


def read_items(path: Path, task: Task) -> list[Item]:
    """The examples in a CoNLL file or a table, in order. Raises UserError for a row that is none."""
    return [Item(*pair) for pair in read_conll(path)] if is_conll(path) else _rows(path, task)


def read_texts(path: Path, name: str) -> Iterator[str]:
    """The lines of a text file, or column `name` of a table. Raises UserError for a value that is no text."""
    if path.name.removesuffix(".gz").endswith(SUFFIXES):
        for row in read_rows(path):
            text = column(row, name, path)
            if text is not None and not isinstance(text, str):
                raise UserError(f"{path}: expected a sentence in column {name!r}, got {text!r}")
            yield text or ""
        return
    with open_text(path) as file:
        yield from file


def is_conll(path: Path) -> bool:
    """Whether a file holds a word and its tag on each line, by its name."""
    return path.name.removesuffix(".gz").endswith(CONLL)


def _rows(path: Path, task: Task) -> list[Item]:
    items = []
    for row in read_rows(path):
        if any(str(column(row, name, path)) != value for name, value in task.where.items()):
            continue
        text, label = column(row, str(task.text), path), column(row, str(task.label), path)
        if text is None or text == [] or (isinstance(text, str) and not text.strip()):
            continue  # nothing to learn from, nothing to tell
        names = [_name(part, task, path) for part in label] if isinstance(label, list) else _name(label, task, path)
        words = isinstance(text, list) and len(text) == len(names) and all(isinstance(word, str) for word in text)
        if not (isinstance(text, str) if isinstance(names, str) else words):
            raise UserError(
                f"{path}: expected a text and a label, or as many tokens as tags, got {text!r} and {label!r}"
            )
        items.append(Item(text, names))
    return items


def _name(value: Any, task: Task, path: Path) -> str:
    """A label's name; a number is looked up in `labels` where the recipe gives them."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or not isinstance(value, str | int) or not clean_line(str(value)):
        raise UserError(f"{path}: a row has no label" + (f" but {value!r}" if value else ""))
    value = clean_line(str(value))
    if task.labels is None or str(value) in task.labels:
        return str(value)
    if str(value).isdecimal() and int(value) < len(task.labels):
        return task.labels[int(value)]
    raise UserError(f"{path}: label {value!r} is not among {', '.join(task.labels)}")
