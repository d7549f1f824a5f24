"""Labelled data of the tasks, ready for training: three splits, labels in a fixed order, tags in one scheme."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..recipes.evaluation import Task
from ..recipes.examples import LIMITED, SAMPLED, Account, Item, reading_notes
from ..recipes.splits import SPLITS
from ..recipes.task_files import field_of, normal_text, read_split, sample
from ..workspace.errors import UserError
from ..workspace.progress import QUIET, Progress
from .label_checks import LISTED, Counts, label_counts, odd_labels, poor_splits, refuse_mismatches

OUTSIDE = "O"
TAG = re.compile(r"O|[BIESLUM]-.+")
MISSING_VALUES = {"nan", "n/a", "#n/a", "<na>", "null"}  # as tables write them, in any case
BEGINNING = {"B": "B", "I": "I", "S": "B", "U": "B", "E": "I", "L": "I", "M": "I"}  # BIOES and its cousins in IOB


@dataclass(frozen=True)
class TaskData:
    """The three splits of a task and its label names in a fixed order."""

    splits: dict[str, list[Item]]
    labels: list[str]
    tags: bool
    """Whether each word has a label, instead of each text."""
    repaired: dict[str, int] = field(default_factory=dict)
    """By split, the tags that were written anew in IOB2 because they were in another scheme, or broken."""
    overlap: int = 0
    """Test items whose text stands in train or validation too."""
    strange: tuple[str, ...] = ()
    """Sentences on labels that may be mistakes."""
    accounts: dict[str, Account] = field(default_factory=dict)
    """By split, what became of the rows of its file."""

    @property
    def notes(self) -> list[str]:
        """Sentences on how the files were read, and on the labels."""
        found = reading_notes(self.accounts.values())
        for split, account in self.accounts.items():
            if account.renamed:
                names = ", ".join(f"{name!r} ({count:,})" for name, count in account.renamed.items())
                found.append(f"{split}: labels in another Unicode form or with invisible characters, read as {names}")
        return [*found, *self.strange]


def read_task(name: str, task: Task, cache: Path, progress: Progress = QUIET, *, limit: int | None = None) -> TaskData:
    """Read the splits of a task, of test at most `limit` items.

    Raises UserError for unreadable files, missing columns, or an empty split.
    """
    accounts = {split: Account() for split in SPLITS}
    splits = {split: read_split(name, task, split, cache, progress, accounts[split]) for split in SPLITS}
    tags = _have_tags(name, task, splits)
    repaired: dict[str, int] = {}
    if tags and task.metric != "accuracy":
        for split, items in splits.items():
            _check_tags(name, split, items, named=task.labels is not None)
            mended = [to_iob2(item.label) for item in items]
            splits[split] = [Item(item.text, new) for item, (new, _) in zip(items, mended, strict=True)]
            repaired[split] = sum(changed for _, changed in mended)
    labels = _labels(splits, task, entities=bool(repaired))
    unnamed = {part for items in splits.values() for item in items for part in _as_list(item.label)} - set(labels)
    if unnamed:
        raise UserError(f"{field_of(name)}.labels lacks {', '.join(sorted(unnamed))}, which the files hold")
    strange = _check_names(name, task, splits, kind="entity type" if repaired else "tag" if tags else "label")
    for split, size, reason in (("train", task.max_train_samples, SAMPLED), ("test", limit, LIMITED)):
        kept = sample(splits[split], size)
        accounts[split].dropped[reason] += len(splits[split]) - len(kept)
        splits[split] = kept
    return TaskData(splits, labels, tags, repaired, _overlap(splits), strange, accounts)


def _have_tags(name: str, task: Task, splits: dict[str, list[Item]]) -> bool:
    """Whether each word has a label, instead of each text. Raises UserError where that does not fit the task."""
    tags = {isinstance(item.label, list) for items in splits.values() for item in items}
    if len(tags) > 1:
        raise UserError(f"{field_of(name)}: some splits have a label for each text, some one for each word")
    if (task.metric == "entity_f1" or name == "ner") and tags == {False}:
        raise UserError(f"{field_of(name)}: expected CoNLL files, or rows with lists of tokens and tags")
    if task.metric == "macro_f1" and tags == {True}:
        raise UserError(
            f"{field_of(name)}.metric: macro_f1 is for a label a text; here are tags: entity_f1 or accuracy"
        )
    return tags == {True}


def _check_names(name: str, task: Task, splits: dict[str, list[Item]], kind: str) -> tuple[str, ...]:
    """Notes on the label names.

    Names that the recipe lists are meant. Raises UserError where the splits seem to call one thing by two names, or
    where test has no label in common with train.
    """
    counts = label_counts(splits, entities=kind == "entity type")
    if task.labels is None:
        refuse_mismatches(field_of(name), counts, kind=kind)
    if kind != "entity type":
        _refuse_disjoint(name, counts, kind)
    if task.labels is not None:
        return tuple(poor_splits(counts, kind=kind))
    missing = _missing_values(name, counts) if kind == "label" else []
    return (*poor_splits(counts, kind=kind), *missing, *odd_labels(counts, kind=kind))


def _refuse_disjoint(name: str, counts: Counts, kind: str) -> None:
    """Raise a UserError where no label of test is in train: every answer would be wrong."""
    if counts["train"].keys() & counts["test"].keys():
        return
    raise UserError(
        f"{field_of(name)}: no {kind} of test is in train: test has {_shortened(counts['test'])}, "
        f"train has {_shortened(counts['train'])}; do both files belong to one task?"
    )


def _shortened(labels: Iterable[str]) -> str:
    """The first few labels, and how many more there are."""
    names = sorted(labels)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(repr, names[:LISTED])) + more


def _missing_values(name: str, counts: Counts) -> list[str]:
    """Notes on labels that look like the mark of a missing value, beside other labels."""
    labels = {label for split in counts.values() for label in split}
    found = sorted(label for label in labels if label == "None" or label.casefold() in MISSING_VALUES)
    if len(found) == len(labels):
        return []
    return [
        f"label {label!r} stands in {_places(label, counts)}: a missing value? Remove these rows, or list it in "
        f"{field_of(name)}.labels"
        for label in found
    ]


def _places(label: str, counts: Counts) -> str:
    """How often a label stands in each split that has it."""
    times = {split: labels[label] for split, labels in counts.items() if labels[label]}
    return ", in ".join(f"{split} {count:,} time{'s' if count > 1 else ''}" for split, count in times.items())


def to_iob2(tags: Sequence[str]) -> tuple[list[str], int]:
    """Tags of a sentence in IOB2, from IOB1, IOB2, BIOES or BILOU, and how many of them changed.

    Each entity begins with B-, also one that an I- tag opens.
    """
    found: list[str] = []
    for place, tag in enumerate(tags):
        prefix, dash, kind = tag.partition("-")
        if not dash:
            found.append(OUTSIDE)
            continue
        goes_on = BEGINNING[prefix] == "I" and place > 0 and found[-1][1:] == f"-{kind}"
        after_end = place > 0 and tags[place - 1][:1] in ("E", "L", "S", "U")
        found.append(f"{'I' if goes_on and not after_end else 'B'}-{kind}")
    return found, sum(new != old for new, old in zip(found, tags, strict=True))


def _check_tags(name: str, split: str, items: Sequence[Item], *, named: bool) -> None:
    """Raise a UserError for a tag of no scheme, with the place where the first one stands."""
    tags = {tag for item in items for tag in item.label}
    for item in items:
        for word, tag in zip(item.text, item.label, strict=True):
            if not TAG.fullmatch(tag):
                raise UserError(
                    f"{field_of(name)}.{split}: {tag!r} is no tag of IOB or BIOES, at {word!r} in "
                    f"“{' '.join(item.text[:8])}”{_tag_hint(name, tag, tags, named=named)}"
                )


def _tag_hint(name: str, tag: str, tags: set[str], *, named: bool) -> str:
    """What a tag of no scheme may be meant as, from all `tags` of the split."""
    if all(other.isdecimal() for other in tags) and not named:
        return f"; tags that are numbers need names: {field_of(name)}.labels, in order, as in [O, B-PER, I-PER]"
    meant = _meant(tag)
    if TAG.fullmatch(meant):
        return f"; did you mean {meant}?"
    if any(TAG.fullmatch(other) and other != OUTSIDE for other in tags):
        return ""
    if OUTSIDE in tags:
        return f"; entity tags begin with B- or I-, as in I-{tag}; if these are no entities, metric: accuracy"
    return "; if these are no entities, metric: accuracy"


def _meant(tag: str) -> str:
    """A tag with its prefix in capitals and a hyphen after it; a zero or a small o is an O."""
    if tag in ("o", "0"):
        return OUTSIDE
    return re.sub(r"^([bieslumBIESLUM])[-_.:–—]", lambda found: f"{found[1].upper()}-", tag)


def _overlap(splits: dict[str, list[Item]]) -> int:
    seen = {normal_text(item) for split in ("train", "validation") for item in splits[split]}
    return sum(normal_text(item) in seen for item in splits["test"])


def _labels(splits: dict[str, list[Item]], task: Task, *, entities: bool) -> list[str]:
    """The label names: the recipe's order, else sorted, so that ids do not depend on the order of the rows."""
    if task.labels is not None:
        given = list(task.labels)
        begun = [f"B-{tag[2:]}" for tag in given if tag.startswith("I-")] if entities else []  # of a list in IOB1
        return list(dict.fromkeys([*given, *begun]))
    found = {name for items in splits.values() for item in items for name in _as_list(item.label)}
    return sorted(found, key=lambda name: (name != OUTSIDE, name))


def _as_list(label: str | Sequence[str]) -> Sequence[str]:
    return [label] if isinstance(label, str) else label
