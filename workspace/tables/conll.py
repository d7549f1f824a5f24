"""Read CoNLL files: a word and its tag per line, a blank line after each sentence; also CoNLL-U and numbered words."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from ..errors import UserError, shown
from .conll_header import header_of, label_number, word_number
from .opening import open_text

CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
CONLLU_ENDINGS = (".conllu", ".conllup", ".conllu.gz", ".conllup.gz")
ENTITY_TAG = re.compile(r"O|[BIESLUM]-.+")
NAMED_COLUMNS = re.compile(r"# ?global\.columns = (.+)")  # CoNLL-U Plus
COMMENT = re.compile(r"# ?(newdoc|newpar|[\w.:]+ =)( |$)")
RANGE_OR_EMPTY = re.compile(
    r"\d+[-.]\d+"
)  # 2-3: a contraction, whose parts follow; 2.1: a word that is not in the text
LANGUAGE_PREFIX = re.compile(r"[a-z]{2,3}(-[a-z]+)*:")  # WikiANN's first release writes en:Paris
NOT_WORDS = "multiword ranges and empty nodes"
MAX_WORD = 60  # characters; if most are longer or contain spaces, they are texts
MAX_DIGITS = 9  # of the number of a word or a column; Python reads no number of more than 4300
NEARLY_ALL = 0.9  # share of lines with a number in front, from which the numbers count the words
LONG_SENTENCE = 20  # words; more lines without a blank line may be texts of one word each
OUTSIDE = "O"


@dataclass(frozen=True)
class Conll:
    """The sentences of a file."""

    sentences: list[tuple[list[str], list[str]]]
    """Words and tags of each."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Numbers of lines that are not words of the text, by reason."""
    notes: tuple[str, ...] = ()
    """How the file was read, if that is not obvious."""


class Line(NamedTuple):
    """A line with a word."""

    number: int
    fields: list[str]


@dataclass(frozen=True)
class _Content:
    """The lines of a file before the columns are identified."""

    sentences: list[list[Line]]
    names: tuple[str, ...] | None
    """The column names of CoNLL-U Plus."""
    comments: list[int]
    """Line numbers."""
    has_blank_lines: bool


def read_conll(path: Path, word_column: str | None = None, label_column: str | None = None) -> Conll:
    """Read a CoNLL file. Tabs separate the columns of a line that has tabs, spaces those of other lines.

    Columns are given by their CoNLL-U name, their name in the first line or their number from 1; None stands for the
    first and the last. If the words are numbered (UNER), the second column holds the words and the third the tags. For
    CoNLL-U `label_column` is required, and may also be a feature in MISC. Tags of any scheme are kept as they are.
    Raises UserError for lines of another form.
    """
    content = _read_content(path)
    if not content.sentences:
        return Conll([])
    lines = [line for sentence in content.sentences for line in sentence]
    _check_widths(path, lines)
    if not content.names and (header := header_of(lines[0].fields, (word_column, label_column))):
        return _read_with_header(path, content, header, word_column, label_column)
    return _read_lines(path, content, word_column, label_column)


def _read_with_header(
    path: Path, content: _Content, header: list[str], word_column: str | None, label_column: str | None
) -> Conll:
    first, *others = content.sentences
    content = replace(content, sentences=[sentence for sentence in (first[1:], *others) if sentence])
    if not content.sentences:
        return Conll([])
    label_column = label_number(path, header, label_column)
    conll = _read_lines(path, content, word_number(path, header, word_column), label_column)
    return replace(conll, notes=(*conll.notes, f"columns named in the first line, labels in column {label_column}"))


def _read_lines(path: Path, content: _Content, word_column: str | None, label_column: str | None) -> Conll:
    sentences = content.sentences
    lines = [line for sentence in sentences for line in sentence]
    numbered = len(lines[0].fields) > 2 and _are_numbered([line.fields for line in lines])
    names = content.names or _conllu_names(path, lines, numbered=numbered)
    if names:
        _check_named_width(path, lines[0], names)
    numbers = _number_column(names, numbered=numbered)
    dropped: Counter[str] = Counter()
    if numbers is not None:
        _check_numbers(path, sentences, numbers)
        sentences = [
            [line for line in sentence if not RANGE_OR_EMPTY.fullmatch(line.fields[numbers])] for sentence in sentences
        ]
        dropped[NOT_WORDS] = len(lines) - sum(map(len, sentences))
        lines = [line for sentence in sentences for line in sentence]
        if not lines:
            return Conll([], dropped)
    if names:
        words, labels = _named_columns(path, lines, names, word_column, label_column)
    else:
        words, labels = _counted_columns(path, lines, word_column, label_column, numbered=numbered)
    _refuse_texts(path, words)
    if numbers is None and not content.has_blank_lines:
        _refuse_short_texts(path, labels)
    notes = _notes(content, names, numbered=numbered)
    if not names and label_column is None:
        notes += _other_tag_columns(lines, labels)
    if prefix := _common_prefix(words):
        words = [word.removeprefix(prefix) for word in words]
        notes.append(f"prefix {prefix!r} removed from every word")
    pairs = iter(zip(words, labels, strict=True))
    cut = [[next(pairs) for _ in sentence] for sentence in sentences]
    return Conll([([word for word, _ in s], [tag for _, tag in s]) for s in cut if s], +dropped, tuple(notes))


def _other_tag_columns(lines: Sequence[Line], labels: Sequence[str]) -> list[str]:
    """A note if entity tags are in other columns than that with `labels`, such as chunks in CoNLL-2003."""
    columns = [list(column) for column in zip(*(line.fields for line in lines), strict=True)]
    tagged = [column for column in columns if all(map(ENTITY_TAG.fullmatch, column)) and set(column) != {OUTSIDE}]
    if len(tagged) < 2 or list(labels) not in tagged:
        return []
    others = [str(columns.index(column) + 1) for column in tagged if column != list(labels)]
    chosen = columns.index(list(labels)) + 1
    return [f"labels in column {chosen}; label: {' or '.join(others)} chooses other tags"] if others else []


def _notes(content: _Content, names: tuple[str, ...] | None, *, numbered: bool) -> list[str]:
    if names:
        return ["CoNLL-U columns" if names == CONLLU else "named columns"]
    if numbered:
        return ["word numbers in the first column"]
    if comments := content.comments:
        return [f"{len(comments)} comment lines skipped, the first is line {comments[0]}"]
    return []


def _read_content(path: Path) -> _Content:
    names = None
    texts: list[tuple[int, str]] = []  # number and text of each line; "" ends a sentence
    with open_text(path, newline="\n") as file:
        for number, text in enumerate(_lines(file), 1):
            if match := NAMED_COLUMNS.match(text):
                names = tuple(name.split(":")[-1].lower() for name in match[1].split())
            else:
                texts.append((number, "" if text.startswith("-DOCSTART-") else text))
    comments = _find_comments([text for _, text in texts])
    sentences: list[list[Line]] = [[]]
    for index, (number, text) in enumerate(texts):
        if not text:
            sentences.append([])
        elif index not in comments:
            sentences[-1].append(Line(number, _split(text)))
    return _Content(
        [sentence for sentence in sentences if sentence],
        names,
        [texts[index][0] for index in sorted(comments)],
        len(sentences) > 1,
    )


def _lines(file: Iterable[str]) -> Iterator[str]:
    """The lines of a file: they end at line feeds and carriage returns, but not at U+2028 and U+0085.

    Carriage returns before a line feed are part of the line end.
    """
    for part in file:
        for line in part.rstrip("\r\n").split("\r"):
            yield line.strip(" ").rstrip("\t")


def _find_comments(texts: Sequence[str]) -> set[int]:
    """The indices of comment lines: those that begin with a hash and cannot be words."""
    hashes = {index for index, text in enumerate(texts) if text[:1] == "#"}
    words = [_split(text) for text in texts if text and text[0] != "#"]
    width = len(words[0]) if words else 0
    if width > 2 and _are_numbered(words):
        return hashes
    tabs = any("\t" in text for text in texts if text[:1] != "#")
    tags = {fields[-1] for fields in words}
    comments: set[int] = set()
    for index in sorted(hashes):
        text = texts[index]
        starts_sentence = index == 0 or not texts[index - 1] or index - 1 in comments
        if not _may_be_word(text, width, tabs=tabs) or (
            starts_sentence and not tabs and text.startswith("# ") and not _is_tag(_split(text)[-1], tags)
        ):
            comments.add(index)
    return comments


def _may_be_word(text: str, width: int, *, tabs: bool) -> bool:
    """Whether a line that begins with a hash has as many columns as lines with words: "#<tab>O", "#Nairobi B-LOC"."""
    if COMMENT.match(text) or (tabs and "\t" not in text):
        return False
    return len(_split(text)) == width < len(CONLLU)


def _is_tag(text: str, tags: Collection[str]) -> bool:
    return text in tags or bool(ENTITY_TAG.fullmatch(text))


def _split(text: str) -> list[str]:
    if "\t" in text:
        return [part.strip(" ") for part in text.split("\t")]
    return re.split(" +", text)


def _check_widths(path: Path, lines: Sequence[Line]) -> None:
    """Raise a UserError for the first line without a word and a tag, or with other columns than the first line."""
    first = lines[0]
    for line in lines:
        if len(line.fields) < 2 or not line.fields[0]:
            raise UserError(
                f"{path}, line {line.number}: expected a token and a tag, got {' '.join(line.fields).strip()!r}"
            )
        if len(line.fields) != len(first.fields):
            raise UserError(
                f"{path}, line {line.number}: expected {len(first.fields)} columns as in line {first.number}, found "
                f"{len(line.fields)}; write one word and its tag per line, with a tab between them if words contain "
                "spaces (for texts with one label each, use a tsv or csv with a header)"
            )


def _check_named_width(path: Path, line: Line, names: Sequence[str]) -> None:
    if len(line.fields) != len(names):
        hint = "; if it is not CoNLL-U, rename it to .conll" if names == CONLLU else ""
        raise UserError(
            f"{path}, line {line.number}: expected {len(names)} columns, {', '.join(names)}, found "
            f"{len(line.fields)}{hint}"
        )


def _conllu_names(path: Path, lines: Sequence[Line], *, numbered: bool) -> tuple[str, ...] | None:
    """The columns of CoNLL-U if the file has its ending, or has ten columns and numbered words; else None."""
    named = path.name.lower().endswith(CONLLU_ENDINGS)
    return CONLLU if named or (numbered and len(lines[0].fields) == len(CONLLU)) else None


def _is_number(text: str) -> bool:
    return len(text) <= MAX_DIGITS and (text.isdecimal() or bool(RANGE_OR_EMPTY.fullmatch(text)))


def _are_numbered(rows: Sequence[Sequence[str]]) -> bool:
    """Whether nearly all lines begin with a number; it need not restart in each sentence."""
    return sum(_is_number(row[0]) for row in rows) >= NEARLY_ALL * len(rows)


def _number_column(names: Sequence[str] | None, *, numbered: bool) -> int | None:
    """The index of the column with the word numbers, or None."""
    if names:
        return names.index("id") if "id" in names else None
    return 0 if numbered else None


def _check_numbers(path: Path, sentences: Sequence[Sequence[Line]], column: int) -> None:
    """Raise a UserError for the first line without a word number, or with one not above that of the line before."""
    for sentence in sentences:
        previous = -1
        for line in sentence:
            text = line.fields[column]
            if not _is_number(text):
                raise UserError(
                    f"{path}, line {line.number}: expected the number of a word in column {column + 1} as in other "
                    f"lines, got {text!r}"
                )
            if text.isdecimal():
                if int(text) <= previous:
                    raise UserError(
                        f"{path}, line {line.number}: word number {text} follows {previous}; "
                        "is the blank line between two sentences missing?"
                    )
                previous = int(text)


def _named_columns(
    path: Path, lines: Sequence[Line], names: Sequence[str], word_column: str | None, label_column: str | None
) -> tuple[list[str], list[str]]:
    """Words and labels by column name or feature of MISC. Raises UserError for a column without values."""
    if label_column is None:
        others = ", ".join(name for name in names if name not in ("id", "form"))
        raise UserError(
            f"{path} has the columns of CoNLL-U; name the one with the labels, as in label: upos ({others})"
        )
    words = _column(path, lines, names, word_column or "form")
    if words is None:
        raise UserError(f"{path}: no column called {shown(word_column or 'form')}; columns: {', '.join(names)}")
    labels = _column(path, lines, names, label_column)
    return words, _feature(path, lines, names, label_column) if labels is None else labels


def _column(path: Path, lines: Sequence[Line], names: Sequence[str], wanted: str) -> list[str] | None:
    """The values of a column by its name or number; None where there is no such column."""
    name = wanted.lower()
    is_number = name.isdecimal() and len(name) <= MAX_DIGITS
    index = int(name) - 1 if is_number and 0 < int(name) <= len(names) else None
    if index is None and name not in names:
        return None
    values = [line.fields[names.index(name) if index is None else index] for line in lines]
    if all(value == "_" for value in values):
        raise UserError(f"{path}: column {wanted} contains only _; name another one, or download the full file")
    return values


def _feature(path: Path, lines: Sequence[Line], names: Sequence[str], wanted: str) -> list[str]:
    """The values of a feature in MISC (`NER=B-PER|SpaceAfter=No`); O for words without it."""
    features_of_words = [
        dict(part.split("=", 1) for part in line.fields[names.index("misc")].split("|") if "=" in part)
        for line in (lines if "misc" in names else ())
    ]
    known = {name.lower(): name for features in features_of_words for name in features}
    name = known.get(wanted.lower().removeprefix("misc."))
    if name is None:
        raise UserError(
            f"{path}: no column or feature in MISC called {shown(wanted)}; columns: {', '.join(names)}"
            + (f"; features: {', '.join(sorted(known.values()))}" if known else "")
        )
    return [features.get(name, OUTSIDE) for features in features_of_words]


def _counted_columns(
    path: Path, lines: Sequence[Line], word_column: str | None, label_column: str | None, *, numbered: bool
) -> tuple[list[str], list[str]]:
    """Words and labels of a file without column names."""
    width = len(lines[0].fields)
    words = _number(path, word_column, width) if word_column else None
    words = words or (2 if numbered else 1)
    labels = _number(path, label_column, width) if label_column else None
    if labels is None and numbered and (width == 3 or all(ENTITY_TAG.fullmatch(line.fields[2]) for line in lines)):
        labels = 3
    if labels is None and width > 2 and (numbered or label_column):
        raise UserError(
            f"{path} has {width} columns without names; give the number of the one with the labels, as in label: 3"
        )
    labels = labels or width
    return [line.fields[words - 1] for line in lines], [line.fields[labels - 1] for line in lines]


def _number(path: Path, column: str, width: int) -> int | None:
    """The number of a column; None for a name, which does not apply to these files."""
    if not column.isdecimal():
        return None
    if len(column) > MAX_DIGITS or not 0 < int(column) <= width:
        raise UserError(f"{path} has {width} columns; there is no column {column[:MAX_WORD]}")
    return int(column)


def _refuse_texts(path: Path, words: Sequence[str]) -> None:
    """Raise a UserError if most of the words look like texts."""
    long = sum(" " in word or len(word) > MAX_WORD for word in words)
    if 2 * long > len(words):
        raise UserError(
            f"{path} has a text and a label on each line, not a word and its tag (“Amina⇥B-PER”, a blank line after "
            "each sentence); for labels of whole texts write a .tsv whose first line is “text⇥label”"
        )


def _refuse_short_texts(path: Path, labels: Sequence[str]) -> None:
    """Raise a UserError where many lines, with no blank one among them, have labels that are not entity tags.

    In scripts without spaces a text looks like a word.
    """
    if len(labels) > LONG_SENTENCE and not any(map(ENTITY_TAG.fullmatch, labels)):
        raise UserError(
            f"{path}: {len(labels)} lines without a blank line, and no tag is O or like B-PER. Words with tags (parts "
            "of speech) need a blank line after each sentence; for labels of whole texts write a .tsv whose first line "
            "is “text⇥label”"
        )


def _common_prefix(words: Sequence[str]) -> str:
    """The language code before every word, as in en:Paris."""
    match = LANGUAGE_PREFIX.match(words[0]) if words else None
    return match[0] if match and all(word.startswith(match[0]) for word in words) else ""
