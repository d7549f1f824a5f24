r"""Read WebAnno TSV 3, which INCEpTION exports: one token per line, with columns for the features of each layer.

Layout: the appendix "WebAnno TSV 3.3" of INCEpTION's user guide
(https://inception-project.github.io/releases/36.0/docs/user-guide.html). A header names the layers; a line holds
SENTENCE-TOKEN, BEGIN-END, the token and the features: `_` for none, `*` for one without a value, `PER[2]` for
annotation 2 of several tokens, `PER[2]|LOC[3]` for two. Parts of tokens follow in lines of their own (1-2.1). Reserved
characters are escaped by a backslash. Offsets count UTF-16 units.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...workspace.errors import UserError
from ...workspace.tables import open_text
from ..evaluation import DEFAULT_LABEL, Task
from .records import UTF_16, Annotations, Record, Span, choose_source

FORMAT = "#FORMAT=WebAnno TSV 3"
LAYER = re.compile(r"#T_(SP|CH|RL)=([^|]*)(?:\|(.*))?")
TOKEN = re.compile(r"(\d+)-(\d+)(\.\d+)?\t(\d+)-(\d+)\t([^\t]*)((?:\t[^\t]*)*)")
VALUE = re.compile(r"(.*?)(?:(?<!\\)\[(\d+)\])?")
VALUE_SEPARATOR = re.compile(r"(?<!\\)\|")
ESCAPED = re.compile(r"\\(->|.)")
ESCAPES = {"t": "\t", "n": "\n", "r": "\r"}
OF_TOKENS = ("POS", "Lemma", "MorphologicalFeatures", "Stem")  # layers with a value for each token
NO_ANNOTATION, NO_VALUE, SLOT = "_", "*", "ROLE_"


@dataclass(frozen=True)
class _Token:
    """A token, or a part of one."""

    place: str
    sentence: str
    is_part: bool
    begin: int
    end: int
    text: str
    values: list[str]


def is_webanno(path: Path) -> bool:
    """Whether a file says that it is WebAnno TSV 3."""
    with open_text(path) as file:
        return file.read(len(FORMAT)) == FORMAT


def read_webanno(path: Path, task: Task) -> Annotations:
    """The sentences of a file, with the spans of the layer or feature that the task names."""
    if task.where:
        raise UserError(f"{path}: WebAnno TSV has no columns for where; remove it")
    with open_text(path, newline="\n") as file:
        lines = [line.rstrip("\r\n") for line in file]
    columns = _columns(lines)
    tokens = list(_tokens(path, lines, len(columns)))
    marked = [
        name for index, name in enumerate(columns) if name and any(_labels(token.values[index]) for token in tokens)
    ]
    if task.label != DEFAULT_LABEL:
        marked = [name for name in columns if name]  # the layer may be empty in one of several documents
    source = choose_source(path, task, dict.fromkeys(marked, "entities")) if marked else ""
    annotations = Annotations("WebAnno TSV", source, [], units=(UTF_16,))
    sentences: dict[str, list[_Token]] = {}
    for token in tokens:
        sentences.setdefault(token.sentence, []).append(token)
    for sentence in sentences.values():
        spans = _spans(sentence, columns.index(source)) if source else []
        annotations.records.append(Record(sentence[0].place, _text(sentence), None, spans))
    return annotations


def _columns(lines: Sequence[str]) -> list[str]:
    """The names of the columns after the token, LAYER.FEATURE; "" for those that are not spans with a type."""
    columns: list[str] = []
    for line in lines:
        if match := LAYER.fullmatch(line):
            kind, layer, features = match[1], match[2].rpartition(".")[2], (match[3] or "").split("|")
            usable = kind == "SP" and layer not in OF_TOKENS
            for previous, feature in zip(["", *features], features, strict=False):
                is_slot = feature.startswith(SLOT) or previous.startswith(SLOT)  # and the layer that fills it
                columns.append(f"{layer}.{feature}" if usable and feature and not is_slot else "")
    return columns


def _tokens(path: Path, lines: Sequence[str], width: int) -> Iterator[_Token]:
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        match, place = TOKEN.fullmatch(line), f"{path}, line {number}"
        values = match[7].rstrip("\t").split("\t")[1:] if match else []
        if match is None or len(values) != width:
            raise UserError(
                f"{place}: expected SENTENCE-TOKEN, BEGIN-END, the token and {width} columns as in the header; "
                "export the document again"
            )
        yield _Token(place, match[1], match[3] is not None, int(match[4]), int(match[5]), match[6], values)


def _text(tokens: Sequence[_Token]) -> str:
    """The text of a sentence: its tokens, with spaces between them."""
    text, end = "", tokens[0].begin
    for token in tokens:
        if token.is_part:
            continue
        length = token.end - token.begin
        form = next((form for form in (token.text, _unescaped(token.text)) if _units(form) == length), None)
        if form is None or token.begin < end:
            raise UserError(f"{token.place}: {token.text!r} does not fit its offsets, {token.begin}-{token.end}")
        text += " " * (token.begin - end) + form
        end = token.end
    return text


def _spans(tokens: Sequence[_Token], column: int) -> list[Span]:
    """The annotations in a column; tokens with the same number belong to one."""
    start = tokens[0].begin
    extents: dict[tuple[str, str], tuple[int, int]] = {}
    for index, token in enumerate(tokens):
        for label, number in _labels(token.values[column]):
            key = (label, number or f"token {index}")
            begin, _ = extents.get(key, (token.begin, token.end))
            extents[key] = (begin, token.end)
    return [Span(begin - start, end - start, _unescaped(label)) for (label, _), (begin, end) in extents.items()]


def _labels(cell: str) -> list[tuple[str, str]]:
    """The labels in a cell with the numbers of their annotations, "" for one of a single token."""
    matches = [VALUE.fullmatch(value) for value in VALUE_SEPARATOR.split(cell)]
    return [(match[1], match[2] or "") for match in matches if match and match[1] not in (NO_ANNOTATION, NO_VALUE)]


def _unescaped(text: str) -> str:
    return ESCAPED.sub(lambda match: ESCAPES.get(match[1], match[1]), text)


def _units(text: str) -> int:
    """Its length in UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
