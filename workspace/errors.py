"""The exception for mistakes that the user can correct."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

MAX_SHOWN = 200  # characters of a value in a message
MAX_LINE = 1000  # characters of a message of a library, which may quote the content of a file


class UserError(Exception):
    """A mistake in the input; its text says what to do. The command line prints it and exits with 2."""


def nearest(word: str, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The known name most similar to `word`, or None; `cutoff` is difflib's, from 0 (any) to 1 (equal)."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)


def first_line(error: BaseException) -> str:
    """The first line of an exception's message, shortened, or its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:MAX_LINE]


def shown(value: object) -> str:
    """A value for a message, as Python writes it, shortened."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


class Mistakes:
    """Collects errors, so that the user hears of all of them at once."""

    def __init__(self) -> None:
        self._errors: dict[str, UserError] = {}  # by message: files that are read several times give the same one

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Keep a UserError of the `with` block instead of raising it."""
        try:
            yield
        except UserError as error:
            self.add(error)

    def add(self, error: UserError) -> None:
        """Keep an error."""
        self._errors.setdefault(str(error), error)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._errors)

    def raise_all(self, title: str = "") -> None:
        """Raise the only error, or one UserError with a line for each, below `title` if given; nothing if none."""
        if len(self._errors) == 1:
            raise next(iter(self._errors.values()))
        if self._errors:
            raise UserError("\n  ".join([title, *self._errors] if title else self._errors))
