"""The first line of some CoNLL files, which names the columns: token, pos, ner."""

from collections.abc import Sequence
from pathlib import Path

from ..errors import UserError, nearest

WORDS = ("token", "tokens", "word", "words", "form", "text")
LABELS = ("tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "pos", "upos", "entity")


def header_of(fields: Sequence[str], wanted: Sequence[str | None]) -> list[str] | None:
    """The column names if the first line of a file has them, in lower case; else None.

    It does if it contains one of the column names `wanted`, or a usual name for words and one for tags.
    """
    names = [field.lower() for field in fields]
    is_named = any(name is not None and name.lower() in names for name in wanted)
    is_usual = any(name in WORDS for name in names) and any(name in LABELS for name in names)
    return names if len(set(names)) == len(names) and (is_named or is_usual) else None


def word_number(path: Path, names: Sequence[str], wanted: str | None) -> str | None:
    """The number of the column with the words: that with the name, or with a usual one; None if there is neither."""
    if wanted is not None:
        return column_number(path, names, wanted)
    return next((str(number) for number, name in enumerate(names, 1) if name in WORDS), None)


def label_number(path: Path, names: Sequence[str], wanted: str | None) -> str:
    """The number of the column with the tags. Raises UserError if several may be meant."""
    if wanted is not None:
        return column_number(path, names, wanted)
    usual = [name for name in names if name in LABELS]
    if len(usual) == 1:
        return column_number(path, names, usual[0])
    raise UserError(
        f"{path} has the columns {', '.join(names)}; name the one with the labels, as in label: {names[-1]}"
    )


def column_number(path: Path, names: Sequence[str], wanted: str) -> str:
    """The number of a column, counted from 1, by name or number. Raises UserError for an unknown name."""
    if wanted.isdecimal():
        return wanted
    if wanted.lower() not in names:
        near = nearest(wanted.lower(), names)
        hint = f"did you mean {near}?" if near else f"columns: {', '.join(names)}"
        raise UserError(f"{path}: no column {wanted!r}; {hint}")
    return str(list(names).index(wanted.lower()) + 1)
