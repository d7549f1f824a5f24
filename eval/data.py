"""Labelled data of the tasks, from local or hub files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..recipes.errors import UserError
from ..recipes.schema import Task
from ..recipes.sources import identity, local_file
from ..recipes.tables import column, read_conll, read_rows

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Item:
    """A text and its label, or words and their tags."""

    text: str | list[str]
    label: str | list[str]


@dataclass(frozen=True)
class TaskData:
    """The three splits of a task and its label names in a fixed order."""

    splits: dict[str, list[Item]]
    labels: list[str]


def read_task(name: str, task: Task, cache: Path) -> TaskData:
    """Read the splits of a task. Raises UserError for unreadable files, missing columns, or an empty split."""
    splits: dict[str, list[Item]] = {}
    for split in SPLITS:
        with _naming(name, split):
            path = local_file(getattr(task, split), cache)
        splits[split] = [Item(*pair) for pair in read_conll(path)] if _is_conll(name, path) else _items(path, task)
        if not splits[split]:
            raise UserError(f"eval.{name}.{split}: {path} holds no example")
    labels = _labels(splits, task)
    strange = {part for items in splits.values() for item in items for part in _as_list(item.label)} - set(labels)
    if strange:
        raise UserError(f"eval.{name}.labels lacks {', '.join(sorted(strange))}, which the files hold")
    if name == "ner" and any(isinstance(item.label, str) for items in splits.values() for item in items):
        raise UserError(f"eval.{name}: expected CoNLL files, or rows with lists of tokens and tags")
    return TaskData(splits, labels)


def task_inputs(name: str, task: Task) -> dict[str, str]:
    """What decides the data of a task: content hashes of local files, locations of others."""
    found = {}
    for split in SPLITS:
        with _naming(name, split):
            found[split] = identity(getattr(task, split))
    return found


@contextmanager
def _naming(name: str, split: str) -> Iterator[None]:
    """Errors inside name the recipe's field."""
    try:
        yield
    except UserError as error:
        raise UserError(f"eval.{name}.{split}: {error}") from error


def _is_conll(name: str, path: Path) -> bool:
    return name == "ner" and path.name.removesuffix(".gz").endswith((".txt", ".conll", ".bio"))


def _items(path: Path, task: Task) -> list[Item]:
    items = []
    for row in read_rows(path):
        text, label = column(row, task.text, path), column(row, task.label, path)
        names = [_name(part, task, path) for part in label] if isinstance(label, list) else _name(label, task, path)
        fits = isinstance(text, str) if isinstance(names, str) else isinstance(text, list) and len(text) == len(names)
        if not fits:
            raise UserError(
                f"{path}: expected a text and a label, or as many tokens as tags, got {text!r} and {label!r}"
            )
        items.append(Item(text, names))
    return items


def _name(value: Any, task: Task, path: Path) -> str:
    """A label's name; a number is looked up in `labels` where the recipe gives them."""
    if value is None or value == "":
        raise UserError(f"{path}: a row has no label")
    if task.labels is None or str(value) in task.labels:
        return str(value)
    if str(value).isdecimal() and int(value) < len(task.labels):
        return task.labels[int(value)]
    raise UserError(f"{path}: label {value!r} is not among {', '.join(task.labels)}")


def _labels(splits: dict[str, list[Item]], task: Task) -> list[str]:
    """The label names: the recipe's order, else sorted, so that ids do not depend on the order of the rows."""
    if task.labels is not None:
        return list(task.labels)
    found = {name for items in splits.values() for item in items for name in _as_list(item.label)}
    return sorted(found, key=lambda name: (name != "O", name))


def _as_list(label: str | Sequence[str]) -> Sequence[str]:
    return [label] if isinstance(label, str) else label
