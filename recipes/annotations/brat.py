"""Read brat's standoff format: a text, DOC.txt, and what is marked in it, DOC.ann.

Layout: https://brat.nlplab.org/standoff.html. A text-bound annotation is a line `T1<tab>LOC 0 7<tab>Nairobi`; offsets
count characters of the text, line breaks included. Triggers of events, relations and attributes are not entities.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from ...workspace.errors import UserError
from ...workspace.tables import open_text
from ..evaluation import Task
from .records import Annotations, Record, Span

SOURCE = "entities"
SEPARATED, TRIGGERS = "left out: in separate parts", "left out: triggers of events"
TEXT_BOUND = re.compile(r"(T\S*)\t(\S+) (\d+ \d+(?:;\d+ \d+)*)(?:\t(.*))?")
EVENT = re.compile(r"E\S*\t[^:\s]+:(T\S*)")


def read_brat(path: Path, task: Task) -> Annotations:
    """The text beside an .ann file."""
    if task.where:
        raise UserError(f"{path}: brat's files have no columns; remove where")
    text_path = path.with_suffix(".txt")
    if not text_path.is_file():
        raise UserError(f"{path} lacks its text, {text_path.name}, in the same folder")
    with open_text(text_path) as file:
        text = file.read()
    annotations = Annotations("brat", SOURCE, [])
    spans = list(_spans(path, text, annotations))
    annotations.records.append(Record(str(path), text, None, spans))
    return annotations


def _spans(path: Path, text: str, annotations: Annotations) -> Iterator[Span]:
    with open_text(path, newline="\n") as file:
        lines = [line.rstrip("\r\n") for line in file]
    triggers = {match[1] for line in lines if (match := EVENT.match(line))}
    for number, line in enumerate(lines, 1):
        if not line.startswith("T"):
            continue
        match = TEXT_BOUND.fullmatch(line)
        if match is None:
            raise UserError(f"{path}, line {number}: expected T1<tab>TYPE START END<tab>TEXT, got {line!r}")
        name, label, offsets, marked = match.groups()
        parts = [tuple(map(int, part.split())) for part in offsets.split(";")]
        start, end = parts[0][0], parts[-1][1]
        gaps = [text[before[1] : after[0]] for before, after in pairwise(parts)]
        if name in triggers:
            annotations.lost_spans[TRIGGERS] += 1
        elif any(map(str.strip, gaps)):
            annotations.lost_spans[SEPARATED] += 1
        else:  # the parts of an entity that goes on in the next line
            yield Span(start, end, label, marked)
