"""Read rows of data files as examples of a task or as sentences, and count the rows that are skipped."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from ..workspace.errors import UserError
from ..workspace.tables import Table, describe, is_conll, is_table, is_text, open_table, open_text, read_conll, text_in
from .evaluation import Task
from .labels import LabelReader, label_name

EMPTY, OTHER_ROWS, OTHER_SPLITS, SAMPLED, LIMITED = "empty text", "where", "other splits", "max_train_samples", "limit"
CUT_OFF = "cut off by max_length"  # words
EXPECTED = {OTHER_ROWS, OTHER_SPLITS, SAMPLED, LIMITED}  # reasons that the recipe asks for
MUCH = 0.01  # share of the rows from which a loss is reported
LONG_FILE, LONG_SENTENCE = 200, 1000  # words in one sentence: of the whole file, of one among others
DEFAULT_COLUMNS = {"text", "label"}  # of Task; CoNLL files have no such columns


@dataclass(frozen=True)
class Item:
    """A text and its label, or words and their tags."""

    text: str | list[str]
    label: str | list[str]


@dataclass
class Account:
    """Numbers of rows read, used and skipped in a split: rows = used + the sum of `dropped`."""

    rows: int = 0
    """Rows of a table, lines of a text, sentences of a CoNLL file."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Rows skipped, by reason."""
    words: Counter[str] = field(default_factory=Counter)
    """Words skipped in the rows that are used, by reason."""
    lines: Counter[str] = field(default_factory=Counter)
    """Lines of CoNLL files that are not words, by reason; of the whole file, also if only a part of it is used."""
    all_words: int = 0
    """Words of the rows that are used, skipped words included; only for tagging."""
    cut: int = 0
    """Rows that are truncated."""
    renamed: Counter[str] = field(default_factory=Counter)
    """Labels written in another Unicode form or with invisible characters, by name."""
    notes: list[tuple[str, str]] = field(default_factory=list)
    """How files were read, if their names do not show it: the name of the file and a note."""

    @property
    def used(self) -> int:
        """Rows that were not skipped."""
        return self.rows - self.dropped.total()

    def facts(self) -> dict[str, Any]:
        """For the manifest."""
        facts: dict[str, Any] = {"rows": self.rows, "used": self.used}
        if self.cut:
            facts["cut"] = self.cut
        if self.all_words:
            facts["words"] = self.all_words
        parts = {"dropped": self.dropped, "dropped_words": self.words, "dropped_lines": self.lines}
        return facts | {name: dict(+counts) for name, counts in parts.items() if +counts}

    def losses(self, limit: str = "eval.training.max_length") -> list[str]:
        """Messages about many rows or words that were skipped although the recipe does not ask for it.

        `limit` is the field of the recipe by which they are truncated.
        """
        words = self.words.copy()
        beyond = words.pop(CUT_OFF, 0)
        messages = [_loss(self.dropped, self.rows, "rows"), _loss(words, self.all_words, "words")]
        if beyond > MUCH * self.all_words:
            messages.append(f"{beyond:,} of {self.all_words:,} words are beyond {limit} and were skipped")
        if not self.all_words and self.cut > MUCH * self.used:
            messages.append(f"{self.cut:,} of {self.used:,} rows are longer than {limit} and were truncated")
        return [message for message in messages if message]


def _loss(dropped: Counter[str], whole: int, what: str) -> str:
    lost = {reason: count for reason, count in dropped.items() if count and reason not in EXPECTED}
    if sum(lost.values()) <= MUCH * whole:
        return ""
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in lost.items())
    return f"{sum(lost.values()):,} of {whole:,} {what} skipped: {reasons}"


def reading_notes(accounts: Iterable[Account]) -> list[str]:
    """Messages on how files were read, one for all files with the same note."""
    files: dict[str, dict[str, None]] = {}
    for name, note in (pair for account in accounts for pair in account.notes):
        files.setdefault(note, {})[name] = None
    return [f"read {', '.join(names)}: {note}" for note, names in files.items()]


def read_items(path: Path, task: Task, account: Account | None = None) -> list[Item]:
    """The examples in a CoNLL file or a table, in order. Raises UserError for an invalid row."""
    account = account or Account()
    labels = LabelReader(task.labels)
    if is_conll(path):
        items = _sentences(path, task, labels, account)
    else:
        table = open_table(path)
        items = list(_rows(table, task, labels, account))
        account.notes += [(path.name, note) for note in (*table.notes, *table.late_notes)]
    account.renamed.update(labels.renamed)
    return items


def read_texts(path: Path, name: str, account: Account | None = None) -> Iterator[str]:
    """The lines of a text file, or column `name` of a table, without blank ones.

    Raises UserError for a value that is not text.
    """
    account = account or Account()
    if is_conll(path) and not is_text(path):
        raise UserError(f"{path}: a CoNLL file; expected sentences, one per line in a .txt or in a column of a table")
    for text in _column_of(path, name, account) if is_table(path) else _lines_of(path):
        account.rows += 1
        if text := text.strip():
            yield text
        else:
            account.dropped[EMPTY] += 1


def _lines_of(path: Path) -> Iterator[str]:
    with open_text(path) as file:
        yield from file


def _column_of(path: Path, name: str, account: Account) -> Iterator[str]:
    table = open_table(path)
    account.notes += [(path.name, note) for note in table.notes]
    for number, row in table.rows:
        yield text_in(table.value(number, row, name), name, table.place(number))
    account.notes += [(path.name, note) for note in table.late_notes]


def _sentences(path: Path, task: Task, labels: LabelReader, account: Account) -> list[Item]:
    conll = read_conll(path, _named(task.text), _named(task.label))
    account.rows += len(conll.sentences)
    account.lines.update(conll.dropped)
    account.notes += [(path.name, note) for note in (*conll.notes, *_long_sentences(path, conll.sentences))]
    # a tag that is not among the recipe's labels may become one of them in IOB2
    return [Item(words, [labels.read(tag) or tag for tag in tags]) for words, tags in conll.sentences]


def _long_sentences(path: Path, sentences: Sequence[tuple[list[str], list[str]]]) -> list[str]:
    """A note on a suspiciously long sentence. Raises UserError if such a sentence is the whole file."""
    longest = max((len(words) for words, _ in sentences), default=0)
    if len(sentences) == 1 and longest > LONG_FILE:
        raise UserError(f"{path}: one sentence of {longest:,} words: are blank lines missing?")
    return [f"one sentence of {longest:,} words: are blank lines missing?"] if longest > LONG_SENTENCE else []


def _named(names: str | list[str]) -> str | None:
    """The column of a CoNLL file that a task names; None for the defaults and for lists, which are meant for tables."""
    return None if isinstance(names, list) or names in DEFAULT_COLUMNS else names


def _rows(table: Table, task: Task, labels: LabelReader, account: Account) -> Iterator[Item]:
    wanted = [(name, label_name(value)) for name, value in task.where.items()]
    for number, row in table.rows:
        account.rows += 1
        if any(not _is_same(table.value(number, row, name), value) for name, value in wanted):
            account.dropped[OTHER_ROWS] += 1
            continue
        text, label = (table.value(number, row, name) for name in (task.text_column, task.label_column))
        place = table.place(number)
        if isinstance(text, list) and text:
            yield Item(*_tagged(text, label, task, labels, place))
        elif text == [] or not (text := text_in(text, task.text_column, place)).strip():
            account.dropped[EMPTY] += 1
        else:
            yield Item(text, _one_label(label, task, labels, place))


def _is_same(value: Any, wanted: str) -> bool:
    name = label_name(value)
    is_boolean = wanted.lower() in ("true", "false")  # pandas writes True
    return name == wanted or (is_boolean and name.lower() == wanted.lower())


def _tagged(words: list[Any], tags: Any, task: Task, labels: LabelReader, place: str) -> tuple[list[str], list[str]]:
    """The words of a row and their tags. Raises UserError if their numbers differ."""
    words = [text_in(word, task.text_column, place) for word in words]
    if not isinstance(tags, list):
        raise UserError(
            f"{place}, column {task.label_column!r}: expected a tag for each of the {len(words)} words in column "
            f"{task.text_column!r}, got {describe(tags)}"
        )
    if any(isinstance(tag, list | dict) for tag in tags):
        raise UserError(_spans(task, place))
    if len(tags) != len(words):
        raise UserError(
            f"{place}: {len(words)} words but {len(tags)} tags ({task.text_column!r}, {task.label_column!r})"
        )
    return words, [_name(tag, task, labels, place) for tag in tags]


def _one_label(label: Any, task: Task, labels: LabelReader, place: str) -> str:
    """The label of a text, which may be in a list of length one."""
    if isinstance(label, dict) or (isinstance(label, list) and any(isinstance(part, list | dict) for part in label)):
        raise UserError(_spans(task, place))
    if isinstance(label, list):
        if len(label) != 1:
            what = f"{len(label)} labels in a list" if label else "an empty list"
            raise UserError(
                f"{place}, column {task.label_column!r}: expected one label for the text, got {what}; tags for "
                "words need a column with lists of words"
            )
        label = label[0]
    return _name(label, task, labels, place)


def _spans(task: Task, place: str) -> str:
    return (
        f"{place}, column {task.label_column!r}: labels of spans (start, end, type) are not supported; convert them to "
        "CoNLL (one word and its tag per line), or to rows with a list of words and a list of tags"
    )


def _name(value: Any, task: Task, labels: LabelReader, place: str) -> str:
    """The name of a label. Raises UserError for a missing label, and for one that the recipe does not list."""
    if value is not None and not isinstance(value, str | int | float | Decimal):
        raise UserError(f"{place}, column {task.label_column!r}: expected a label, got {describe(value)}")
    name = labels.read(value)
    if name:
        return name
    if name is None:
        raise UserError(f"{place}: label {label_name(value)!r} is not among {', '.join(task.labels or ())}")
    raise UserError(f"{place}, column {task.label_column!r}: the row has no label; add one, or remove the row")
