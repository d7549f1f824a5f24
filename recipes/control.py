"""Controls: what a run evaluates in the place of its language adapter, to tell what of a gain is due to the adapter.

Fekete et al. 2025, "Limited-Resource Adapters Are Regularizers, Not Linguists"
(https://aclanthology.org/2025.acl-short.19): adapters with random weights helped translation as much as trained ones.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ..workspace.errors import shown
from .field_types import Section
from .languages import find_language

NAMES = ("untrained", "head", "text-fusion")


class LanguageControl(Section):
    """The adapter of the same run in another language, whose code replaces {language} in paths."""

    language: str = Field(description="Language of the adapter, by any of its codes; the tasks keep theirs.")


def _control(value: Any) -> Any:
    """Give one error for what is no control; pydantic would give one for each type of the union."""
    if value is None or value in NAMES or isinstance(value, LanguageControl):
        return value
    if isinstance(value, dict) and value.keys() == {"language"}:
        return LanguageControl(language=find_language(str(value["language"])).code)
    raise ValueError(f"expected {', '.join(NAMES)}, {{language: CODE}} or null, got {shown(value)}")


Control = Annotated[Literal["untrained", "head", "text-fusion"] | LanguageControl | None, BeforeValidator(_control)]


def control_name(control: str | LanguageControl) -> str:
    """How systems call it: head, language(swh_Latn)."""
    return f"language({control.language})" if isinstance(control, LanguageControl) else control


def check_control(
    control: str | LanguageControl | None, language: str, adapter: str, source: str, *, from_scratch: bool
) -> None:
    """Raise ValueError if a run in `language` with this type of adapter and source cannot have the control."""
    if control is None:
        return
    if adapter == "none":
        raise ValueError("control: adapter none is the base itself; in a grid, give it a part without control")
    if control == "untrained" and adapter == "full":
        raise ValueError("control: an untrained full is the base itself; in a grid, give full a part of its own")
    if control == "text-fusion" and source != "fusion":
        raise ValueError("control: text-fusion is for source: fusion; in a grid, give fusion a part of its own")
    if isinstance(control, LanguageControl) and control.language == language:
        raise ValueError(f"control: {language} is the recipe's language; name another one")
    if isinstance(control, LanguageControl) and from_scratch:
        raise ValueError("control: an adapter of another language needs a base that both share: give base.model")
