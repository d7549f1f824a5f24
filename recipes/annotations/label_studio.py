"""Read Label Studio's JSON and JSON-MIN: the <Choices> of a text, or the <Labels> of its spans.

Layouts: https://labelstud.io/guide/task_format (JSON) and https://labelstud.io/guide/export (JSON-MIN). Of several
annotations of a task, the ground truth counts if one is marked so; cancelled ones do not, nor do predictions. Offsets
count characters, in older exports UTF-16 units (https://github.com/HumanSignal/label-studio/issues/1347).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...workspace.errors import UserError
from ...workspace.tables import ColumnError, Table
from ..evaluation import DEFAULT_LABEL, Task
from .records import (
    CANCELLED,
    CHARACTERS,
    NOT_ANNOTATED,
    OTHER_ROWS,
    UTF_16,
    Annotations,
    Kind,
    Record,
    Span,
    choose_source,
    is_wanted,
    one_per_item,
    span_label,
    text_of,
    whole_number,
)

TOOL = "Label Studio"
LABELS, CHOICES = "labels", "choices"  # types of results
# Keys of JSON-MIN beside the data and the labels
MIN_KEYS = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "comment")
JSON_ANNOTATOR, MIN_ANNOTATOR = "completed_by", "annotator"


@dataclass(frozen=True)
class _Annotation:
    """What one person said about one task."""

    place: str
    item: str
    data: Mapping[str, Any]
    annotator: str
    results: Sequence[Mapping[str, Any]]


def is_task(row: Mapping[str, Any]) -> bool:
    """Whether a row is a task of the JSON export."""
    listed = row.get("annotations", row.get("completions"))
    are_objects = isinstance(listed, list) and all(isinstance(one, dict) for one in listed)
    return isinstance(row.get("data"), dict) and are_objects


def is_min_row(row: Mapping[str, Any]) -> bool:
    """Whether a row is of the JSON-MIN export."""
    return "annotation_id" in row and ("annotator" in row or "lead_time" in row)


def read_label_studio(path: Path, table: Table, task: Task) -> Annotations:
    """The texts of a JSON export."""
    annotations = Annotations(TOOL, "", [], units=(CHARACTERS, UTF_16))
    entries: list[_Annotation] = []
    for number, row in table.rows:
        by_annotators = list(_annotations(row, table.place(number), str(row.get("id", number))))
        if not by_annotators:
            annotations.dropped[CANCELLED if row.get("annotations", row.get("completions")) else NOT_ANNOTATED] += 1
        entries += by_annotators
    source, kind = _control(path, task, [result for entry in entries for result in entry.results])
    annotations.label_column = source
    records = []
    for entry in entries:
        if not is_wanted({**entry.data, JSON_ANNOTATOR: entry.annotator}, task, entry.place):
            annotations.dropped[OTHER_ROWS] += 1
            continue
        values = [result["value"] for result in entry.results if result.get("from_name") == source]
        text = text_of(entry.data, task, entry.place)
        if kind == "entities":
            spans = [span for value in values for span in _spans(value, entry.place)]
            records.append(Record(entry.place, text, None, spans, entry.item, entry.annotator))
        elif values:
            choices = [choice for value in values for choice in value.get(CHOICES, ())]
            records.append(Record(entry.place, text, choices, None, entry.item, entry.annotator))
        else:
            annotations.dropped[NOT_ANNOTATED] += 1
    annotations.records = one_per_item(records, JSON_ANNOTATOR, annotations.dropped)
    return annotations


def _annotations(row: Mapping[str, Any], place: str, item: str) -> Iterator[_Annotation]:
    """The annotations of a task that count."""
    listed = [one for one in row.get("annotations", row.get("completions", ())) if not one.get("was_cancelled")]
    for one in [one for one in listed if one.get("ground_truth")] or listed:
        results = [result for result in one.get("result") or () if isinstance(result.get("value"), dict)]
        yield _Annotation(place, item, row["data"], _person(one.get("completed_by")), results)


def _person(value: Any) -> str:
    """An annotator's address or number."""
    if isinstance(value, Mapping):
        value = value.get("email", value.get("id"))
    return str(value)


def _control(path: Path, task: Task, results: Sequence[Mapping[str, Any]]) -> tuple[str, Kind]:
    """The name of the control whose labels are used, and what it marks."""
    sources: dict[str, Kind] = {}
    for result in results:
        value = result["value"]
        if result.get("type") == LABELS and "start" in value:
            sources[str(result.get("from_name"))] = "entities"
        elif isinstance(value.get(CHOICES), list) and "start" not in value:  # not those of a marked region
            sources[str(result.get("from_name"))] = "classes"
    types = dict.fromkeys(str(result.get("type")) for result in results)
    if types and not sources:
        raise UserError(
            f"{path} has no labels of plain text, but {', '.join(types)}; in the labelling interface, use <Labels> or "
            "<Choices> on <Text>"
        )
    source = choose_source(path, task, sources)
    return source, sources[source]


def _spans(value: Mapping[str, Any], place: str) -> list[Span]:
    """A span for each label of a marked part."""
    start, end = (whole_number(value.get(key), key, place) for key in ("start", "end"))
    return [Span(start, end, span_label(label, place), value.get("text")) for label in value.get(LABELS, ())]


def read_label_studio_min(path: Path, table: Table, task: Task) -> Annotations:
    """The texts of a JSON-MIN export."""
    rows = [(table.place(number), row) for number, row in table.rows]
    source, kind = _min_column(path, task, [row for _, row in rows])
    annotations = Annotations(f"{TOOL} JSON-MIN", source, [], units=(CHARACTERS, UTF_16))
    records = []
    for place, row in rows:
        if not is_wanted(row, task, place):
            annotations.dropped[OTHER_ROWS] += 1
            continue
        data = {name: value for name, value in row.items() if name not in (*MIN_KEYS, source)}
        text, value = text_of(data, task, place), row.get(source)
        item, annotator = str(row.get("id", "")), str(row.get(MIN_ANNOTATOR))
        if kind == "entities":
            spans = [span for part in value or () for span in _spans(part, place)]
            records.append(Record(place, text, None, spans, item, annotator))
        elif value:
            label = value[CHOICES] if isinstance(value, Mapping) and CHOICES in value else value
            records.append(Record(place, text, label, None, item, annotator))
        else:
            annotations.dropped[NOT_ANNOTATED] += 1
    annotations.records = one_per_item(records, MIN_ANNOTATOR, annotations.dropped)
    return annotations


def _min_column(path: Path, task: Task, rows: Sequence[Mapping[str, Any]]) -> tuple[str, Kind]:
    """The column with the labels. A choice looks like any other string, so that it is taken if nothing else remains."""
    sources: dict[str, Kind] = {}
    strings: dict[str, None] = {}
    text_names = [task.text] if isinstance(task.text, str) else task.text
    for row in rows:
        for name, value in row.items():
            if isinstance(value, list) and value and all(isinstance(one, dict) and LABELS in one for one in value):
                sources[name] = "entities"
            elif isinstance(value, dict) and CHOICES in value:
                sources[name] = "classes"
            elif isinstance(value, str) and name not in (*MIN_KEYS, *text_names):
                strings[name] = None
    names = [task.label] if isinstance(task.label, str) else task.label
    if not sources or names != [DEFAULT_LABEL]:
        sources |= {name: "classes" for name in strings if name not in sources}
    if sources and not any(name in row for row in rows[:1] for name in text_names):
        raise ColumnError(f"{path}: no column {text_names[0]!r} with the text; columns: {', '.join(rows[0])}")
    source = choose_source(path, task, sources)
    return source, sources[source]
