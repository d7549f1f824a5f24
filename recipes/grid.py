"""The grid of a recipe: fields that take several values, each combination a run of its own."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from .errors import UserError
from .languages import UnknownLanguageError, find_language


def grid_cells(grid: Any, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The runs of a grid as {dotted field: value}, in the order written, each once; [{}] where there is no grid.

    `grid` is {dotted field: values}, or a list of such (scikit-learn's ParameterGrid). `given` are the fields that the
    user sets: where a part lists such a value, the others are left out, and a field's values shrink to that one. Raises
    UserError for a grid of another shape.
    """
    if grid is None:
        return [{}]
    parts = grid if isinstance(grid, list) else [grid]
    if not parts or not all(map(_is_part, parts)):
        raise UserError(
            f"grid: expected fields with a list of values each ({{adapter.type: [none, lora]}}), got {grid!r}"
        )
    for field, value in given.items():
        listed = [part for part in parts if _lists(part, field, value)]
        parts = listed or [part for part in parts if field not in part] or parts
    found: list[dict[str, Any]] = []
    for part in parts:
        axes = {field: [given[field]] if field in given else values for field, values in part.items()}
        for values in product(*axes.values()):
            cell = dict(zip(axes, values, strict=True))
            if cell not in found:
                found.append(cell)
    return found


def open_fields(grid: Any, given: Mapping[str, Any]) -> Sequence[str]:
    """The fields that are still to be chosen for one run of the grid; none where a part has all of its own given."""
    left = [[field for field in cell if field not in given] for cell in grid_cells(grid, given)]
    return min(left, key=len)


def of_language(sections: Any, language: Any) -> dict[str, Any]:
    """What `by_language` says of one language, by any of its codes. Raises UserError where it is no such mapping."""
    if sections is None:
        return {}
    if not isinstance(sections, dict) or not all(isinstance(section, dict) for section in sections.values()):
        raise UserError("by_language: expected a mapping of sections for each language ({swh_Latn: {eval: ...}})")
    return next((section for code, section in sections.items() if _code(code) == _code(language)), {})


def _is_part(part: Any) -> bool:
    return (
        isinstance(part, dict) and bool(part) and all(isinstance(values, list) and values for values in part.values())
    )


def _lists(part: Mapping[str, Any], field: str, value: Any) -> bool:
    same = _code if field == "language" else str
    return same(value) in map(same, part.get(field, []))


def _code(language: Any) -> str:
    try:
        return find_language(str(language)).code
    except UnknownLanguageError:  # reported by the schema
        return str(language)
