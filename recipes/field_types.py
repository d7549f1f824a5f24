"""What the sections of a recipe are made of."""

import re
from collections.abc import Collection
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from ..workspace.text import clean_line
from .renames import FORMER_VALUES, former_field

Count = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Rate = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of a recipe: unknown keys are errors, values never change."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        alias_generator=AliasGenerator(serialization_alias=former_field),  # used by artifact_settings alone
    )

    def artifact_settings(self, **selection: Any) -> dict[str, Any]:
        """The fields as they enter the key of an artifact, JSON-ready: see `renames`.

        `selection` are `include`, `exclude` and `exclude_defaults` of `model_dump`.
        """
        settings = self.model_dump(mode="json", by_alias=True, **selection)
        return {
            name: FORMER_VALUES.get(value, value) if isinstance(value, str) else value
            for name, value in settings.items()
        }

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Python, and with it pydantic, takes true for 1."""
        kind = str(cls.model_fields[info.field_name or ""].annotation)
        values = value if isinstance(value, list) else [value]
        told = [str(part).lower() for part in values if isinstance(part, bool)]
        if told and "dict" not in kind and re.search(r"\b(int|float|ByteSize)\b", kind):
            raise ValueError(f"expected a number, got {told[0]}")
        return value


def at_default(section: Section, names: Collection[str]) -> set[str]:
    """Those of the fields `names` that hold their default.

    A field that is new in a section enters the keys of artifacts only where it is set, so that those made before it
    are still found.
    """
    return {name for name in names if getattr(section, name) == type(section).model_fields[name].default}


class LocationMark:
    """Marks a field that holds a path: `${VAR}`, `{language}` and relative paths in it are expanded on loading."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _no_number(value: Any) -> Any:
    """Refuse what YAML made a number or a boolean of: a folder called 2024, true, 1e3."""
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, bool | int | float):
            kind = "true or false" if isinstance(part, bool) else "a number"
            raise ValueError(f"expected a path, but YAML reads {kind} here ({part}): put it in quotes")  # noqa: TRY004 - pydantic collects it
    return value


Location = Annotated[str, LocationMark(), BeforeValidator(_no_number)]
Locations = Annotated[list[str], LocationMark(), BeforeValidator(_as_list), BeforeValidator(_no_number)]
Alternatives = Annotated[str | Annotated[list[str], Field(min_length=1)], LocationMark(), BeforeValidator(_no_number)]
"""A location, or a list of which the first that exists counts."""


def _as_text(value: Any) -> Any:
    """What YAML made a number or a boolean of, as files write it: 3, true."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[
    str,
    BeforeValidator(_as_text),
    AfterValidator(clean_line),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
"""A name or value as data files have it, in the form that all text gets; it may look like a number."""
ColumnName = Text | Annotated[list[Text], Field(min_length=1)]
"""A column's name, or a list of which the first that the file has counts; a number counts the columns of CoNLL."""
