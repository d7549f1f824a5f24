"""Read doccano's JSONL: classes of texts, or spans with start and end.

Layout: https://doccano.github.io/doccano (exports of version 1.8; the text is in "data" in some older ones). Spans are
`"label": [[0, 4, "PER"]]` or, with relations, `"entities": [{"start_offset": 0, "end_offset": 4, "label": "PER"}]`.
Without its option for grapheme clusters doccano counts UTF-16 units (https://github.com/doccano/doccano/issues/2290).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...workspace.errors import UserError
from ...workspace.tables import Table
from ..evaluation import DEFAULT_TEXT, Task
from .records import (
    CHARACTERS,
    GRAPHEMES,
    OTHER_ROWS,
    UTF_16,
    Annotations,
    Kind,
    Record,
    Span,
    choose_source,
    is_wanted,
    span_label,
    text_of,
    whole_number,
)

SPAN_COLUMNS = ("label", "labels", "entities")
CLASSES = "cats"  # of projects that mark intents and slots
OLD_TEXT = "data"


def read_doccano(path: Path, table: Table, task: Task) -> Annotations:
    """The texts of an export with spans."""
    rows = [(table.place(number), row) for number, row in table.rows]
    sources: dict[str, Kind] = {}
    for _, row in rows:
        sources |= {name: "entities" for name, value in row.items() if is_spans(value)}
        if row.get(CLASSES):
            sources[CLASSES] = "classes"
    source = choose_source(path, task, sources)
    annotations = Annotations("doccano", source, [], units=(CHARACTERS, UTF_16, GRAPHEMES))
    for place, row in rows:
        if not is_wanted(row, task, place):
            annotations.dropped[OTHER_ROWS] += 1
            continue
        fields = {**row, DEFAULT_TEXT: row[OLD_TEXT]} if OLD_TEXT in row and DEFAULT_TEXT not in row else row
        text, value = text_of(fields, task, place), row.get(source)
        if sources[source] == "classes":
            annotations.records.append(Record(place, text, label=value))
        else:
            annotations.records.append(Record(place, text, spans=_spans(value, source, place)))
    return annotations


def is_spans(value: Any) -> bool:
    """Whether a value is a list of spans with at least one."""
    return isinstance(value, list) and bool(value) and all(map(_is_span, value))


def _is_span(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "label" in value and ("start_offset" in value or "start" in value)
    return isinstance(value, list) and list(map(type, value)) == [int, int, str]


def _spans(value: Any, source: str, place: str) -> list[Span]:
    spans = []
    if not isinstance(value, list):
        raise UserError(f"{place}, column {source!r}: expected a list of spans as in other rows, got {value!r}")
    for part in value:
        if not _is_span(part):
            raise UserError(f"{place}, column {source!r}: expected spans as in other rows, [start, end, label]: {part}")
        if isinstance(part, Mapping):
            start, end = (part.get(f"{key}_offset", part.get(key)) for key in ("start", "end"))
            label = part["label"]
        else:
            start, end, label = part
        spans.append(
            Span(whole_number(start, "start", place), whole_number(end, "end", place), span_label(label, place))
        )
    return spans
