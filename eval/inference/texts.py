"""The texts that a caller passes, and what the rules for text changed in them."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

from ...workspace.errors import UserError, shown
from ...workspace.progress import Progress
from ...workspace.text import describe_changes

T = TypeVar("T")
MASK = re.compile(r"<mask>|\[MASK\]|\{mask\}")


def as_list(texts: str | Iterable[T]) -> list[str] | list[T]:
    """A list of the texts; a string is one text, not many of one letter. Raises UserError for what has no items."""
    if isinstance(texts, str):
        return [texts]
    if not isinstance(texts, Iterable):
        raise UserError(f"expected a text or a list of texts, got {shown(texts)}")
    return list(texts)


def require_masks(texts: Iterable[str]) -> None:
    """Raise a UserError for a text without a mask."""
    for text in texts:
        if not MASK.search(text):
            raise UserError(f"there is no mask in {text!r}: write <mask>, [MASK] or {{mask}} where a word is missing")


def say_changes(counts: Counter[str], progress: Progress) -> None:
    """Say what `workspace.text` changed before a model read the texts, if anything."""
    if counts:
        progress.say(f"input texts normalised: {describe_changes(counts)}")
