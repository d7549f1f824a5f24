"""Labelled data of a task, ready for training: three splits, labels in a fixed order, tags in IOB2."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..recipes.evaluation import Task
from ..recipes.examples import LIMITED, SAMPLED, Account, Item, reading_notes
from ..recipes.splits import SPLITS
from ..recipes.task_files import field_of, normal_text, read_split, sample
from ..recipes.task_kinds import PROBLEM_TYPES, KindName, ProblemType
from ..workspace.errors import Mistakes, UserError
from ..workspace.formatting import format_count
from ..workspace.progress import QUIET, Progress
from .kinds import KINDS
from .label_checks import (
    MAX_LISTED,
    LabelCounts,
    count_labels,
    label_notes,
    refuse_mismatches,
    refuse_variants,
    split_notes,
)

OUTSIDE = "O"
TAG = re.compile(r"O|[BIESLUM]-.+")
MISSING_VALUES = {"nan", "n/a", "#n/a", "<na>", "null"}  # as tables write them, in any case
# Prefixes of BIOES, BILOU and BMES tags as IOB ones
IOB_PREFIXES = {"B": "B", "I": "I", "S": "B", "U": "B", "E": "I", "L": "I", "M": "I"}
ENDING_PREFIXES = ("E", "L", "S", "U")
FEW = {"validation": 10, "test": 50}
"""Examples below which a split is reported: a test of 50 items has intervals of some 25 points, and with fewer than 10
for validation the choice of the best epoch is left to chance."""


@dataclass(frozen=True)
class TaskData:
    """The three splits of a task and its label names in a fixed order."""

    splits: dict[str, list[Item]]
    labels: list[str]
    """Empty for scores."""
    kind: KindName
    repaired: dict[str, int] = field(default_factory=dict)
    """Tags by split that were rewritten in IOB2 because they were in another scheme or malformed."""
    overlap: int = 0
    """Test items whose text also occurs in train or validation."""
    label_notes: tuple[str, ...] = ()
    """Sentences on labels that may be mistakes."""
    accounts: dict[str, Account] = field(default_factory=dict)
    """What became of the rows of each split's file."""
    from_one_file: bool = False
    """Whether the splits were made here, from a single file."""

    @property
    def problem_type(self) -> ProblemType:
        """What the head answers."""
        return PROBLEM_TYPES[self.kind]

    @property
    def outputs(self) -> int:
        """How many numbers the head gives for a text or a word."""
        return 1 if self.kind == "regression" else len(self.labels)

    @property
    def notes(self) -> list[str]:
        """Sentences on how the files were read, and on the labels."""
        renamed = {
            split: [f"labels in another Unicode form or with invisible characters, read as {_counted(account.renamed)}"]
            for split, account in self.accounts.items()
            if account.renamed
        }
        return [*reading_notes(self.accounts.values()), *self._by_split(renamed), *self.label_notes]

    @property
    def size_notes(self) -> list[str]:
        """How many examples the splits have, and which are too small to rely on; a `limit` is the user's own choice."""
        sizes = {split: len(items) + self.accounts[split].dropped[LIMITED] for split, items in self.splits.items()}
        counts = ", ".join(f"{size:,} {split}" for split, size in sizes.items())
        notes = [f"{counts} examples{', split from one file' if self.from_one_file else ''}"]
        if small := [split for split, fewest in FEW.items() if sizes[split] < fewest]:
            few = " and ".join(f"{format_count(sizes[split], 'example')} for {split}" for split in small)
            goal = " and ".join(f"{FEW[split]} for {split}" for split in small)
            files = ", or give these splits as files of their own" if self.from_one_file else ""
            notes.append(f"only {few}, so scores are unreliable: label more (at least {goal}){files}")
        return notes

    def losses(self, limit: str) -> list[str]:
        """Messages about many rows or words that were skipped although the recipe does not ask for it.

        `limit` says by what they are truncated.
        """
        return self._by_split({split: account.losses(limit) for split, account in self.accounts.items()})

    def _by_split(self, messages: Mapping[str, Sequence[str]]) -> list[str]:
        """Messages about the splits, each once: all splits of one file count the same rows of it."""
        splits: dict[str, list[str]] = {}
        for split, of_split in messages.items():
            for message in of_split:
                splits.setdefault(message, []).append(split)
        everywhere = list(SPLITS) if self.from_one_file else None
        return [
            message if names == everywhere else f"{', '.join(names)}: {message}" for message, names in splits.items()
        ]


def read_task(name: str, task: Task, cache: Path, progress: Progress = QUIET, *, limit: int | None = None) -> TaskData:
    """Read the splits of a task, at most `limit` items of test.

    Raises UserError for unreadable files, missing columns, an empty split, or mistakes in the labels: for those of all
    splits together.
    """
    accounts = {split: Account() for split in SPLITS}
    splits: dict[str, list[Item]] = {}
    mistakes = Mistakes()
    for split in SPLITS:
        with mistakes.collect():
            splits[split] = read_split(name, task, split, cache, progress, accounts[split])
    mistakes.raise_all()
    kind = _kind(name, task, splits)
    repaired: dict[str, int] = {}
    if kind == "entities":
        for split, items in splits.items():
            with mistakes.collect():
                _check_tags(name, split, items, named=task.labels is not None)
        mistakes.raise_all()
        for split, items in splits.items():
            splits[split], repaired[split] = _in_iob2(items)
    if kind == "regression":
        labels, notes = [], _check_scores(name, splits)
    else:
        labels = _label_names(splits, task, entities=kind == "entities")
        if unlisted := _labels_in(splits) - set(labels):
            raise UserError(f"{field_of(name)}.labels lacks {', '.join(sorted(unlisted))}, which the files contain")
        notes = _check_names(name, task, splits, KINDS[kind].unit)
    for split, size, reason in (("train", task.max_train_samples, SAMPLED), ("test", limit, LIMITED)):
        kept = sample(splits[split], size)
        accounts[split].dropped[reason] += len(splits[split]) - len(kept)
        splits[split] = kept
    return TaskData(splits, labels, kind, repaired, _overlap(splits), notes, accounts, task.file is not None)


def to_iob2(tags: Sequence[str]) -> tuple[list[str], int]:
    """Tags of a sentence in IOB2, from IOB1, IOB2, BIOES, BILOU or BMES, and how many of them changed.

    Each entity begins with B-, also if its first tag is I-.
    """
    converted: list[str] = []
    for position, tag in enumerate(tags):
        prefix, dash, kind = tag.partition("-")
        if not dash:
            converted.append(OUTSIDE)
            continue
        continues = (
            position > 0
            and IOB_PREFIXES[prefix] == "I"
            and converted[-1][1:] == f"-{kind}"
            and not tags[position - 1].startswith(ENDING_PREFIXES)
        )
        converted.append(f"{'I' if continues else 'B'}-{kind}")
    return converted, sum(new != old for new, old in zip(converted, tags, strict=True))


def _in_iob2(items: Sequence[Item]) -> tuple[list[Item], int]:
    """The items with their tags in IOB2, and how many tags changed."""
    converted, total = [], 0
    for item in items:
        tags, changed = to_iob2(item.names)
        converted.append(Item(item.text, tags))
        total += changed
    return converted, total


def _kind(name: str, task: Task, splits: dict[str, list[Item]]) -> KindName:
    """The kind of the task: that of the recipe, or what the files show. Raises UserError if they do not agree."""
    field = field_of(name)
    have_words = {isinstance(item.text, list) for items in splits.values() for item in items}
    if len(have_words) > 1:
        raise UserError(f"{field}: some splits have one label per text, others one per word")
    words = have_words == {True}
    if words and task.labels_words is False:
        if task.kind is not None:
            raise UserError(f"{field}.kind: {task.kind} labels texts, but these files have tags of words")
        raise UserError(
            f"{field}.metric: {task.metric} needs labels of texts, but these files have tags; use entity_f1 or accuracy"
        )
    if words and task.text_pair is not None:
        raise UserError(f"{field}.text_pair: these files have tags of words, not pairs of texts")
    if not words and (task.labels_words or name == "ner"):
        raise UserError(f"{field}: expected CoNLL files, rows with lists of tokens and tags, or marked entities")
    if task.stated_kind is not None:
        return task.stated_kind
    if not words:
        return "classification"
    return "tagging" if task.metric == "accuracy" else "entities"


def _check_scores(name: str, splits: dict[str, list[Item]]) -> tuple[str, ...]:
    """Notes on the scores. Raises UserError if all training scores are the same."""
    constant = [split for split, items in splits.items() if len({item.label for item in items}) == 1]  # pyright: ignore[reportUnhashable]
    if "train" in constant:
        raise UserError(f"{field_of(name)}.train: every score is {splits['train'][0].label}: there is nothing to learn")
    return tuple(f"every score of {split} is the same, so it has no correlation" for split in constant)


def _check_names(name: str, task: Task, splits: dict[str, list[Item]], kind: str) -> tuple[str, ...]:
    """Notes on the label names, which are a `kind`: label, tag or entity type.

    Names that the recipe lists are taken as intended. Raises UserError if the splits seem to use two names for one
    thing, or if test has no label in common with train.
    """
    counts = count_labels(splits, entities=kind == "entity type")
    if task.labels is None and task.file is not None:
        refuse_variants(field_of(name), splits, kind=kind)
    elif task.labels is None:
        refuse_mismatches(field_of(name), counts, kind=kind)
    if kind != "entity type":
        _refuse_disjoint(name, counts, kind, examples=None if task.file is None else sum(map(len, splits.values())))
    notes = split_notes(counts, kind=kind)
    if task.labels is not None:
        return tuple(notes)
    missing = _missing_value_notes(name, counts) if kind == "label" else []
    return (*notes, *missing, *label_notes(counts, kind=kind))


def _refuse_disjoint(name: str, counts: LabelCounts, kind: str, *, examples: int | None) -> None:
    """Raise a UserError if no label of test is in train: every prediction would be wrong.

    `examples` is the size of the single file; None for three files.
    """
    if counts["train"].keys() & counts["test"].keys():
        return
    if examples is not None:
        size = f"{format_count(examples, 'example')} with {format_count(len(set().union(*counts.values())), kind)}"
        raise UserError(
            f"{field_of(name)}.file: {size} are too few to be split into train, validation and test: no {kind} of test "
            f"({_listed(counts['test'])}) occurs in train; label more, or give three files"
        )
    raise UserError(
        f"{field_of(name)}: no {kind} of test occurs in train: test has {_listed(counts['test'])}, "
        f"train has {_listed(counts['train'])}; do both files belong to the same task?"
    )


def _listed(labels: Iterable[str]) -> str:
    """The first few labels, and how many more there are."""
    names = sorted(labels)
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(map(repr, names[:MAX_LISTED])) + more


def _missing_value_notes(name: str, counts: LabelCounts) -> list[str]:
    """Notes on labels that look like the mark of a missing value, among others that do not."""
    labels = {label for split in counts.values() for label in split}
    suspects = sorted(label for label in labels if label == "None" or label.casefold() in MISSING_VALUES)
    if len(suspects) == len(labels):
        return []
    return [
        f"label {label!r} occurs in {_occurrences(label, counts)}: a missing value? Remove these rows, or list it in "
        f"{field_of(name)}.labels"
        for label in suspects
    ]


def _counted(names: Mapping[str, int]) -> str:
    return ", ".join(f"{name!r} ({count:,})" for name, count in names.items())


def _occurrences(label: str, counts: LabelCounts) -> str:
    """How often a label occurs in each split that has it."""
    times = {split: labels[label] for split, labels in counts.items() if labels[label]}
    return ", in ".join(f"{split} {format_count(count, 'time')}" for split, count in times.items())


def _check_tags(name: str, split: str, items: Sequence[Item], *, named: bool) -> None:
    """Raise a UserError for the tags that are of no known scheme, each where it occurs first."""
    tags = {tag for item in items for tag in item.names}
    unknown: dict[str, str] = {}  # tag -> place
    for item in items:
        for word, tag in zip(item.text, item.names, strict=True):
            if tag not in unknown and not TAG.fullmatch(tag):
                unknown[tag] = f"at {word!r} in “{' '.join(item.text[:8])}”"
    mistakes = Mistakes()
    are_all = len(unknown) == len(tags - {OUTSIDE})
    for tag, place in list(unknown.items())[: 1 if are_all else MAX_LISTED]:
        hint = _tag_hint(name, tag, tags, named=named)
        mistakes.add(UserError(f"{field_of(name)}.{split}: {tag!r} is not an IOB or BIOES tag, {place}{hint}"))
    if not are_all and len(unknown) > MAX_LISTED:
        mistakes.add(UserError(f"{field_of(name)}.{split}: and {len(unknown) - MAX_LISTED} more such tags"))
    mistakes.raise_all()


def _tag_hint(name: str, tag: str, tags: set[str], *, named: bool) -> str:
    """What to do about a tag of no known scheme, given all `tags` of the split."""
    if all(other.isdecimal() for other in tags) and not named:
        return f"; numeric tags need names: {field_of(name)}.labels, in order, as in [O, B-PER, I-PER]"
    corrected = _corrected(tag)
    if TAG.fullmatch(corrected):
        return f"; did you mean {corrected}?"
    if any(TAG.fullmatch(other) and other != OUTSIDE for other in tags):
        return ""
    if OUTSIDE in tags:
        return f"; entity tags begin with B- or I-, as in I-{tag}; if these are not entities, set metric: accuracy"
    return "; if these are not entities, set metric: accuracy"


def _corrected(tag: str) -> str:
    """A tag with its prefix in capitals and a hyphen after it; a zero or a small o becomes O."""
    if tag in ("o", "0"):
        return OUTSIDE
    return re.sub(r"^([bieslumBIESLUM])[-_.:–—]", lambda match: f"{match[1].upper()}-", tag)


def _overlap(splits: dict[str, list[Item]]) -> int:
    trained_on = {normal_text(item) for split in ("train", "validation") for item in splits[split]}
    return sum(normal_text(item) in trained_on for item in splits["test"])


def _label_names(splits: dict[str, list[Item]], task: Task, *, entities: bool) -> list[str]:
    """The label names: in the recipe's order, else sorted, so that ids do not depend on the order of the rows."""
    if task.labels is not None:
        listed = list(task.labels)
        # A list in IOB1 may lack the B- tags that its entities have in IOB2.
        beginnings = [f"B-{tag[2:]}" for tag in listed if tag.startswith("I-")] if entities else []
        return list(dict.fromkeys([*listed, *beginnings]))
    return sorted(_labels_in(splits), key=lambda name: (name != OUTSIDE, name))


def _labels_in(splits: dict[str, list[Item]]) -> set[str]:
    labels: set[str] = set()
    for items in splits.values():
        for item in items:
            labels.update(item.names)
    return labels
