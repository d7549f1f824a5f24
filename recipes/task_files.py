"""Read the examples of the tasks and the sentences for pseudo-perplexity from the files that a recipe names."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..workspace.errors import UserError
from ..workspace.locations import alternatives, exists, expand_files, find_files, identity, local_files
from ..workspace.progress import QUIET, Progress, say_once
from ..workspace.tables import ColumnError, check_columns, choose_column, is_conll
from ..workspace.text import clean_field, clean_line, describe_changes
from .annotations import annotation_reader
from .evaluation import TASKS, PseudoPerplexity, Task
from .examples import DUPLICATES, EMPTY, OTHER_SPLITS, Account, Item, read_items, read_texts
from .label_names import label_names
from .splits import SPLITS, TASK_BOUNDS, Split, split_of


def read_split(
    name: str, task: Task, split: str, cache: Path, progress: Progress = QUIET, account: Account | None = None
) -> list[Item]:
    """The examples of a split of task `name`, in the order of the file and with its repeats.

    Rows that are skipped are counted in `account`. Raises UserError, naming the field, for a file that cannot be
    downloaded or read, lacks a column or has no examples.
    """
    field, location = _location(task, split)
    account = account or Account()
    with _naming(name, field):
        source, paths = find_files(location, cache, progress)
        items = [item for path in paths for item in read_items(path, _resolve_columns(path, task, source), account)]
        if note := account.entity_note:
            account.notes.append((Path(source).name, note))
        items = clean_items(items, f"{field_of(name)}.{field}", account, progress)
        if not items:
            raise UserError(f"{paths[0]} has no examples" + (f" with {task.where}" if task.where else ""))
        if task.drop_duplicates:
            distinct = {(normal_text(item), str(item.label)): item for item in items}
            account.dropped[DUPLICATES] += len(items) - len(distinct)
            items = list(distinct.values())
        if field == "file":
            total, splits = len(items), _splits_of_texts(items)
            items = [item for item in items if splits[normal_text(item)] == split]
            account.dropped[OTHER_SPLITS] += total - len(items)
        if not items:
            raise UserError(f"{paths[0]} is too small to split: nothing is left for {split}; give three files")
    return items


def label_origin(name: str, task: Task, cache: Path) -> str:
    """Where the label names of a task come from (see `LabelNames.origin`), by its test data, which must be cached."""
    field, location = _location(task, "test")
    with _naming(name, field):
        source, paths = find_files(location, cache)
        if is_conll(paths[0]) or annotation_reader(paths[0], task) or _has_no_names(task):
            return "names"
        return label_names(paths[0], choose_column(task.label, paths[0]), task.labels, source).origin


def clean_items(items: Sequence[Item], origin: str, account: Account, progress: Progress = QUIET) -> list[Item]:
    """The items with their text cleaned (see `workspace.text`), without those that are empty then.

    `account` counts the empty ones.
    """
    counts: Counter[str] = Counter()
    cleaned = [_cleaned_item(item, counts) for item in items]
    if counts:
        say_once(progress, f"{origin}: text normalised: {describe_changes(counts)}")
    kept = [item for item in cleaned if any(item.text) and item.pair != ""]
    account.dropped[EMPTY] += len(items) - len(kept)
    return kept


def _cleaned_item(item: Item, counts: Counter[str]) -> Item:
    label = clean_field(item.label, counts) if isinstance(item.label, str | list) else item.label
    pair = None if item.pair is None else clean_line(item.pair, counts)
    return Item(clean_field(item.text, counts), label, pair)


def task_inputs(name: str, task: Task, splits: Sequence[str] = SPLITS) -> dict[str, str]:
    """What identifies the data of a task: content hashes of local files, locations of others."""
    inputs = {}
    for split in splits:
        field, location = _location(task, split)
        with _naming(name, field):
            inputs[field] = identity(location)
    return inputs


def is_local(task: Task) -> bool:
    """Whether the files of all splits are on this machine."""
    chosen = [_location(task, split)[1] for split in SPLITS]
    return all(location and exists(alternatives(location)[0]) for location in chosen)


def available_splits(task: Task) -> list[str]:
    """The splits whose files exist; those on a server, which is not asked, count as existing."""
    locations = {split: _location(task, split)[1] for split in SPLITS if split not in task.lacking or task.file}
    return [
        split
        for split, location in locations.items()
        if any("://" in place or exists(place) for place in alternatives(location))
    ]


def sentence_inputs(settings: PseudoPerplexity) -> dict[str, str]:
    """What identifies the sentences of the pseudo-perplexity: see `task_inputs`."""
    with _naming("mlm", "files"):
        return {f"files.{number}": identity(location) for number, location in enumerate(sentence_files(settings))}


def read_sentences(
    settings: PseudoPerplexity, cache: Path, progress: Progress = QUIET, account: Account | None = None
) -> Iterator[str]:
    """The sentences of `eval.mlm.files` in order: lines of text files, the text column of tables.

    They are cleaned (see `workspace.text`); empty ones are skipped. Raises UserError for a file that cannot be
    downloaded or read.
    """
    with _naming("mlm", "files"):
        for location in sentence_files(settings):
            for path in local_files(location, cache, progress):
                account = account or Account()
                texts = read_texts(path, choose_column(settings.text, path), account)
                yield from _cleaned(texts, path, account, progress)


def _cleaned(texts: Iterable[str], path: Path, account: Account, progress: Progress) -> Iterator[str]:
    counts: Counter[str] = Counter()
    try:
        for text in texts:
            if cleaned := clean_line(text, counts):
                yield cleaned
            else:
                account.dropped[EMPTY] += 1
    finally:  # also when the caller stops early
        if counts:
            say_once(progress, f"eval.mlm.files: {path.name}: text normalised: {describe_changes(counts)}")


def sentence_files(settings: PseudoPerplexity) -> list[str]:
    """The locations, with folders and globs expanded."""
    return [
        file
        for location in settings.files
        for file in ([location] if "://" in location else map(str, expand_files([location])))
    ]


def _location(task: Task, split: str) -> tuple[str, str | list[str]]:
    """The field that holds a split, and its value."""
    return ("file", task.file) if task.file is not None else (split, getattr(task, split))


def field_of(name: str) -> str:
    """The recipe's field of a task: eval.topic, eval.others.intent."""
    return f"eval.{name}" if name in ("mlm", *TASKS) else f"eval.others.{name}"


def normal_text(item: Item) -> str:
    """The text, both texts of a pair, or the words, with single spaces."""
    return " ".join(" ".join(item.texts).split())


def sample(items: list[Item], size: int | None) -> list[Item]:
    """At most `size` items, chosen by a hash of their text, in their order; None: all."""
    if size is None or len(items) <= size:
        return items
    chosen = sorted(range(len(items)), key=lambda index: (_fraction(items[index]), index))[:size]
    return [items[index] for index in sorted(chosen)]


def _fraction(item: Item) -> float:
    """A hash of the text as a number in [0, 1)."""
    return int.from_bytes(hashlib.sha256(normal_text(item).encode()).digest()[:8]) / 2**64


def _splits_of_texts(items: Sequence[Item]) -> dict[str, Split]:
    """The split of each text of a single file; equal texts count as often as they occur.

    In the order of the texts' hashes, so that the splits do not depend on the order of the rows. Of three texts or
    more, each split has at least one.
    """
    by_hash = {normal_text(item): _fraction(item) for item in items}
    counts = Counter(map(normal_text, items))
    texts = sorted(by_hash, key=lambda text: (by_hash[text], text))
    splits, before = list[Split](), 0
    for text in texts:
        middle = before + counts[text] / 2
        splits.append(split_of(middle / len(items), TASK_BOUNDS))
        before += counts[text]
    if len(texts) >= 3:  # the first one is always in train
        splits[-1] = "test"
        if "validation" not in splits:
            splits[max(1, splits.index("test") - 1)] = "validation"
    return dict(zip(texts, splits, strict=True))


@contextmanager
def _naming(name: str, field: str) -> Iterator[None]:
    """Put the field of the recipe in front of errors."""
    try:
        yield
    except ColumnError as error:
        hint = "text names the column" if name == "mlm" else "text, label and where name the columns"
        raise ColumnError(f"{field_of(name)}.{field}: {error}; {field_of(name)}.{hint}") from error
    except UserError as error:
        raise UserError(f"{field_of(name)}.{field}: {error}") from error


def _resolve_columns(path: Path, task: Task, location: str) -> Task:
    """The task with the columns that this file has, and its labels in the order of the numbers in the file."""
    if is_conll(path) or annotation_reader(path, task):
        return task
    columns = {"text": choose_column(task.text, path), "label": choose_column(task.label, path)}
    if task.text_pair is not None:
        columns["text_pair"] = choose_column(task.text_pair, path)
    wanted = [*task.where, columns["text"], columns.get("text_pair"), None if task.label_columns else columns["label"]]
    check_columns([name for name in wanted if name is not None], path)
    names = task.labels if _has_no_names(task) else label_names(path, columns["label"], task.labels, location).names
    return task.model_copy(update={**columns, "labels": names})


def _has_no_names(task: Task) -> bool:
    """Whether the file's values are no labels: they are scores, or its columns are named like the labels."""
    return task.stated_kind == "regression" or bool(task.label_columns)
