"""Read rows of data files as examples of a task or as sentences, and count the rows that are skipped."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..workspace.errors import UserError
from ..workspace.tables import Table, is_conll, is_table, is_text, open_table, open_text, read_conll, text_in
from .annotations import CHARACTERS, MISPLACED, Alignment, Annotations, align_records, annotation_reader
from .annotations.records import OTHER_ROWS
from .evaluation import DEFAULT_LABEL, DEFAULT_TEXT, Task
from .item_labels import LabelError, LabelMistakes, filled_columns, label_in_columns, label_of_text, tags_of_words
from .labels import LabelReader, is_same_label, label_name

EMPTY, OTHER_SPLITS, SAMPLED, LIMITED = "empty text", "other splits", "max_train_samples", "limit"
DUPLICATES = "drop_duplicates"
CUT_OFF = "cut off by max_length"  # words
EXPECTED = {OTHER_ROWS, OTHER_SPLITS, SAMPLED, LIMITED, DUPLICATES}  # reasons that the recipe asks for
MUCH = 0.01  # share of the rows from which a loss is reported
LONG_FILE, LONG_SENTENCE = 200, 1000  # words in one sentence: of the whole file, of one among others
MOST_MISPLACED = 0.5  # share of entities outside their text, from which the offsets must be wrong
DEFAULT_COLUMNS = {DEFAULT_TEXT, DEFAULT_LABEL}  # CoNLL files have no such columns
MAX_NAMES = 5  # of files in a note


@dataclass(frozen=True)
class Item:
    """A text or a pair of texts with its label, its list of labels or its score, or words and their tags."""

    text: str | list[str]
    label: str | list[str] | float
    pair: str | None = None
    """The second text of a pair."""

    @property
    def names(self) -> list[str]:
        """The labels of the text, or the tag of each word; none for a score."""
        return [self.label] if isinstance(self.label, str) else self.label if isinstance(self.label, list) else []

    @property
    def texts(self) -> list[str]:
        """The text, both texts of a pair, or the words joined by spaces."""
        text = self.text if isinstance(self.text, str) else " ".join(self.text)
        return [text] if self.pair is None else [text, self.pair]


@dataclass
class Account:
    """Numbers of rows read, used and skipped in a split: rows = used + the sum of `dropped`."""

    rows: int = 0
    """Rows of a table, lines of a text, sentences of a CoNLL file or with marked entities."""
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
    entities: int = 0
    """Entities that were marked as spans of characters; of the whole file, also if only a part of it is used."""
    spans: Counter[str] = field(default_factory=Counter)
    """Those that are not tagged exactly as they were marked, by what happened to them."""
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
        if self.entities:
            facts["entities"] = self.entities
        parts = {"dropped": self.dropped, "dropped_words": self.words, "dropped_lines": self.lines}
        parts["spans"] = self.spans
        return facts | {name: dict(+counts) for name, counts in parts.items() if +counts}

    @property
    def entity_note(self) -> str:
        """What became of entities that were marked as spans; "" if there are none."""
        if not self.entities:
            return ""
        counts = [f"{count:,} {what}" for what, count in sorted((+self.spans).items())]
        noun = "entity" if self.entities == 1 else "entities"
        return f"{self.entities:,} {noun}" + (f", of which {'; '.join(counts)}" if counts else "")

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
    return [f"read {_listed(list(names))}: {note}" for note, names in files.items()]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def read_items(path: Path, task: Task, account: Account | None = None) -> list[Item]:
    """The examples in a CoNLL file, a table or an export of an annotation tool, in order.

    Raises UserError for an invalid row.
    """
    account = account or Account()
    labels = LabelReader(task.labels)
    if reader := annotation_reader(path, task):
        items = list(_annotated(path, reader(path, task), task, labels, account))
    elif is_conll(path):
        items = _sentences(path, task, labels, account)
    else:
        table = open_table(path)
        items = list(_rows(table, task, labels, account))
        account.notes += [(path.name, note) for note in (*table.notes, *table.late_notes)]
    account.renamed.update(labels.renamed)
    return items


def _annotated(
    path: Path, annotations: Annotations, task: Task, labels: LabelReader, account: Account
) -> Iterator[Item]:
    """The texts of an export with their classes, or their sentences with tags."""
    if task.text_pair is not None:
        raise UserError(f"{path}: an export of {annotations.tool}; pairs of texts are read from tables only")
    account.dropped.update(annotations.dropped)
    account.rows += annotations.dropped.total()
    classified = [record for record in annotations.records if record.spans is None]
    account.rows += len(classified)
    named = task.model_copy(update={"label": annotations.label_column})
    mistakes = LabelMistakes()
    for record in classified:
        try:
            yield Item(record.text, label_of_text(record.label, named, labels, record.place))
        except LabelError as error:
            mistakes.add(error)
    mistakes.raise_all()
    marked = [record for record in annotations.records if record.spans is not None]
    alignment = align_records(marked, annotations.units)
    alignment.counts.update(annotations.lost_spans)
    entities = sum(len(record.spans or ()) for record in marked) + annotations.lost_spans.total()
    _refuse_misplaced(path, alignment, entities)
    account.entities += entities
    account.spans.update(alignment.counts)
    account.rows += len(alignment.sentences)
    unit = "" if alignment.unit == CHARACTERS else f", offsets in {alignment.unit}"
    account.notes.append((path.name, f"an export of {annotations.tool}{unit}"))
    for words, tags in alignment.sentences:
        yield Item(words, [labels.read(tag) or tag for tag in tags])


def _refuse_misplaced(path: Path, alignment: Alignment, entities: int) -> None:
    """Raise a UserError if most entities are not in their texts."""
    misplaced = sum(alignment.counts[reason] for reason in MISPLACED)
    if misplaced > MOST_MISPLACED * entities:
        raise UserError(
            f"{path}: {misplaced:,} of {entities:,} entities are outside their texts, or not on the text that was "
            "marked: were the texts changed after they were annotated?"
        )


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
    columns: list[str] = []  # of label_columns, those that the file has
    mistakes = LabelMistakes()
    for number, row in table.rows:
        account.rows += 1
        if any(not is_same_label(table.value(number, row, name), value) for name, value in wanted):
            account.dropped[OTHER_ROWS] += 1
            continue
        place = table.place(number)
        text = table.value(number, row, task.text_column)
        if isinstance(text, list) and text:
            tags = table.value(number, row, task.label_column)
            try:
                yield Item(*tags_of_words(text, tags, task, labels, place))
            except LabelError as error:
                mistakes.add(error)
            continue
        texts = ["" if text == [] else text_in(text, task.text_column, place)]
        if isinstance(task.text_pair, str):
            texts.append(text_in(table.value(number, row, task.text_pair), task.text_pair, place))
        if not all(map(str.strip, texts)):
            account.dropped[EMPTY] += 1
            continue
        if task.label_columns:
            columns = columns or filled_columns(row, task, place)
            label = label_in_columns({name: row.get(name) for name in task.label_columns}, columns, place)
            yield Item(texts[0], label, *texts[1:])
            continue
        value = table.value(number, row, task.label_column)
        try:
            yield Item(texts[0], label_of_text(value, task, labels, place), *texts[1:])
        except LabelError as error:
            mistakes.add(error)
    mistakes.raise_all()
