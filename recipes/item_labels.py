"""Read the label of a row as its kind of task needs it: one name, a set of names, a number, or a tag for each word."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..workspace.errors import UserError, nearest
from ..workspace.formatting import format_count
from ..workspace.tables import describe, is_missing, text_in
from .evaluation import Task
from .labels import LabelReader, label_name
from .task_kinds import KindName

SEPARATORS = re.compile(r"[,;|]")  # between the labels of one text in a column of text
MAX_PLACES = 4  # rows in a message, besides the first
PRESENT, ABSENT = ("1", "true"), ("0", "false")  # in columns named like the labels


class LabelError(UserError):
    """A row has no label, or none that the recipe lists."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}{problem}")
        self.place, self.problem = place, problem


class LabelMistakes:
    """Collects the label errors of a file, so that its mistakes are reported together."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}  # by problem

    def add(self, error: LabelError) -> None:
        """Count an error of one row."""
        self._places.setdefault(error.problem, []).append(error.place)

    def raise_all(self) -> None:
        """Raise one UserError that names the first rows with each problem; nothing if there are none."""
        lines = []
        for problem, (first, *others) in self._places.items():
            also = [place.rpartition(", ")[2] for place in others[:MAX_PLACES]]
            more = f" and {len(others) - MAX_PLACES} more" if len(others) > MAX_PLACES else ""
            lines.append(f"{first}{problem}" + (f" (also {', '.join(also)}{more})" if also else ""))
        if lines:
            raise UserError("\n    ".join(lines))


def label_of_text(value: Any, task: Task, labels: LabelReader, place: str) -> str | list[str] | float:
    """What a text is labelled with. Raises UserError, with the place, for a value that is no such label."""
    return _READERS.get(task.stated_kind, _one_label)(value, task, labels, place)


def label_in_columns(values: Mapping[str, Any], columns: Sequence[str], place: str) -> list[str]:
    """The names of those `columns` in which a row has a 1.

    The file has the other columns of `values` only in name: they are empty. Raises UserError for values other than 0
    and 1, and for a value in a column that was empty in the first row.
    """
    present = []
    for name, value in values.items():
        written = label_name(value).lower()
        if name not in columns:
            if written:
                raise UserError(f"{place}, column {name!r}: {written}, but the first row has no value there")
        elif written in PRESENT:
            present.append(name)
        elif written not in ABSENT:
            raise UserError(f"{place}, column {name!r}: expected 1 or 0, got {describe(value)}")
    return present


def filled_columns(row: Mapping[str, Any], task: Task, place: str) -> list[str]:
    """The label columns of the task that a file has, by its first row. Raises UserError if it has none of them."""
    columns = [name for name in task.label_columns if not is_missing(row.get(name)) and row[name] != ""]
    if not columns:
        raise UserError(
            f"{place}: none of the columns of label_columns, {', '.join(task.label_columns)}; "
            f"columns: {', '.join(map(str, row))}"
        )
    return columns


def tags_of_words(
    words: list[Any], tags: Any, task: Task, labels: LabelReader, place: str
) -> tuple[list[str], list[str]]:
    """The words of a row and their tags. Raises UserError if their numbers differ."""
    words = [text_in(word, task.text_column, place) for word in words]
    if not isinstance(tags, list):
        raise UserError(
            f"{place}, column {task.label_column!r}: expected a tag for each word ({len(words)}) in column "
            f"{task.text_column!r}, got {describe(tags)}"
        )
    if any(isinstance(tag, list | dict) for tag in tags):
        raise UserError(_spans(task, place))
    if len(tags) != len(words):
        raise UserError(
            f"{place}: {format_count(len(words), 'word')} in column {task.text_column!r} but "
            f"{format_count(len(tags), 'tag')} in column {task.label_column!r}; give one tag for each word"
        )
    return words, [_name(tag, task, labels, place) for tag in tags]


def _one_label(value: Any, task: Task, labels: LabelReader, place: str) -> str:
    """The label of a text, which may be in a list of length one."""
    _refuse_spans(value, task, place)
    if isinstance(value, list):
        if len(value) != 1:
            what = f"{len(value)} labels in a list" if value else "an empty list"
            raise UserError(
                f"{place}, column {task.label_column!r}: expected one label for the text, got {what}; for any number "
                "of labels per text set kind: multilabel; tags for words need a column with lists of words"
            )
        value = value[0]
    return _name(value, task, labels, place)


def _label_set(value: Any, task: Task, labels: LabelReader, place: str) -> list[str]:
    """The labels of a text, each once: a list, or a text with commas, semicolons or bars between them."""
    _refuse_spans(value, task, place)
    if isinstance(value, str) and value not in (task.labels or ()):
        parts = [part for part in SEPARATORS.split(value) if part.strip()]
    elif is_missing(value):
        parts = []
    else:
        parts = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(_name(part, task, labels, place) for part in parts))


def _score(value: Any, task: Task, labels: LabelReader, place: str) -> float:
    """The score of a text, which may be in a list of length one."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    try:
        number = float(value) if isinstance(value, str | int | float | Decimal) else math.nan
    except ValueError:
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise LabelError(place, f", column {task.label_column!r}: expected a number, got {describe(value)}")
    return number


_READERS: Mapping[KindName | None, Callable[[Any, Task, LabelReader, str], str | list[str] | float]] = {
    "multilabel": _label_set,
    "regression": _score,
}


def _refuse_spans(value: Any, task: Task, place: str) -> None:
    if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(part, list | dict) for part in value)):
        raise UserError(_spans(task, place))


def _spans(task: Task, place: str) -> str:
    return (
        f"{place}, column {task.label_column!r}: labels of spans (start, end, type) are read from JSON in the form of "
        "doccano, Label Studio or Prodigy only; convert them to one of these, or to CoNLL (a word and its tag per line)"
    )


def _name(value: Any, task: Task, labels: LabelReader, place: str) -> str:
    """The name of a label. Raises UserError for a missing label, and for one that the recipe does not list."""
    if value is not None and not isinstance(value, str | int | float | Decimal):
        raise UserError(f"{place}, column {task.label_column!r}: expected a label, got {describe(value)}")
    name = labels.read(value)
    if name:
        return name
    if name is None:
        label, names = label_name(value), task.labels or ()
        near = nearest(label, names, cutoff=0.7)
        hint = f"; did you mean {near!r}?" if near else ""
        raise LabelError(place, f": label {label!r} is not among {', '.join(names)}{hint}")
    raise LabelError(place, f", column {task.label_column!r}: the row has no label; add one, or remove the row")
