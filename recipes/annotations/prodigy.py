"""Read Prodigy's JSONL (`prodigy db-out`): spans, the class that a text was accepted for, or the option chosen.

Layout: https://prodi.gy/docs/api-interfaces. Only accepted tasks count. Offsets count characters.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...workspace.errors import UserError
from ...workspace.tables import Table
from ..evaluation import Task
from .records import (
    IGNORED,
    NOT_ANNOTATED,
    OTHER_ROWS,
    REJECTED,
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

SPANS, CHOSEN, LABEL = "spans", "accept", "label"
ANSWERS = ("accept", "reject", "ignore")
ANNOTATOR = "_annotator_id"


def is_prodigy(row: Mapping[str, Any]) -> bool:
    """Whether a row was written by Prodigy."""
    return "_task_hash" in row or row.get("answer") in ANSWERS


def has_spans(row: Mapping[str, Any]) -> bool:
    """Whether a row has spans in Prodigy's form."""
    spans = row.get(SPANS)
    return isinstance(spans, list) and bool(spans) and all(isinstance(span, dict) and "start" in span for span in spans)


def read_prodigy(path: Path, table: Table, task: Task) -> Annotations:
    """The texts of an export."""
    rows = [(table.place(number), row) for number, row in table.rows]
    source, kind = _source(path, task, [row for _, row in rows])
    annotations = Annotations("Prodigy", source, [])
    records = []
    for place, row in rows:
        if reason := _skipped(row, task, place):
            annotations.dropped[reason] += 1
            continue
        text, value = text_of(row, task, place), row.get(source)
        item, annotator = str(row.get("_input_hash", "")), str(row.get(ANNOTATOR))
        if kind == "entities":
            records.append(Record(place, text, None, [_span(part, place) for part in value or ()], item, annotator))
        elif label := _chosen(row) if source == CHOSEN else value:
            records.append(Record(place, text, label, None, item, annotator))
        else:
            annotations.dropped[NOT_ANNOTATED] += 1
    annotations.records = one_per_item(records, ANNOTATOR, annotations.dropped)
    return annotations


def _source(path: Path, task: Task, rows: list[dict[str, Any]]) -> tuple[str, Kind]:
    sources: dict[str, Kind] = {}
    for row in rows:
        if has_spans(row):
            sources[SPANS] = "entities"
        if isinstance(row.get(CHOSEN), list):
            sources[CHOSEN] = "classes"
        if isinstance(row.get(LABEL), str):
            sources[LABEL] = "classes"
    source = choose_source(path, task, sources)
    return source, sources[source]


def _skipped(row: Mapping[str, Any], task: Task, place: str) -> str | None:
    """Why a row is left out, if it is."""
    if row.get("answer", "accept") == "accept":
        return None if is_wanted(row, task, place) else OTHER_ROWS
    return REJECTED if row["answer"] == "reject" else IGNORED


def _chosen(row: Mapping[str, Any]) -> list[Any]:
    """The chosen options; an option whose id is a number goes by its text."""
    texts = {option.get("id"): option.get("text") for option in row.get("options", ())}
    return [(texts.get(choice) or choice) if isinstance(choice, int) else choice for choice in row.get(CHOSEN) or ()]


def _span(part: Any, place: str) -> Span:
    if not isinstance(part, Mapping):
        raise UserError(f"{place}: expected spans with start, end and label: {part}")
    start, end = (whole_number(part.get(key), key, place) for key in ("start", "end"))
    return Span(start, end, span_label(part.get("label"), place), part.get("text"))
