"""Give each label one name, however a file writes it: 1 or 1.0, other Unicode forms, invisible characters."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ..workspace.tables import is_missing
from ..workspace.text import clean_line

WHOLE = re.compile(r"(-?\d+)\.0+")  # pandas writes whole numbers so where a row has none


def label_name(value: Any) -> str:
    """The name of a label: 1, 1.0 and "1.0" are "1", True is "true"; "" for a missing one.

    Text is cleaned as in `workspace.text`.
    """
    if is_missing(value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    value = clean_line(str(value))  # of Decimal("1.0") too, which parquet may hold
    match = WHOLE.fullmatch(value)
    return match[1] if match else value


def is_same_label(value: Any, wanted: str) -> bool:
    """Whether a value is the label `wanted`, which is in the form of `label_name`."""
    name = label_name(value)
    is_boolean = wanted.lower() in ("true", "false")  # pandas writes True
    return name == wanted or (is_boolean and name.lower() == wanted.lower())


class LabelReader:
    """Reads labels, with the names in the recipe if it has any, and counts those in another Unicode form."""

    def __init__(self, names: Sequence[str] | None) -> None:
        self._names = names
        self._by_name = {label_name(name): name for name in names or ()}
        self._known: dict[tuple[type, Any], str] = {}
        self.renamed: Counter[str] = Counter()
        """By name, labels that the file has in another Unicode form or with invisible characters."""

    def read(self, value: Any) -> str | None:
        """The name of a label; None if the recipe has names and this is none of them, "" for a missing label."""
        key = (type(value), value)  # with the type, since 1 == True
        if key not in self._known:
            name = self._name(value)
            if name is None:
                return None
            self._known[key] = name
        name = self._known[key]
        if isinstance(value, str) and value != name and _is_other_form(value, name):
            self.renamed[name] += 1
        return name

    def _name(self, value: Any) -> str | None:
        name = label_name(value)
        if self._names is None or not name:
            return name
        if name in self._by_name:
            return self._by_name[name]
        if name.isdecimal() and int(name) < len(self._names):
            return self._names[int(name)]
        return None


def _is_other_form(value: str, name: str) -> bool:
    return not value.isascii() and " ".join(value.split()) != name and label_name(value) == label_name(name)
