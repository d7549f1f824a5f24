"""The exception for mistakes that the user can correct."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in the input; its text says what to do. The command line prints it and exits with 2."""


def nearest(word: str, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """The known name most similar to `word`, or None; `cutoff` is difflib's, from 0 (any) to 1 (equal)."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)
