"""Why pages and lines were left out of a corpus, and which field of the recipe decides it."""

from collections.abc import Mapping

FIELDS = {  # of `corpus`, by the reason that is counted; None: it cannot be set
    "uncertain language": "min_probability",
    "quality warning": "drop_warnings",
    "religious": "drop_religious",
    "too short": "min_characters",
    "too long": "max_characters",
    "few letters": "min_letters",
    "other script": "min_script",
    "boilerplate": "drop_boilerplate",
    "in a task set": "drop_task_lines",
    "repeated": None,
    "near a repeat": "drop_near_duplicates",
    "not sampled": "max_bytes, max_documents",
    "over the cap": "max_bytes, max_documents",
}


def left_out(pages: Mapping[str, int], lines: Mapping[str, int]) -> str:
    """Counts of what was left out, each with its field: "too short 12 (corpus.min_characters), repeated 3"."""
    labelled = [(f"pages: {reason}", reason, count) for reason, count in pages.items()]
    labelled += [(reason, reason, count) for reason, count in lines.items()]
    parts = []
    for label, reason, count in labelled:
        if count and reason in FIELDS:
            field = FIELDS[reason]
            parts.append(f"{label} {count}" + (f" (corpus.{field})" if field else ""))
    return ", ".join(parts)
