"""Labelled data of the tasks, ready for training: three splits, labels in a fixed order, tags in one scheme."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..recipes.errors import UserError
from ..recipes.evaluation import Task
from ..recipes.labelled import SPLITS, Item, normal_text, read_split, sample
from ..recipes.progress import QUIET, Progress

OUTSIDE = "O"
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


def read_task(name: str, task: Task, cache: Path, progress: Progress = QUIET) -> TaskData:
    """Read the splits of a task. Raises UserError for unreadable files, missing columns, or an empty split."""
    splits = {split: read_split(name, task, split, cache, progress) for split in SPLITS}
    splits["train"] = sample(splits["train"], task.max_train)
    tags = {isinstance(item.label, list) for items in splits.values() for item in items}
    if len(tags) > 1:
        raise UserError(f"eval.{name}: some splits have a label for each text, some one for each word")
    if (task.metric == "entity_f1" or name == "ner") and tags == {False}:
        raise UserError(f"eval.{name}: expected CoNLL files, or rows with lists of tokens and tags")
    if task.metric == "macro_f1" and tags == {True}:
        raise UserError(f"eval.{name}.metric: macro_f1 is for a label a text; here are tags: entity_f1 or accuracy")
    repaired: dict[str, int] = {}
    if tags == {True} and task.metric != "accuracy":
        for split, items in splits.items():
            strange = {tag for item in items for tag in item.label if not TAG.fullmatch(tag)}
            if strange:
                told = ", ".join(sorted(strange)[:5])
                raise UserError(
                    f"eval.{name}: tags of no entities (IOB, BIOES): {told}; for others set metric: accuracy"
                )
            mended = [to_iob2(item.label) for item in items]
            splits[split] = [Item(item.text, new) for item, (new, _) in zip(items, mended, strict=True)]
            repaired[split] = sum(changed for _, changed in mended)
    labels = _labels(splits, task, entities=bool(repaired))
    strange = {part for items in splits.values() for item in items for part in _as_list(item.label)} - set(labels)
    if strange:
        raise UserError(f"eval.{name}.labels lacks {', '.join(sorted(strange))}, which the files hold")
    return TaskData(splits, labels, tags == {True}, repaired, _overlap(splits))


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
