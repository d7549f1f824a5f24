"""The one exception that means "the user can mend this"."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in the input; its text says what to do. The command line prints it and exits with 2."""


def nearest(word: str, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The known name most like `word`, if any is close: `cutoff` is difflib's, 1 for equal ones alone."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)
