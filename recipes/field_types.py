"""Types of recipe fields, and the base class of its sections."""

from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    AfterValidator,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from ..workspace.errors import shown
from ..workspace.text import clean_line
from .renames import FORMER_VALUES, former_field

Count = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Rate = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A section of a recipe: immutable; unknown keys are errors."""

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
        """Refuse true and false as numbers: Python, and with it pydantic, takes true for 1."""
        booleans = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, bool)]
        if booleans and _is_number(cls.model_fields[info.field_name or ""].annotation):
            raise ValueError(f"expected a number, got {str(booleans[0]).lower()}")
        return value


def annotation_parts(annotation: Any) -> Iterator[Any]:
    """A type annotation and all that it is made of: members of unions, items of lists, marks of Annotated."""
    yield annotation
    for part in get_args(annotation):
        yield from annotation_parts(part)


def _is_number(annotation: Any) -> bool:
    """Whether a field of this type holds a number or a list of numbers."""
    parts = list(annotation_parts(annotation))
    return any(part in (int, float, ByteSize) for part in parts) and not any(get_origin(part) is dict for part in parts)


def at_default(section: Section, names: Collection[str]) -> set[str]:
    """Those of the fields `names` that hold their default.

    Fields that were added to a section later enter the keys of artifacts only where they are set, so that artifacts
    made before are found.
    """
    return {name for name in names if getattr(section, name) == type(section).model_fields[name].default}


class LocationMark:
    """Marks a field that holds paths: `${VAR}`, `{language}` and relative paths in it are expanded on loading."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _no_number(value: Any) -> Any:
    """Refuse a path that YAML reads as a number or boolean: a folder called 2024, true or 1e3."""
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, bool | int | float):
            kind = "true or false" if isinstance(part, bool) else "a number"
            raise ValueError(f"expected a path, but YAML reads {kind} here ({part}): put it in quotes")  # noqa: TRY004 - pydantic collects it
    return value


def _one_or_several(what: str) -> BeforeValidator:
    """Give one error for what is neither text nor a list of it; pydantic would give one for each type."""

    def check(value: Any) -> Any:
        parts = value if isinstance(value, list) else [value]
        if not parts or not all(isinstance(part, str | int | float) for part in parts):
            raise ValueError(f"expected {what}, or a list of them, got {shown(value)}")
        return value

    return BeforeValidator(check)


Location = Annotated[str, LocationMark(), BeforeValidator(_no_number)]
Locations = Annotated[list[str], LocationMark(), BeforeValidator(_as_list), BeforeValidator(_no_number)]
Alternatives = Annotated[
    str | Annotated[list[str], Field(min_length=1)],
    LocationMark(),
    BeforeValidator(_no_number),
    _one_or_several("a path"),
]
"""A location, or a list of which the first that exists is used."""


def _as_text(value: Any) -> Any:
    """Numbers and booleans of YAML as data files write them: 3, true."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Text = Annotated[
    str,
    BeforeValidator(_as_text),
    AfterValidator(clean_line),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
"""A name or value in data files, cleaned as all text is; it may look like a number."""
ColumnName = Annotated[Text | Annotated[list[Text], Field(min_length=1)], _one_or_several("a column's name")]
"""A column's name, or a list of which the first that the file has is used; for CoNLL files, the column's number."""


def _frozen_part(value: Any) -> Any:
    if value != "embeddings" and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise ValueError(f"expected embeddings or the number of a block, got {shown(value)}")
    return value


FrozenPart = Annotated[Literal["embeddings"] | Annotated[int, Field(ge=0)], BeforeValidator(_frozen_part)]
"""A part of the base that full fine-tuning may leave as it is."""
