"""The texts that a caller passes, and what the rules for text changed in them."""

from collections import Counter
from collections.abc import Iterable

from ...workspace.progress import Progress
from ...workspace.text import describe_changes


def as_list(texts: str | Iterable[str]) -> list[str]:
    """A list of the texts; a string is one text, not many of one letter."""
    return [texts] if isinstance(texts, str) else list(texts)


def say_changes(counts: Counter[str], progress: Progress) -> None:
    """Say what `workspace.text` changed before a model read the texts, if anything."""
    if counts:
        progress.say(f"input texts normalised: {describe_changes(counts)}")
