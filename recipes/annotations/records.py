"""What annotation tools write, in one form: texts with the class or the spans that annotators gave them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ...workspace.errors import UserError, nearest
from ...workspace.tables import ColumnError, text_in
from ...workspace.text import clean_line
from ..evaluation import DEFAULT_LABEL, DEFAULT_TEXT, Task
from ..labels import is_same_label, label_name

OTHER_ROWS, NOT_ANNOTATED, REPEATED = "where", "not annotated", "annotated more than once"
CANCELLED, REJECTED, IGNORED = "cancelled", "rejected", "ignored"  # by the annotator
CHARACTERS, UTF_16, GRAPHEMES = "characters", "UTF-16 units", "grapheme clusters"
Kind = Literal["entities", "classes"]


@dataclass(frozen=True)
class Span:
    """A marked part of a text: `start` to `end`, in the units of the file that it is from."""

    start: int
    end: int
    label: str
    text: str | None = None
    """The marked text if the file repeats it, to check the offsets."""


@dataclass(frozen=True)
class Record:
    """A text and what was said about it."""

    place: str
    """File and line or row, for messages."""
    text: str
    label: Any = None
    """The value of its class; None if `spans` are given."""
    spans: Sequence[Span] | None = None
    item: str = ""
    """What identifies the text where several people may annotate one; "" if the file does not say."""
    annotator: str = ""


@dataclass
class Annotations:
    """The texts of a file."""

    tool: str
    """Which tool writes such files."""
    label_column: str
    """Where the labels are, for messages."""
    records: list[Record]
    dropped: Counter[str] = field(default_factory=Counter)
    """Numbers of texts that were left out, by reason."""
    lost_spans: Counter[str] = field(default_factory=Counter)
    """Numbers of spans that were left out, by reason."""
    units: Sequence[str] = (CHARACTERS,)
    """What offsets may count. Of several, the one that fits the words best is used."""


def choose_source(path: Path, task: Task, sources: Mapping[str, Kind]) -> str:
    """The one of a file's `sources` of labels (name -> kind) that the task names, or the only one that fits it.

    Raises UserError that lists them if there are several.
    """
    fitting = [name for name, kind in sources.items() if task.labels_words in (None, kind == "entities")]
    names = [task.label] if isinstance(task.label, str) else task.label
    for name in names:
        if name in sources:
            return name
    if names != [DEFAULT_LABEL] and sources:
        near = nearest(names[0], sources)
        hint = f"did you mean {near}?" if near else f"it has {_listed(sources)}"
        raise ColumnError(f"{path}: no labels called {names[0]!r}; {hint}")
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UserError(f"{path} has several kinds of labels; choose one: {_listed({n: sources[n] for n in fitting})}")
    if sources:
        wanted = f"metric: {task.metric}" if task.kind is None else f"kind: {task.kind}"
        raise UserError(f"{path} has {_listed(sources)}, which does not fit {wanted}")
    raise UserError(f"{path} has no labels: no text in it was annotated")


def _listed(sources: Mapping[str, Kind]) -> str:
    return ", ".join(f"label: {name} ({kind})" for name, kind in sources.items())


def text_of(fields: Mapping[str, Any], task: Task, place: str) -> str:
    """The text in the task's text column, or in the only column with a string if the task names none.

    Raises UserError, with the columns, if that is not clear.
    """
    names = [task.text] if isinstance(task.text, str) else task.text
    name = next((name for name in names if name in fields), None)
    if name is None:
        strings = [name for name, value in fields.items() if isinstance(value, str)]
        if names != [DEFAULT_TEXT] or len(strings) != 1:
            raise ColumnError(f"{place}: no column {names[0]!r} with the text; columns: {', '.join(fields)}")
        name = strings[0]
    return text_in(fields[name], name, place)


def is_wanted(fields: Mapping[str, Any], task: Task, place: str) -> bool:
    """Whether a row has the values of the task's `where`. Raises ColumnError if it lacks a column."""
    for name, value in task.where.items():
        if name not in fields:
            raise ColumnError(f"{place}: no column {name!r}; columns: {', '.join(fields)}")
        if not is_same_label(fields[name], label_name(value)):
            return False
    return True


def one_per_item(records: Iterable[Record], annotator_column: str, dropped: Counter[str]) -> list[Record]:
    """The records without those that repeat another annotator's; repeats are counted in `dropped`.

    Raises UserError for a text that was annotated in two ways.
    """
    by_item: dict[str, Record] = {}
    kept = []
    for record in records:
        first = by_item.setdefault(record.item, record) if record.item else record
        if first is record:
            kept.append(record)
        elif first.label == record.label and _marked(first) == _marked(record):
            dropped[REPEATED] += 1
        elif first.annotator != record.annotator:
            raise UserError(
                f"{record.place}: annotators {first.annotator} and {record.annotator} disagree; choose one with "
                f"where: {{{annotator_column}: {record.annotator}}}, or settle the differences in the tool"
            )
        else:
            raise UserError(f"{record.place}: the text of {first.place} again, with other labels; remove one of them")
    return kept


def _marked(record: Record) -> set[tuple[int, int, str]]:
    return {(span.start, span.end, span.label) for span in record.spans or ()}


def span_label(value: Any, place: str) -> str:
    """The label of a span. Raises UserError if it has none."""
    if not (isinstance(value, str) and clean_line(value)):
        raise UserError(f"{place}: expected a label for each span, got {value!r}")
    return value


def whole_number(value: Any, what: str, place: str) -> int:
    """An offset. Raises UserError for other values."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UserError(f"{place}: expected a whole number for {what} of a span, got {value!r}")
    return value
