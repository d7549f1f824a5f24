"""Checks that the splits of a task use the same names for the same labels, tags or entity types.

Files of one task often come from several hands: train says PER where test says PERSON, or a label has a Cyrillic letter
that looks like a Latin one. Unnoticed, each spelling becomes a class of its own, which no system can learn, and the
scores are too low for a reason that has nothing to do with the system. So clear mismatches are errors, and what may be
a typo becomes a note.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

from ..recipes.examples import Item
from ..workspace.errors import Mistakes, UserError, nearest
from ..workspace.formatting import format_count

TYPO_RATIO = 20  # a label may be a typo of a similar one that is at least this many times as frequent
MAX_TYPO_COUNT = 3  # and that itself occurs in no more items than this
MAX_LISTED = 8  # names in a message
MAX_TEXT = 60  # characters of a text in a message
SAME_TYPE = (
    {"PER", "PERS", "PERSON", "PERSONS", "PEOPLE"},
    {"LOC", "LOCATION", "LOCATIONS"},
    {"ORG", "ORGANIZATION", "ORGANISATION", "ORGANIZATIONS", "ORGANISATIONS"},
    {"MISC", "MISCELLANEOUS"},
    {"DATE", "DAT"},
    {"TIME", "TIM"},
)
SIMILAR_TYPE = (  # one thing in most schemes, but some have two of these side by side
    {"LOC", "LOCATION", "LOCATIONS", "GPE", "PLACE"},
    {"DATE", "DAT", "TIME", "TIM", "DATETIME"},
    {"ORG", "ORGANIZATION", "ORGANISATION", "COMPANY", "CORPORATION"},
    {"MISC", "MISCELLANEOUS", "OTH", "OTHER"},
)
# Cyrillic and Greek letters that look like Latin ones
LOOK_ALIKES = str.maketrans(
    "авекмнорстухіјѕАВЕКМНОРСТУХІЈЅαοινΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abekmhopctyxijsABEKMHOPCTYXIJSaoivABEZHIKMNOPTYX"
)
# White space, zero-width characters, and hyphens and underscores between letters (a hyphen before a digit is a minus)
SEPARATORS = re.compile(r"[\s\u200c\u200d]+|(?<=[^\W\d_])[_\-]+(?=[^\W\d_])")

LabelCounts = Mapping[str, Counter[str]]  # by split


def count_labels(splits: Mapping[str, Sequence[Item]], *, entities: bool) -> dict[str, Counter[str]]:
    """How often each label occurs in each split; for `entities` (tags in IOB2) the types, each entity once."""
    counts: dict[str, Counter[str]] = {}
    for split, items in splits.items():
        counter = counts[split] = Counter()
        for item in items:
            if entities:
                counter.update(tag[2:] for tag in item.names if tag.startswith("B-"))
            else:
                counter.update(item.names)
    return counts


def refuse_mismatches(field: str, counts: LabelCounts, *, kind: str) -> None:
    """Raise a UserError for the labels of validation and test that train has under another name.

    `kind` is what the labels are (label, tag or entity type), `field` the recipe's field of the task.
    """
    mistakes = Mistakes()
    for split in ("validation", "test"):
        for label in sorted(set(counts[split]) - set(counts["train"])):
            other = _other_name(label, counts[split], counts["train"], entities=kind == "entity type")
            if other:
                share = f"{counts[split][label]} of {counts[split].total()}"
                problem = f"{field}.{split}: {kind} {_quoted(label, other)} ({share}) is not in train"
                mistakes.add(UserError(f"{problem}; did you mean {other!r}? If not, list all names in {field}.labels"))
    mistakes.raise_all()


def refuse_variants(field: str, splits: Mapping[str, Sequence[Item]], *, kind: str) -> None:
    """Raise a UserError for labels of a single file that look like other names of labels as frequent or more.

    All splits are searched together, because chance decides which of them has a rare name.
    """
    counts = sum(count_labels(splits, entities=kind == "entity type").values(), Counter[str]())
    reported: set[frozenset[str]] = set()  # pairs of two equally frequent names come up twice
    mistakes = Mistakes()
    for label, count in sorted(counts.items()):
        others = Counter({other: times for other, times in counts.items() if other != label and times >= count})
        other = _other_name(label, counts, others, entities=kind == "entity type")
        if other and {label, other} not in reported:
            reported.add(frozenset((label, other)))
            share = f"{count} of {counts.total()}, {_example(label, splits)}"
            problem = (
                f"{field}.file: {kind} {_quoted(label, other)} ({share}) and {other!r} ({counts[other]}) look like"
            )
            mistakes.add(UserError(f"{problem} one {kind}; correct the file, or list all names in {field}.labels"))
    mistakes.raise_all()


def _example(label: str, splits: Mapping[str, Sequence[Item]]) -> str:
    """The beginning of a text with this label, tag or entity type."""
    names = {label, f"B-{label}"}
    text = next(item.texts[0] for items in splits.values() for item in items if names.intersection(item.names))
    return f"“{text if len(text) <= MAX_TEXT else f'{text[:MAX_TEXT]}…'}”"


def label_notes(counts: LabelCounts, *, kind: str) -> list[str]:
    """Notes on labels that cannot be learnt or are not tested, and on possible typos."""
    train, test = counts["train"], counts["test"]
    notes = []
    for split in ("validation", "test"):
        for label in sorted(set(counts[split]) - set(train)):
            similar = _typo_of(label, counts[split][label], train)
            typo = f"; a typo for {similar!r}?" if similar else ""
            notes.append(f"{kind} {label!r} occurs in {split} but not in train, so it cannot be learnt{typo}")
    if untested := sorted(set(train) - set(test)):
        more = f" and {len(untested) - MAX_LISTED} more" if len(untested) > MAX_LISTED else ""
        notes.append(f"train has {kind}s that test lacks: {', '.join(map(repr, untested[:MAX_LISTED]))}{more}")
    noted: set[frozenset[str]] = set()  # pairs of two equally frequent look-alikes come up twice
    for label, count in sorted(train.items()):
        similar = _look_alike(label, count, train) or _typo_of(label, count, train)
        if similar and {label, similar} not in noted:
            noted.add(frozenset((label, similar)))
            notes.append(
                f"{kind} {_quoted(label, similar)} occurs in train {format_count(count, 'time')}, "
                f"{similar!r} {format_count(train[similar], 'time')}: a typo?"
            )
    return notes


def split_notes(counts: LabelCounts, *, kind: str) -> list[str]:
    """Notes on splits with a single label, or without entities."""
    notes = []
    for split, labels in counts.items():
        if not labels:
            no_entities = f"{split} has no entities, so entity F1 is meaningless"
            notes.append(no_entities if kind == "entity type" else f"no text of {split} has a {kind}")
        elif len(labels) == 1 and kind != "entity type":
            notes.append(f"{split} has only one {kind}, {next(iter(labels))!r}")
    return notes


def _other_name(label: str, counts: Counter[str], train: Counter[str], *, entities: bool) -> str | None:
    """The name that train has for a label, if it seems to have another one; `counts` are those of the label's split."""
    if entities:
        for group in SAME_TYPE:
            if label.upper() in group and (names := _members(group, train)):
                return names[0]
        for group in SIMILAR_TYPE:
            if label.upper() not in group:
                continue
            # if the split has that name too, it tells the two apart, and each has its own meaning
            if names := [name for name in _members(group, train) if name not in counts]:
                return names[0]
    return _look_alike(label, counts[label], train)


def _members(group: set[str], names: Counter[str]) -> list[str]:
    return [name for name, _ in names.most_common() if name.upper() in group]


def _look_alike(label: str, count: int, known: Counter[str]) -> str | None:
    """The known label, at least as frequent, that looks the same as this one."""
    for other in known:
        if other != label and skeleton(other) == skeleton(label) and known[other] >= count:
            return other
    return None


def _typo_of(label: str, count: int, known: Counter[str]) -> str | None:
    """The much more frequent known label that this rare one differs from by a letter or two.

    Labels that differ only in digits, or of which one contains the other, are taken as intended. It is a guess: PRON
    and PROPN are both parts of speech.
    """
    if count > MAX_TYPO_COUNT:
        return None
    frequent = [other for other in known if known[other] >= TYPO_RATIO * count]
    similar = nearest(label, frequent, cutoff=0.8)
    if similar is None or similar in label or label in similar:
        return None
    return similar if re.sub(r"\d", "", similar) != re.sub(r"\d", "", label) else None


@lru_cache(maxsize=100_000)  # each label is compared with all others
def skeleton(label: str) -> str:
    """What a label looks like: without case, invisible characters and separators, look-alike letters made Latin.

    Labels that consist only of separators stay as they are.
    """
    plain = unicodedata.normalize("NFKC", label).translate(LOOK_ALIKES).casefold()
    return SEPARATORS.sub("", plain) or label


def _quoted(label: str, other: str) -> str:
    """The label in quotes; with its code points if it prints like the other one."""
    return repr(label) if label.casefold() == other.casefold() or label.isascii() else f"{label!r} ({label!a})"
