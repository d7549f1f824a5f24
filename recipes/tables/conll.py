"""CoNLL files: a word and its tag on a line, a blank line after each sentence; also CoNLL-U, and numbered words."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..errors import UserError
from .opening import open_text

CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
ENTITY_TAG = re.compile(r"O|[BIESLUM]-.+")
NAMED_COLUMNS = re.compile(r"# ?global\.columns = (.+)")  # CoNLL-U Plus
COMMENT = re.compile(r"# ?(newdoc|newpar|[\w.:]+ =)( |$)")
RANGE_OR_EMPTY = re.compile(r"\d+[-.]\d+")  # 2-3: a contraction, its parts follow; 2.1: a word that is not in the text
LANGUAGE_PREFIX = re.compile(r"[a-z]{2,3}(-[a-z]+)*:")  # WikiANN's first release writes en:Paris
NOT_WORDS = "multiword ranges and empty nodes"
LONGEST_WORD = 60  # characters; where most are longer or hold spaces, they are texts
OUTSIDE = "O"


@dataclass(frozen=True)
class Conll:
    """The sentences of a file."""

    sentences: list[tuple[list[str], list[str]]]
    """Words and tags of each."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Lines that are no words of the text, by reason."""
    notes: tuple[str, ...] = ()
    """How the file was read, where that is not plain."""


class Line(NamedTuple):
    """A line with a word."""

    number: int
    fields: list[str]


def read_conll(path: Path, word_column: str | None = None, label_column: str | None = None) -> Conll:
    """Read a CoNLL file: tabs part the columns of a line that has tabs, else white space.

    Columns are named by CoNLL-U's names or counted from 1; None: the first and the last. Of numbered words (UNER) the
    second column holds the words and the third the tags; for CoNLL-U `label_column` is needed, and may name a feature
    in MISC too. Tags stay as they are: IOB, BIOES or any other. Raises UserError for a line of another form.
    """
    sentences, names, comments = _read_lines(path)
    if not sentences:
        return Conll([])
    lines = [line for sentence in sentences for line in sentence]
    _check_widths(path, lines)
    numbered = len(lines[0].fields) > 2 and all(map(_is_numbered, sentences))
    if names is None and len(lines[0].fields) == len(CONLLU) and numbered:
        names = CONLLU
    dropped: Counter[str] = Counter()
    if numbered or names:
        dropped[NOT_WORDS] = sum(bool(RANGE_OR_EMPTY.fullmatch(line.fields[0])) for line in lines)
        lines = [line for line in lines if not RANGE_OR_EMPTY.fullmatch(line.fields[0])]
        sentences = [
            [line for line in sentence if not RANGE_OR_EMPTY.fullmatch(line.fields[0])] for sentence in sentences
        ]
    if names:
        words, labels = _named_columns(path, lines, names, word_column, label_column)
    else:
        words, labels = _counted_columns(path, lines, word_column, label_column, numbered=numbered)
    _refuse_texts(path, words)
    notes = ["CoNLL-U columns" if names == CONLLU else "named columns"] if names else []
    if not names and numbered:
        notes.append("word numbers in the first column")
    if comments and not names and not numbered:  # there a comment cannot be a word
        notes.append(f"{len(comments)} comment lines skipped, the first is line {comments[0]}")
    if prefix := _common_prefix(words):
        words = [word.removeprefix(prefix) for word in words]
        notes.append(f"prefix {prefix!r} removed from every word")
    pairs = iter(zip(words, labels, strict=True))
    cut = [[next(pairs) for _ in sentence] for sentence in sentences]
    return Conll([([word for word, _ in s], [tag for _, tag in s]) for s in cut if s], +dropped, tuple(notes))


def _read_lines(path: Path) -> tuple[list[list[Line]], tuple[str, ...] | None, list[int]]:
    """The lines of each sentence, the column names of CoNLL-U Plus, and the numbers of the lines with comments."""
    names = None
    lines: list[Line | None] = []  # None: the end of a sentence
    hashes: list[tuple[int, str]] = []
    with open_text(path, newline="\n") as file:
        for number, raw in enumerate(file, 1):
            text = raw.strip(" \r\n").rstrip("\t")
            if match := NAMED_COLUMNS.match(text):
                names = tuple(name.split(":")[-1].lower() for name in match[1].split())
            elif not text or text.startswith("-DOCSTART-"):
                lines.append(None)
            else:
                if text[0] == "#":
                    hashes.append((len(lines), text))
                lines.append(Line(number, _split(text)))
    comments = {place for place, _ in hashes}
    width = next((len(line.fields) for place, line in enumerate(lines) if line and place not in comments), 0)
    # a hash that has as many columns as the words is a word: "#<tab>O", "#Nairobi B-LOC"
    comments -= {
        place
        for place, text in hashes
        if (line := lines[place]) and len(line.fields) == width < len(CONLLU) and not COMMENT.match(text)
    }
    sentences: list[list[Line]] = [[]]
    for place, line in enumerate(lines):
        if line is None:
            sentences.append([])
        elif place not in comments:
            sentences[-1].append(line)
    numbers = [line.number for place in sorted(comments) if (line := lines[place])]
    return [sentence for sentence in sentences if sentence], names, numbers


def _split(text: str) -> list[str]:
    if "\t" in text:
        return [part.strip(" ") for part in text.split("\t")]
    return re.split(" +", text)


def _check_widths(path: Path, lines: Sequence[Line]) -> None:
    """Raise a UserError for the first line without a word and a tag, or with other columns than the first."""
    first = lines[0]
    for line in lines:
        if len(line.fields) < 2 or not line.fields[0]:
            raise UserError(
                f"{path}, line {line.number}: expected a token and a tag, got {' '.join(line.fields).strip()!r}"
            )
        if len(line.fields) != len(first.fields):
            raise UserError(
                f"{path}, line {line.number}: expected {len(first.fields)} columns as in line {first.number}, found "
                f"{len(line.fields)}; one word and its tag a line, with a tab between if words hold spaces (texts with "
                "a label each: a tsv or csv with a header)"
            )


def _is_numbered(sentence: Sequence[Line]) -> bool:
    ids = [line.fields[0] for line in sentence if not RANGE_OR_EMPTY.fullmatch(line.fields[0])]
    return ids == [str(number) for number in range(1, len(ids) + 1)]


def _named_columns(
    path: Path, lines: Sequence[Line], names: Sequence[str], word_column: str | None, label_column: str | None
) -> tuple[list[str], list[str]]:
    """Words and labels by column name, or a feature of MISC. Raises UserError where a column is not filled in."""
    if len(lines[0].fields) != len(names):
        raise UserError(f"{path}, line {lines[0].number}: expected {len(names)} columns, {', '.join(names)}")
    if label_column is None:
        others = ", ".join(name for name in names if name not in ("id", "form"))
        raise UserError(
            f"{path} has the columns of CoNLL-U; name the one with the labels, as in label: upos ({others})"
        )
    words = _column(path, lines, names, word_column or "form")
    try:
        return words, _column(path, lines, names, label_column)
    except KeyError:
        return words, _feature(path, lines, names, label_column)


def _column(path: Path, lines: Sequence[Line], names: Sequence[str], wanted: str) -> list[str]:
    name = wanted.lower()
    place = int(name) - 1 if name.isdecimal() and 0 < int(name) <= len(names) else None
    if place is None and name not in names:
        raise KeyError(wanted)
    values = [line.fields[names.index(name) if place is None else place] for line in lines]
    if all(value == "_" for value in values):
        raise UserError(f"{path}: column {wanted} holds nothing but _; name another one, or get the full file")
    return values


def _feature(path: Path, lines: Sequence[Line], names: Sequence[str], wanted: str) -> list[str]:
    """The values of a feature in MISC (`NER=B-PER|SpaceAfter=No`); a word without it is outside (O)."""
    features = [
        dict(part.split("=", 1) for part in line.fields[names.index("misc")].split("|") if "=" in part)
        for line in (lines if "misc" in names else ())
    ]
    known = {name.lower(): name for found in features for name in found}
    name = known.get(wanted.lower().removeprefix("misc."))
    if name is None:
        raise UserError(
            f"{path}: no column or feature in MISC called {wanted!r}; columns: {', '.join(names)}"
            + (f"; features: {', '.join(sorted(known.values()))}" if known else "")
        )
    return [found.get(name, OUTSIDE) for found in features]


def _counted_columns(
    path: Path, lines: Sequence[Line], word_column: str | None, label_column: str | None, *, numbered: bool
) -> tuple[list[str], list[str]]:
    """Words and labels of columns without names."""
    width = len(lines[0].fields)
    words = _number(path, word_column, width) if word_column else None
    words = words or (2 if numbered else 1)
    labels = _number(path, label_column, width) if label_column else None
    if labels is None and numbered and (width == 3 or all(ENTITY_TAG.fullmatch(line.fields[2]) for line in lines)):
        labels = 3
    if labels is None and width > 2 and (numbered or label_column):
        raise UserError(
            f"{path} has {width} columns without names; say which one holds the labels by its number, as in label: 3"
        )
    labels = labels or width
    return [line.fields[words - 1] for line in lines], [line.fields[labels - 1] for line in lines]


def _number(path: Path, column: str, width: int) -> int | None:
    """A column's number; None for a name, which these files have not."""
    if not column.isdecimal():
        return None
    if not 0 < int(column) <= width:
        raise UserError(f"{path} has {width} columns, but column {column} is asked for")
    return int(column)


def _refuse_texts(path: Path, words: Sequence[str]) -> None:
    """Raise a UserError where most of what should be words are texts."""
    long = sum(" " in word or len(word) > LONGEST_WORD for word in words)
    if 2 * long > len(words):
        raise UserError(
            f"{path} has a text and a label on each line, not a word and its tag (“Amina⇥B-PER”, a blank line after "
            "each sentence); for labels of whole texts write a .tsv whose first line is “text⇥label”"
        )


def _common_prefix(words: Sequence[str]) -> str:
    """The language code before every word, as in en:Paris."""
    match = LANGUAGE_PREFIX.match(words[0]) if words else None
    return match[0] if match and all(word.startswith(match[0]) for word in words) else ""
