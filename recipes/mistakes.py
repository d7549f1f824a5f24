"""Mistakes that pydantic finds in a recipe, in our words."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from .errors import nearest
from .schema import RESOLVED, Recipe


def explain(detail: Mapping[str, Any]) -> str:
    """One line for one pydantic error: dotted path, what is wrong, what was meant."""
    *above, last = loc = [str(part) for part in detail["loc"]] or ["recipe"]
    dotted = ".".join(loc)
    if detail["type"] == "extra_forbidden":
        near = nearest(last, _fields(above))
        return f"{dotted}: unknown key" + (
            f"; did you mean {near}?" if near else f"; known: {', '.join(_fields(above))}"
        )
    if detail["type"] == "missing":
        return f"{dotted}: is required"
    if detail["type"] == "value_error":
        message = detail["msg"].removeprefix("Value error, ")
        return message if dotted == "recipe" else f"{dotted}: {message}"
    message = (
        detail["msg"]
        .replace("Input should be", "expected")
        .replace("a valid integer", "an integer")
        .replace("a valid ", "a ")
    )
    value = detail["input"]
    if detail["type"] == "literal_error":
        near = nearest(str(value), re.findall(r"'([^']+)'", message))
        return f"{dotted}: {message}, got {value!r}" + (f"; did you mean {near}?" if near else "")
    return f"{dotted}: {message}, got {value!r}"


def _fields(loc: Sequence[str]) -> list[str]:
    """Names of the fields in the section at `loc`."""
    model: type[BaseModel] = Recipe
    for part in loc:
        field = model.model_fields.get(part)
        section = section_of(field.annotation) if field else None
        model = section or model
    return list(model.model_fields) + ([*RESOLVED] if model is Recipe else [])


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section class in `Section`, `Section | None` or an annotated form of these."""
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None
