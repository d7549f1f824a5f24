"""Whether the splits of a task call the same things by the same names: labels of texts, tags, and types of entities."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from ..recipes.examples import Item
from ..workspace.errors import UserError, nearest

MANY_TIMES = 20  # as often as a label that is like it: then the rare one may be a slip
RARE = 3  # items: a slip does not come often
LISTED = 8  # names in a message
SAME_TYPE = (
    {"PER", "PERS", "PERSON", "PERSONS", "PEOPLE"},
    {"LOC", "LOCATION", "LOCATIONS"},
    {"ORG", "ORGANIZATION", "ORGANISATION", "ORGANIZATIONS", "ORGANISATIONS"},
    {"MISC", "MISCELLANEOUS"},
    {"DATE", "DAT"},
    {"TIME", "TIM"},
)
NEAR_TYPES = (  # some schemes have both
    {"LOC", "LOCATION", "LOCATIONS", "GPE", "PLACE"},
    {"DATE", "DAT", "TIME", "TIM", "DATETIME"},
    {"ORG", "ORGANIZATION", "ORGANISATION", "COMPANY", "CORPORATION"},
    {"MISC", "MISCELLANEOUS", "OTH", "OTHER"},
)
# Cyrillic and Greek letters that look like Latin ones
LOOK_ALIKES = str.maketrans(
    "авекмнорстухіјѕАВЕКМНОРСТУХІЈЅαοινΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "abekmhopctyxijsABEKMHOPCTYXIJSaoivABEZHIKMNOPTYX"
)
INVISIBLE_OR_PARTING = re.compile(r"[\s\u200c\u200d]+|(?<=[^\W\d_])[_\-]+(?=[^\W\d_])")  # a hyphen before 1 is a minus

Counts = Mapping[str, Counter[str]]


def label_counts(splits: Mapping[str, Sequence[Item]], *, entities: bool) -> dict[str, Counter[str]]:
    """How often each label stands in each split; for `entities` (in IOB2) the types, each entity once."""
    counts: dict[str, Counter[str]] = {}
    for split, items in splits.items():
        labels = (tag for item in items for tag in ([item.label] if isinstance(item.label, str) else item.label))
        counts[split] = Counter(tag[2:] for tag in labels if tag[:2] == "B-") if entities else Counter(labels)
    return counts


def refuse_mismatches(field: str, counts: Counts, *, kind: str) -> None:
    """Raise a UserError for a label that train has under another name.

    It would silently be a class of its own that no system can learn. `kind` is what the labels are, `field` the
    recipe's field of the task.
    """
    for split in ("validation", "test"):
        for label in sorted(set(counts[split]) - set(counts["train"])):
            near = _other_name(label, counts[split], counts["train"], entities=kind == "entity type")
            if near:
                raise UserError(
                    f"{field}.{split}: {kind} {_shown(label, near)} ({counts[split][label]} of "
                    f"{counts[split].total()}) is not in train; did you mean {near!r}? If not, name all of them in "
                    f"{field}.labels"
                )


def odd_labels(counts: Counts, *, kind: str) -> list[str]:
    """What to say of labels that cannot be learnt or tested, or that may be slips in train."""
    odd = []
    for split in ("validation", "test"):
        for label in sorted(set(counts[split]) - set(counts["train"])):
            near = _near(label, counts[split][label], counts["train"])
            slip = f"; a slip for {near!r}?" if near else ""
            odd.append(f"{kind} {label!r} stands in {split} but not in train: it cannot be learnt{slip}")
    if untested := sorted(set(counts["train"]) - set(counts["test"])):
        more = f" and {len(untested) - LISTED} more" if len(untested) > LISTED else ""
        odd.append(f"train has {kind}s that test lacks: {', '.join(map(repr, untested[:LISTED]))}{more}")
    told: set[frozenset[str]] = set()
    for label, count in sorted(counts["train"].items()):
        near = _look_alike(label, count, counts["train"]) or _near(label, count, counts["train"])
        if near and {label, near} not in told:
            told.add(frozenset((label, near)))
            odd.append(
                f"{kind} {_shown(label, near)} stands in train {count} time{'s' if count > 1 else ''}, "
                f"{near!r} {counts['train'][near]} times: a slip?"
            )
    return odd


def poor_splits(counts: Counts, *, kind: str) -> list[str]:
    """What to say of splits that hold one label alone, or no entity."""
    poor = []
    for split, labels in counts.items():
        if not labels:
            poor.append(f"{split} has no entities, so that entity F1 says nothing")
        elif len(labels) == 1 and kind != "entity type":
            poor.append(f"{split} has only one {kind}, {next(iter(labels))!r}")
    return poor


def _other_name(label: str, counts: Counter[str], known: Counter[str], *, entities: bool) -> str | None:
    if entities:
        for group in SAME_TYPE:
            if label.upper() in group and (same := _members(group, known)):
                return same[0]
        for group in NEAR_TYPES:
            # of both names in one split each may mean something of its own
            if label.upper() in group and (same := [name for name in _members(group, known) if name not in counts]):
                return same[0]
    return _look_alike(label, counts[label], known)


def _members(group: set[str], names: Counter[str]) -> list[str]:
    return [name for name, _ in names.most_common() if name.upper() in group]


def _look_alike(label: str, count: int, known: Counter[str]) -> str | None:
    """The known label, at least as frequent, that looks like this one."""
    alike = [other for other in known if other != label and skeleton(other) == skeleton(label)]
    return next((other for other in alike if known[other] >= count), None)


def _near(label: str, count: int, known: Counter[str]) -> str | None:
    """The known label that this one, if it is rare beside that one, differs from by a letter or two: maybe a slip.

    It need not be: PRON and PROPN are near. Those that differ by digits alone, or of which one holds the other, are
    meant.
    """
    others = [other for other in known if known[other] >= MANY_TIMES * count]
    near = nearest(label, others, cutoff=0.8) if count <= RARE else None
    if near is None or near in label or label in near:
        return None
    return near if re.sub(r"\d", "", near) != re.sub(r"\d", "", label) else None


def skeleton(label: str) -> str:
    """What is left of a label for the eye: without case, invisible and parting signs, look-alike letters made Latin.

    Hyphens and underscores part only letters; names of signs alone stay as they are.
    """
    plain = unicodedata.normalize("NFKC", label).translate(LOOK_ALIKES).casefold()
    return INVISIBLE_OR_PARTING.sub("", plain) or label


def _shown(label: str, near: str) -> str:
    """The label; with its code points where it prints like the other one."""
    return repr(label) if label.casefold() == near.casefold() or label.isascii() else f"{label!r} ({label!a})"
