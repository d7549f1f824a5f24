"""Read what annotation tools export: doccano, Label Studio, Prodigy, brat and INCEpTION (WebAnno TSV 3).

The content of a file says which tool wrote it; only brat's files are known by their extension, .ann.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ...workspace.errors import UserError
from ...workspace.tables import Table, is_brat, is_json, is_text, is_tsv, open_table
from ..evaluation import Task
from . import brat, doccano, label_studio, prodigy, webanno
from .alignment import MISPLACED, Alignment, align_records
from .records import CHARACTERS, Annotations

__all__ = ["CHARACTERS", "MISPLACED", "Alignment", "Annotations", "align_records", "annotation_reader", "tool_of_row"]

Reader = Callable[[Path, Task], Annotations]
TableReader = Callable[[Path, Table, Task], Annotations]


def annotation_reader(path: Path, task: Task) -> Reader | None:
    """The function that reads a file as an export of an annotation tool; None for other files.

    Raises UserError if the file cannot be read.
    """
    if is_brat(path):
        return brat.read_brat
    if is_text(path) and (annotations := path.with_suffix(".ann")).is_file():
        raise UserError(f"{path} is a text annotated in brat; give its annotations, {annotations.name}, or the folder")
    if is_tsv(path):
        return webanno.read_webanno if webanno.is_webanno(path) else None
    if not is_json(path):
        return None
    for _, row in open_table(path).rows:
        reader = _reader_of_row(row, task)
        if reader is not None:
            return partial(_read_rows, reader)
        if not _may_lack_spans(row, task):
            return None
    return None


def tool_of_row(row: Mapping[str, Any]) -> str:
    """The annotation tool that wrote a row of a table; "" if the row does not show it."""
    if label_studio.is_task(row) or label_studio.is_min_row(row):
        return label_studio.TOOL
    if prodigy.is_prodigy(row):
        return "Prodigy"
    return "doccano" if any(doccano.is_spans(row.get(name)) for name in doccano.SPAN_COLUMNS) else ""


def _read_rows(reader: TableReader, path: Path, task: Task) -> Annotations:
    return reader(path, open_table(path), task)


def _reader_of_row(row: Mapping[str, Any], task: Task) -> TableReader | None:
    """The reader for a file with this row; None for an ordinary table and if the row does not show it."""
    if label_studio.is_task(row):
        return label_studio.read_label_studio
    if label_studio.is_min_row(row):
        return label_studio.read_label_studio_min
    columns = _span_columns(row, task)
    if prodigy.is_prodigy(row) or (prodigy.SPANS in columns and prodigy.has_spans(row)):
        return prodigy.read_prodigy
    return doccano.read_doccano if any(doccano.is_spans(row[name]) for name in columns) else None


def _span_columns(row: Mapping[str, Any], task: Task) -> list[str]:
    """The columns in which spans may be: the label column of the task, or, if the row lacks it, those of the tools."""
    names = [task.label] if isinstance(task.label, str) else task.label
    present = [name for name in names if name in row]
    return present[:1] or [name for name in (*doccano.SPAN_COLUMNS, prodigy.SPANS) if name in row]


def _may_lack_spans(row: Mapping[str, Any], task: Task) -> bool:
    """Whether a row may be a text without entities, so that the next ones must show what the file is."""
    columns = _span_columns(row, task)
    return bool(columns) and all(row[name] == [] for name in columns)
