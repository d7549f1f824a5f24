"""How long work tells that it is getting on, without knowing who listens.

Library functions take a `Progress`; the CLI passes one that draws bars, scripts and tests pass none.
"""

from collections.abc import Generator, Iterable, Mapping
from typing import Protocol, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class Progress(Protocol):
    """What long work may say while it runs."""

    def say(self, text: str) -> None:
        """Print one line."""
        ...

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Generator[T]:
        """Pass `items` through, drawing a bar of `total` steps (unknown if None)."""
        ...

    def status(self, facts: Mapping[str, str]) -> None:
        """Show how the work inside `track` stands, beside its bar."""
        ...


class Quiet:
    """A `Progress` that says nothing."""

    def say(self, text: str) -> None:
        """Drop the line."""

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Generator[T]:
        """Pass `items` through."""
        yield from items

    def status(self, facts: Mapping[str, str]) -> None:
        """Drop the facts."""


QUIET: Progress = Quiet()
_SAID: WeakKeyDictionary[Progress, set[str]] = WeakKeyDictionary()


def say_once(progress: Progress, text: str) -> None:
    """Print one line, unless this `progress` was given it before: a file is read again for each system and seed."""
    said = _SAID.setdefault(progress, set())
    if text not in said:
        said.add(text)
        progress.say(text)
