"""What the sections of a recipe are made of."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Count = Annotated[int, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Rate = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of a recipe: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LocationMark:
    """Marks a field that holds a path: `${VAR}`, `{language}` and relative paths in it are expanded on loading."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Location = Annotated[str, LocationMark()]
Locations = Annotated[list[str], LocationMark(), BeforeValidator(_as_list)]
