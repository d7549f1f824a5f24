"""Recipes of several runs: `grid`, fields with several values, and `by_language`."""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from ..workspace.errors import UserError, shown
from .languages import UnknownLanguageError, find_language
from .schema import RESOLVED
from .validation_messages import grid_problem

FIELD = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def parts_of(grid: Any) -> list[dict[str, list[Any]]]:
    """The parts of a grid, each {dotted field: values}; fields set to null are left out.

    `grid` is such a mapping, or a list of them as in scikit-learn's ParameterGrid. Raises UserError for other shapes.
    """
    parts = [
        {field: values for field, values in part.items() if values is not None} if isinstance(part, dict) else {}
        for part in (grid if isinstance(grid, list) else [grid])
    ]
    if parts and all(map(_is_part, parts)):
        return parts
    raise UserError(
        f"grid: expected fields with a list of values each ({{adapter.type: [none, lora]}}), got {shown(grid)}"
    )


def _is_part(part: Mapping[Any, Any]) -> bool:
    has_fields = all(isinstance(field, str) and FIELD.fullmatch(field) and field not in RESOLVED for field in part)
    return bool(part) and has_fields and all(isinstance(values, list) and values for values in part.values())


def grid_cells(grid: Any, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The runs of a grid as {dotted field: value}, in the order written, without repeats; [{}] without a grid.

    `given` are the fields that the user sets. For each, the parts that list its value remain; if none does, those
    without the field; if there are none of these either, the first part. There the field takes the given value only.
    """
    if grid is None:
        return [{}]
    parts = parts_of(grid)
    for field, value in given.items():
        listed = [part for part in parts if any(_same(field, value, item) for item in part.get(field, []))]
        parts = listed or [part for part in parts if field not in part] or parts[:1]
    cells: list[dict[str, Any]] = []
    for part in parts:
        axes = {field: [given[field]] if field in given else values for field, values in part.items()}
        for values in product(*axes.values()):
            cell = dict(zip(axes, values, strict=True))
            if cell not in cells:
                cells.append(cell)
    return cells


def grid_problems(grid: Any) -> list[str]:
    """A line for each field of a grid that is wrong whatever its values are; it begins with `grid.FIELD: `."""
    parts = [] if grid is None else parts_of(grid)
    problems = (grid_problem(field, values) for part in parts for field, values in part.items())
    return list(dict.fromkeys(problem for problem in problems if problem))


def open_fields(grid: Any, given: Mapping[str, Any]) -> Sequence[str]:
    """The fields that the user must still set to select one run of the grid; empty where `given` selects one."""
    cells = grid_cells(grid, given)
    if len(cells) == 1:
        return []
    return min(([field for field in cell if field not in given] for cell in cells), key=len)


def leaves(raw: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """A nested mapping as {dotted field: value}."""
    fields: dict[str, Any] = {}
    for key, value in raw.items():
        fields |= leaves(value, f"{above}{key}.") if isinstance(value, dict) and value else {f"{above}{key}": value}
    return fields


def language_sections(sections: Any) -> dict[str, dict[str, Any]]:
    """`by_language` with full codes as keys. Raises UserError for other shapes and for unknown languages."""
    by_code: dict[str, dict[str, Any]] = {}
    if sections is not None and not isinstance(sections, dict):
        raise UserError("by_language: expected a mapping of sections for each language ({swh_Latn: {eval: ...}})")
    for name, section in (sections or {}).items():
        try:
            code = find_language(str(name)).code
        except UnknownLanguageError as error:
            raise UserError(f"by_language: {error}") from error
        if section is not None and not isinstance(section, dict):
            raise UserError(f"by_language.{name}: expected sections of a recipe, got {shown(section)}")
        if misplaced := [key for key in (*RESOLVED, "language") if key in (section or {})]:
            raise UserError(f"by_language.{name}: {misplaced[0]} is not allowed here")
        if code in by_code:
            raise UserError(f"by_language.{name}: {code} is listed twice")
        by_code[code] = section or {}
    return by_code


def fields_that_differ(runs: Sequence[Sequence[str]]) -> list[str]:
    """Names of the fields that the overrides of several runs, FIELD=VALUE, set to different values."""
    common = set(runs[0]).intersection(*runs)
    return list(dict.fromkeys(word.partition("=")[0] for words in runs for word in words if word not in common))


def _same(field: str, one: Any, other: Any) -> bool:
    """Whether two values are equal, languages in any code and numbers in any notation (YAML reads 1e-3 as text)."""
    if field == "language":
        return _code(one) == _code(other)
    try:
        return float(one) == float(other)
    except (TypeError, ValueError):
        return str(one) == str(other)


def _code(language: Any) -> str:
    try:
        return find_language(str(language)).code
    except UnknownLanguageError:  # reported by the schema
        return str(language)
