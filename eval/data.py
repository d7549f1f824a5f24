"""Labelled data of the tasks, ready for training: three splits, labels in a fixed order, tags in one scheme."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..recipes.errors import UserError, nearest
from ..recipes.evaluation import Task
from ..recipes.labelled import SPLITS, Item, field_of, normal_text, read_split, sample
from ..recipes.progress import QUIET, Progress

OUTSIDE = "O"
MANY_TIMES = 20  # as often as a label that is like it: then the rare one may be a slip
RARE = 3  # items: a slip does not come often
TAG = re.compile(r"O|[BIESLUM]-.+")
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


def read_task(name: str, task: Task, cache: Path, progress: Progress = QUIET) -> TaskData:
    """Read the splits of a task. Raises UserError for unreadable files, missing columns, or an empty split."""
    splits = {split: read_split(name, task, split, cache, progress) for split in SPLITS}
    tags = {isinstance(item.label, list) for items in splits.values() for item in items}
    if len(tags) > 1:
        raise UserError(f"{field_of(name)}: some splits have a label for each text, some one for each word")
    if (task.metric == "entity_f1" or name == "ner") and tags == {False}:
        raise UserError(f"{field_of(name)}: expected CoNLL files, or rows with lists of tokens and tags")
    if task.metric == "macro_f1" and tags == {True}:
        raise UserError(
            f"{field_of(name)}.metric: macro_f1 is for a label a text; here are tags: entity_f1 or accuracy"
        )
    repaired: dict[str, int] = {}
    if tags == {True} and task.metric != "accuracy":
        for split, items in splits.items():
            _check_tags(name, split, items)
            mended = [to_iob2(item.label) for item in items]
            splits[split] = [Item(item.text, new) for item, (new, _) in zip(items, mended, strict=True)]
            repaired[split] = sum(changed for _, changed in mended)
    labels = _labels(splits, task, entities=bool(repaired))
    strange = {part for items in splits.values() for item in items for part in _as_list(item.label)} - set(labels)
    if strange:
        raise UserError(f"{field_of(name)}.labels lacks {', '.join(sorted(strange))}, which the files hold")
    if unnamed := tags == {False} and task.labels is None:
        _refuse_slips(name, splits)
    splits["train"] = sample(splits["train"], task.max_train)
    odd = _odd_labels(splits) if unnamed else ()
    return TaskData(splits, labels, tags == {True}, repaired, _overlap(splits), odd)


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


def _check_tags(name: str, split: str, items: Sequence[Item]) -> None:
    """Raise a UserError for a tag of no scheme, with the place where the first one stands."""
    known = any(TAG.fullmatch(tag) and tag != OUTSIDE for item in items for tag in item.label)
    for item in items:
        for word, tag in zip(item.text, item.label, strict=True):
            if not TAG.fullmatch(tag):
                meant = _meant(tag)
                hint = "" if known else "; if these are no entities, metric: accuracy"
                hint = f"; did you mean {meant}?" if TAG.fullmatch(meant) else hint
                raise UserError(
                    f"{field_of(name)}.{split}: {tag!r} is no tag of IOB or BIOES, at {word!r} in "
                    f"“{' '.join(item.text[:8])}”{hint}"
                )


def _meant(tag: str) -> str:
    """A tag with its prefix in capitals and a hyphen after it; a zero or a small o is an O."""
    if tag in ("o", "0"):
        return OUTSIDE
    return re.sub(r"^([bieslumBIESLUM])[-_.:–—]", lambda found: f"{found[1].upper()}-", tag)


def _refuse_slips(name: str, splits: dict[str, list[Item]]) -> None:
    """Raise a UserError for a text's label that train lacks but for its case, or, if rare, a letter or two.

    It would silently be a class of its own.
    """
    counts = _counts(splits)
    for split in ("validation", "test"):
        for label in sorted(set(counts[split]) - set(counts["train"])):
            near = _slip_of(label, counts[split][label], counts["train"])
            if near:
                raise UserError(
                    f"{field_of(name)}.{split}: label {label!r} ({counts[split][label]} of {len(splits[split])}) is "
                    f"not in train; did you mean {near!r}? If not, name all of them in {field_of(name)}.labels"
                )


def _odd_labels(splits: dict[str, list[Item]]) -> tuple[str, ...]:
    """What to say of labels that cannot be learnt, or that may be slips in train."""
    counts = _counts(splits)
    odd = [
        f"label {label!r} of {split} is not in train, so that no system can guess it"
        for split in ("validation", "test")
        for label in sorted(set(counts[split]) - set(counts["train"]))
    ]
    for label, count in sorted(counts["train"].items()):
        near = _slip_of(label, count, counts["train"])
        if near:
            odd.append(
                f"label {label!r} stands in train {count} times, {near!r} {counts['train'][near]} times: a slip?"
            )
    return tuple(odd)


def _counts(splits: dict[str, list[Item]]) -> dict[str, Counter[str]]:
    return {split: Counter(str(item.label) for item in items) for split, items in splits.items()}


def _slip_of(label: str, count: int, known: Counter[str]) -> str | None:
    """The known label that this one differs from by case alone, or, if it is rare beside that one, by a letter or two.

    Those that differ by digits alone, or of which one holds the other, are meant.
    """
    for other in known:
        if other != label and other.casefold() == label.casefold() and known[other] >= count:
            return other
    others = [other for other in known if known[other] >= MANY_TIMES * count]
    near = nearest(label, others, cutoff=0.8) if count <= RARE else None
    if near is None or near in label or label in near:
        return None
    return near if re.sub(r"\d", "", near) != re.sub(r"\d", "", label) else None


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
