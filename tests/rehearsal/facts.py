"""The table of facts about other people's servers, `facts.yaml`: read, looked into, and changed to see what notices."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).with_name("facts.yaml")
NO_FACTS = ("source", "unread")  # where the facts are from, and what is there without being read

Facts = Mapping[str, Any]
"""The table: name of a data set or model, then its facts by name."""


def load_facts(changed: str = "") -> Facts:
    """The table, or the table with one fact changed (`sib200.columns.label`)."""
    facts = deepcopy(_table())
    if not changed:
        return facts
    if changed not in all_facts():
        raise ValueError(f"no fact is called {changed!r}; there are {', '.join(all_facts())}")
    *above, last = changed.split(".")
    section = facts
    for name in above:
        section = section[name]
    section[last] = another(section[last])
    return facts


def all_facts() -> list[str]:
    """The dotted names of all facts."""
    return [f"{name}.{field}" for name, section in _table().items() for field in _leaves(section)]


def another(value: Any) -> Any:
    """A value of the same kind that is not `value`."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + value // 10
    if isinstance(value, list):
        return [*value[1:], value[0]] if len(value) > 1 else [f"{value[0]}x"]
    if "/" in value:  # a path or an address: another folder or owner
        return value.replace("/", "/x", 1)
    if value.endswith((">", "]")):  # a special token
        return f"{value[:-1]}x{value[-1]}"
    return f"x{value}"


@cache
def _table() -> dict[str, Any]:
    return yaml.safe_load(TABLE.read_text(encoding="utf-8"))


def _leaves(section: Mapping[str, Any]) -> Iterator[str]:
    for name, value in section.items():
        if name in NO_FACTS:
            continue
        if isinstance(value, dict):
            yield from (f"{name}.{below}" for below in _leaves(value))
        else:
            yield name
