"""What of a recipe differs from run to run: the grid's fields with several values, and `by_language`."""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from ..workspace.errors import UserError
from .languages import UnknownLanguageError, find_language
from .schema import RESOLVED

FIELD = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def parts_of(grid: Any) -> list[dict[str, list[Any]]]:
    """The parts of a grid, {dotted field: values} each; a field of null is none.

    `grid` is such a mapping, or a list of them (scikit-learn's ParameterGrid). Raises UserError for another shape.
    """
    parts = grid if isinstance(grid, list) else [grid]
    found = [
        {field: values for field, values in part.items() if values is not None} if isinstance(part, dict) else {}
        for part in parts
    ]
    for part in found:
        named = all(isinstance(field, str) and FIELD.fullmatch(field) and field not in RESOLVED for field in part)
        if not part or not named or not all(isinstance(values, list) and values for values in part.values()):
            break
    else:
        if found:
            return found
    raise UserError(f"grid: expected fields with a list of values each ({{adapter.type: [none, lora]}}), got {grid!r}")


def grid_cells(grid: Any, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The runs of a grid as {dotted field: value}, in the order written, each once; [{}] where there is no grid.

    `given` are the fields that the user sets: where parts list such a value, the others are left out; where none does,
    parts without that field, else the first alone; and the field's values shrink to that one.
    """
    if grid is None:
        return [{}]
    parts = parts_of(grid)
    for field, value in given.items():
        listed = [part for part in parts if any(_same(field, value, one) for one in part.get(field, []))]
        parts = listed or [part for part in parts if field not in part] or parts[:1]
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
    left = [
        [field for field in cell if field not in given] if len(cells) > 1 else []
        for cells in [grid_cells(grid, given)]
        for cell in cells
    ]
    return min(left, key=len)


def leaves(raw: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """A nested mapping as {dotted field: value}."""
    found: dict[str, Any] = {}
    for key, value in raw.items():
        found |= leaves(value, f"{above}{key}.") if isinstance(value, dict) and value else {f"{above}{key}": value}
    return found


def language_sections(sections: Any) -> dict[str, dict[str, Any]]:
    """`by_language` with full codes for keys. Raises UserError for another shape, or where a key is no language."""
    found: dict[str, dict[str, Any]] = {}
    if sections is not None and not isinstance(sections, dict):
        raise UserError("by_language: expected a mapping of sections for each language ({swh_Latn: {eval: ...}})")
    for name, section in (sections or {}).items():
        try:
            code = find_language(str(name)).code
        except UnknownLanguageError as error:
            raise UserError(f"by_language: {error}") from error
        if section is not None and not isinstance(section, dict):
            raise UserError(f"by_language.{name}: expected sections of a recipe, got {section!r}")
        odd = [key for key in (*RESOLVED, "language") if key in (section or {})]
        if odd or code in found:
            raise UserError(
                f"by_language.{name}: " + (f"{odd[0]} has no place here" if odd else f"{code} stands twice")
            )
        found[code] = section or {}
    return found


def _same(field: str, one: Any, other: Any) -> bool:
    """Whether two values mean one: languages by any code, numbers however written (YAML reads 1e-3 as text)."""
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
