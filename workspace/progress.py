"""The interface through which long work shows its progress, whoever draws it.

Functions take a `Progress`: `ProgressBars` in a terminal or notebook, `QUIET` to show nothing, or one of the caller's.
"""

from collections.abc import Generator, Iterable, Mapping
from typing import Protocol, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class Progress(Protocol):
    """What long work shows while it runs."""

    def say(self, text: str) -> None:
        """Print one line."""
        ...

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Generator[T]:
        """Pass `items` through, showing how many of `total` (None: unknown) have been passed."""
        ...

    def status(self, facts: Mapping[str, str]) -> None:
        """Show values such as the loss beside the bar of the innermost `track`."""
        ...


class Quiet:
    """A `Progress` that shows nothing."""

    def say(self, text: str) -> None:
        """Drop the line."""

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Generator[T]:
        """Pass `items` through."""
        yield from items

    def status(self, facts: Mapping[str, str]) -> None:
        """Drop the facts."""


QUIET: Progress = Quiet()
_printed: WeakKeyDictionary[Progress, set[str]] = WeakKeyDictionary()


def say_once(progress: Progress, text: str) -> None:
    """Print one line, unless this `progress` has printed it: a file is read again for each system and seed."""
    lines = _printed.setdefault(progress, set())
    if text not in lines:
        lines.add(text)
        progress.say(text)
