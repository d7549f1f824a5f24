"""What happens to pages and lines: the reasons for dropping them, and the field of the recipe that decides each."""

from collections.abc import Mapping
from enum import IntEnum

KEPT, EMPTY = "kept", "empty"
REPAIRED = "of these with repaired encoding"
NOT_SAMPLED = "not sampled"
OTHER_LANGUAGE = "other language"


class Outcome(IntEnum):
    """What happens to a staged line, as a number for arrays."""

    KEPT = 0
    NOT_SAMPLED = 1
    IN_TASK = 2
    DUPLICATE = 3
    NEAR_DUPLICATE = 4
    OVER_CAP = 5


REASONS = {
    Outcome.KEPT: KEPT,
    Outcome.NOT_SAMPLED: NOT_SAMPLED,
    Outcome.IN_TASK: "in a task",
    Outcome.DUPLICATE: "duplicate",
    Outcome.NEAR_DUPLICATE: "near-duplicate",
    Outcome.OVER_CAP: "over the cap",
}
FIELDS = {  # of `corpus`, by reason; None: nothing to set
    "uncertain language": "min_probability",
    "quality warning": "drop_warnings",
    "religious": "drop_religious",
    "too short": "min_characters",
    "too long": "max_characters",
    "few letters": "min_letters",
    "other script": "min_script",
    "boilerplate": "drop_boilerplate",
    OTHER_LANGUAGE: "identify",
    REASONS[Outcome.IN_TASK]: "drop_task_lines",
    REASONS[Outcome.DUPLICATE]: None,
    REASONS[Outcome.NEAR_DUPLICATE]: "drop_near_duplicates",
    NOT_SAMPLED: "max_bytes, max_documents",
    REASONS[Outcome.OVER_CAP]: "max_bytes, max_documents",
}


def left_out(pages: Mapping[str, int], lines: Mapping[str, int]) -> str:
    """Counts of what was dropped, each with its field: "too short 12 (corpus.min_characters), duplicate 3"."""
    labelled = [(f"documents: {reason}", reason, count) for reason, count in pages.items()]
    labelled += [(reason, reason, count) for reason, count in lines.items()]
    parts = []
    for label, reason, count in labelled:
        if count and reason in FIELDS:
            field = FIELDS[reason]
            parts.append(f"{label} {count}" + (f" (corpus.{field})" if field else ""))
    return ", ".join(parts)
