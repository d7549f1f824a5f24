"""Error messages for the mistakes that pydantic finds in a recipe."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from ..workspace.errors import MAX_SHOWN, nearest, shown
from .evaluation import Task
from .renames import PRESENT_FIELDS, PRESENT_VALUES, REPLACED_FIELDS
from .schema import RESOLVED, Recipe

LIKELY = 0.8  # difflib's cutoff for a typing error
MAX_NAMED = 3  # fields suggested for one key
MIN_PREFIX = 4  # characters of a field with which a longer key begins: eval of evaluation
NAMED_TASKS = ["eval", "others"]  # the field whose keys are names that the user chooses


def explain(detail: Mapping[str, Any]) -> str:
    """One line for one pydantic error: the dotted field, what is wrong, and what may have been meant."""
    *above, last = loc = [str(part)[:MAX_SHOWN] for part in detail["loc"]] or ["recipe"]
    dotted = ".".join(loc)
    if detail["type"] == "extra_forbidden":
        return f"{dotted}: {_unknown(above, last, detail['input'])}"
    if detail["type"] == "missing":
        return f"{dotted}: is required"
    if detail["type"] == "value_error":
        message = detail["msg"].removeprefix("Value error, ")
        return message if dotted == "recipe" else f"{dotted}: {message}"
    if detail["input"] is None:
        return f"{dotted}: the value is missing"
    if present := _present_value(detail):
        wrong = f"{shown(detail['input'])} is now called {present}"
    else:
        wrong = f"{_expected(detail, loc)}, got {shown(detail['input'])}{_hint(detail)}"
    return f"{dotted}: {wrong}"


def unknown_keys(section: Mapping[str, Any], above: Sequence[str] = ()) -> list[str]:
    """One line for each key in a part of a raw recipe, the section at `above`, that no section has."""
    problems: list[str] = []
    known = None if list(above) == NAMED_TASKS else _fields(above)
    for key, value in section.items():
        loc = [*above, str(key)[:MAX_SHOWN]]
        if known is not None and key not in known:
            problems.append(f"{'.'.join(loc)}: {_unknown(above, loc[-1], value)}")
        elif isinstance(value, Mapping) and (known is None or _section_at(loc)):
            problems += unknown_keys(value, loc)
    return problems


def _unknown(above: Sequence[str], key: str, value: Any) -> str:
    """What to do about a key that the section at `above` does not have."""
    if replacement := REPLACED_FIELDS.get(".".join([*above, key])):
        return replacement
    if "." in key:  # as in --set
        first, *inner = key.split(".")
        nested = str(value) if isinstance(value, str | int | float) else "..."
        for part in reversed(inner):
            nested = f"{{{part}: {nested}}}"
        return f"in a recipe file, write it nested: {first}: {nested}"
    present = PRESENT_FIELDS.get(key, key)
    if present != key and present in _fields(above):
        return f"renamed to {'.'.join([*above, present])}"
    near = _meant(present, above)
    if near is None and list(above) == NAMED_TASKS[:1] and isinstance(value, Mapping):
        near = f"{'.'.join(NAMED_TASKS)}.{key}"
    return "unknown key; " + (f"did you mean {near}?" if near else f"known: {', '.join(_fields(above))}")


def _expected(detail: Mapping[str, Any], loc: Sequence[str]) -> str:
    """What was expected instead of a value."""
    if detail["type"] == "model_type" and (section := _section_at(loc)) is not None:
        fields = {name: "..." if field.is_required() else field.default for name, field in section.model_fields.items()}
        example = next(f"{name}={value}" for name, value in fields.items() if value)
        return f"expected fields, such as {'.'.join(loc)}.{example}"
    message = detail["msg"].partition(", unable to ")[0]  # "... parse string as an integer"
    if detail["type"].startswith(("greater_than", "less_than")):
        message = message.replace("Input should be", "expected a number")
    message = message.replace("Input should be", "expected").replace("a valid integer", "a whole number")
    return message.replace("a valid ", "a ")


def _present_value(detail: Mapping[str, Any]) -> str | None:
    """The present name of a renamed value; None for any other value."""
    present = PRESENT_VALUES.get(str(detail["input"])) if detail["type"] == "literal_error" else None
    return present if present in _choices(detail) else None


def _choices(detail: Mapping[str, Any]) -> list[str]:
    """The values that a literal may have."""
    return re.findall(r"'([^']+)'", detail["msg"])


def _hint(detail: Mapping[str, Any]) -> str:
    """What may have been meant by a value."""
    value = detail["input"]
    if detail["type"] == "literal_error":
        near = nearest(str(value), _choices(detail))
        return f"; did you mean {near}?" if near else ""
    if detail["type"] == "list_type" and isinstance(value, str | int | float):
        return f"; write [{value}]"
    return ""


def _meant(key: str, above: Sequence[str]) -> str | None:
    """The dotted field that may be meant by an unknown key of the section at `above`; None if none is similar."""
    fields = _fields(above)
    if near := nearest(key, fields, cutoff=LIKELY):
        return ".".join([*above, near])
    dotted_fields = _dotted_fields()
    if same_name := [field for field in dotted_fields if field.rpartition(".")[2] == key]:
        *first, last = same_name[:MAX_NAMED]
        return f"{', '.join(first)} or {last}" if first else last
    prefixes = (field for field in fields if len(field) >= MIN_PREFIX and key.startswith(field))
    if near := next(prefixes, None):
        return ".".join([*above, near])
    last_parts = {field.rpartition(".")[2]: field for field in reversed(dotted_fields)}
    if near := nearest(key, last_parts, cutoff=LIKELY):
        return last_parts[near]
    near = nearest(key, fields)
    return ".".join([*above, near]) if near else None


def _dotted_fields(model: type[BaseModel] = Recipe, above: str = "") -> list[str]:
    """Every field of a recipe as a dotted name, except those under `eval.others` and under `training` of one task."""
    names: list[str] = []
    for name, field in model.model_fields.items():
        names.append(f"{above}{name}")
        section = section_of(field.annotation)
        if section is not None and get_origin(field.annotation) is not dict and model is not Task:
            names += _dotted_fields(section, f"{above}{name}.")
    return names


def _section_at(loc: Sequence[str]) -> type[BaseModel] | None:
    """The section class of the field at `loc`; None where the field is not a section."""
    section: type[BaseModel] | None = Recipe
    for part in _without_task_name(loc):
        field = section.model_fields.get(part) if section else None
        section = section_of(field.annotation) if field else None
    return section


def _fields(loc: Sequence[str]) -> list[str]:
    """Names of the fields of the section at `loc`."""
    model: type[BaseModel] = Recipe
    for part in _without_task_name(loc):
        field = model.model_fields.get(part)
        section = section_of(field.annotation) if field else None
        model = section or model
    return list(model.model_fields) + ([*RESOLVED] if model is Recipe else [])


def _without_task_name(loc: Sequence[str]) -> list[str]:
    """The path without the name that the user gave to a task."""
    after = len(NAMED_TASKS)
    return [*loc[:after], *loc[after + 1 :]] if list(loc[:after]) == NAMED_TASKS else [*loc]


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section class in `Section`, `Section | None` or an annotated form of these."""
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None
