"""Error messages for the mistakes that pydantic finds in a recipe."""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from ..workspace.errors import MAX_SHOWN, nearest, shown
from .evaluation import Task
from .field_types import annotation_parts
from .renames import PRESENT_FIELDS, PRESENT_VALUES, REPLACED_FIELDS
from .schema import RESOLVED, Recipe

LIKELY = 0.8  # difflib's cutoff for a typing error
MAX_NAMED = 3  # fields suggested for one key
MIN_PREFIX = 4  # characters of a field with which a longer key begins: eval of evaluation
NAMED_TASKS = ["eval", "others"]  # the field whose keys are names that the user chooses
KEY = "[key]"  # what pydantic puts behind a key of a mapping that is wrong
EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "byte_size": "a size such as 100MB",
    "byte_size_unit": "a size such as 100MB",
    "dict_type": "a mapping such as {{NAME: VALUE}}",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number with fewer digits",
    "int_type": "a whole number",
    "invalid_key": "a name as the key",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "list_type": "a list",
    "literal_error": "{expected}",
    "string_type": "text",
    "too_short": "at least one value",
}
"""What was expected, by pydantic's type of error, with the names of its context."""


def explain(detail: Mapping[str, Any]) -> str:
    """One line for one pydantic error: the dotted field, what is wrong, and what may have been meant."""
    *above, last = loc = [str(part)[:MAX_SHOWN] for part in detail["loc"] if part != KEY] or ["recipe"]
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
    if detail["type"] == "model_type" and _section_at(loc) is Task and isinstance(detail["input"], str):
        file = detail["input"][:MAX_SHOWN]  # loading has replaced the names of task files with their contents
        return f"{dotted}: {file!r} is data and not a task file: write {last}: {_flow({'file': file})}"
    if present := _present_value(detail):
        wrong = f"{shown(detail['input'])} is now called {present}"
    else:
        wrong = f"expected {expected(detail)}, got {shown(detail['input'])}{_hint(detail, loc)}"
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


def grid_problem(field: str, values: Sequence[Any]) -> str | None:
    """What is wrong with a dotted field of a grid: unknown, or a section where a field of it is meant; None if neither.

    Other mistakes are those of single values, and are found when each run is checked.
    """
    loc = field.split(".")
    nested = values[0]
    for part in reversed(loc):
        nested = {part: nested}
    try:
        Recipe.model_validate(nested)
    except ValidationError as error:
        for detail in error.errors():
            wrong_field = [str(part) for part in detail["loc"]]
            if detail["type"] == "extra_forbidden" and wrong_field == loc[: len(wrong_field)]:
                return f"grid.{explain(detail)}"
            if detail["type"] == "model_type" and wrong_field == loc and (dotted := _grid_field(field, values)):
                return f"grid.{field}: expected fields of this section; write grid: {_flow(dotted)}"
    return None


def _grid_field(field: str, values: Sequence[Any]) -> dict[str, list[Any]] | None:
    """The one field of the section at `field` that all values may be meant for, dotted, with them; None if none is."""
    section = _section_at(field.split("."))
    if section is None:
        return None
    meant = [(value, *item) for value in values for item in (_as_section(value, section) or {}).items()]
    names = {name for _, name, _ in meant}
    if len(names) != 1 or len(meant) != len(values) or any(given not in (value, [value]) for value, _, given in meant):
        return None
    return {f"{field}.{names.pop()}": [given for *_, given in meant]}


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


def expected(detail: Mapping[str, Any]) -> str:
    """What was expected instead of a value."""
    if detail["type"] == "model_type":
        return "a section"
    if detail["type"] == "string_type" and KEY in detail["loc"][-1:]:
        return EXPECTED["invalid_key"]
    if detail["type"] not in EXPECTED:  # of a later pydantic
        return detail["msg"].removeprefix("Input should be ")
    limits = {
        name: f"{limit:g}" if isinstance(limit, float) else limit for name, limit in detail.get("ctx", {}).items()
    }
    return EXPECTED[detail["type"]].format(**limits)


def _present_value(detail: Mapping[str, Any]) -> str | None:
    """The present name of a renamed value; None for any other value."""
    present = PRESENT_VALUES.get(str(detail["input"])) if detail["type"] == "literal_error" else None
    return present if present in _choices(detail) else None


def _choices(detail: Mapping[str, Any]) -> list[str]:
    """The values that a literal may have."""
    return re.findall(r"'([^']+)'", detail["msg"])


def _hint(detail: Mapping[str, Any], loc: Sequence[str]) -> str:
    """What may have been meant by a value."""
    value = detail["input"]
    if detail["type"] == "literal_error":
        near = nearest(str(value), _choices(detail))
        return f"; did you mean {near}?" if near else ""
    if detail["type"] == "list_type" and isinstance(value, str | int | float):
        return f"; write [{value}]"
    if detail["type"] == "string_type" and isinstance(value, int | float) and KEY not in detail["loc"][-1:]:
        return "; put it in quotes"
    if detail["type"] == "model_type" and (section := _section_at(loc)) is not None:
        name = "" if loc[-1].isdecimal() else f"{loc[-1]}: "
        example = _as_section(value, section)
        return "" if example is None else f"; write {name}{_flow(example)}"
    return ""


def _as_section(value: Any, section: type[BaseModel]) -> dict[str, Any] | None:
    """A value that stands in place of a section, inside the field that it may be meant for: {type: seq_bn}.

    That is the first field with a choice of names that has it, else the first that can have it or a list of it, else
    one with its default; None where the section has to have other fields, too.
    """
    if value is True and _is_valid(section, {}):
        return {}  # all defaults
    names = list(section.model_fields)
    if value and len(str(value)) <= MAX_SHOWN and str(value).isprintable():
        by_choice = sorted(names, key=lambda name: value not in _literals(section.model_fields[name].annotation))
        for name, candidate in product(by_choice, (value, [value])):
            if _can_be(section, name, candidate):
                return {name: candidate}
    for name, field in section.model_fields.items():
        if isinstance(field.default, str | int | list) and field.default and _is_valid(section, {name: field.default}):
            return {name: field.default}
    return None


def _can_be(section: type[BaseModel], name: str, value: Any) -> bool:
    """Whether a field of a section can have a value as it is."""
    try:
        return getattr(section.model_validate({name: value}), name) == value
    except ValidationError:
        return False


def _is_valid(section: type[BaseModel], raw: Mapping[str, Any]) -> bool:
    try:
        section.model_validate(raw)
    except ValidationError:
        return False
    return True


def _literals(annotation: Any) -> list[Any]:
    """The values in the Literals that an annotation is made of."""
    return [value for part in annotation_parts(annotation) if get_origin(part) is Literal for value in get_args(part)]


def _flow(mapping: Mapping[str, Any]) -> str:
    """A mapping as YAML on one line."""
    return yaml.safe_dump(mapping, default_flow_style=True, allow_unicode=True, width=float("inf")).strip()


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
        if section is not None and get_origin(field.annotation) not in (dict, list) and model is not Task:
            names += _dotted_fields(section, f"{above}{name}.")
    return names


def _section_at(loc: Sequence[str]) -> type[BaseModel] | None:
    """The section class of the field at `loc`; None where the field is not a section."""
    section: type[BaseModel] | None = Recipe
    for part in _field_names(loc):
        field = section.model_fields.get(part) if section else None
        section = section_of(field.annotation) if field else None
    return section


def _fields(loc: Sequence[str]) -> list[str]:
    """Names of the fields of the section at `loc`."""
    model: type[BaseModel] = Recipe
    for part in _field_names(loc):
        field = model.model_fields.get(part)
        section = section_of(field.annotation) if field else None
        model = section or model
    return list(model.model_fields) + ([*RESOLVED] if model is Recipe else [])


def _field_names(loc: Sequence[str]) -> list[str]:
    """The path without the name that the user gave to a task, and without positions in lists."""
    after = len(NAMED_TASKS)
    names = [*loc[:after], *loc[after + 1 :]] if list(loc[:after]) == NAMED_TASKS else loc
    return [name for name in names if not name.isdecimal()]


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section class in an annotation: `Section`, `Section | None`, `list[Section]` or another form of these."""
    for part in annotation_parts(annotation):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None
