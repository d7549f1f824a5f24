"""Overrides of a recipe's fields that stand in the environment, for every command and the processes that it starts."""

import os
from collections.abc import Sequence

VARIABLE = "LRL_ADAPT_SET"


def environment_overrides() -> list[str]:
    """The `FIELD=VALUE` lines of $LRL_ADAPT_SET, blank ones left out; a single line may part them by `;` instead."""
    text = os.environ.get(VARIABLE, "").strip()
    parts = text.splitlines() if "\n" in text else text.split(";")
    return [part.strip() for part in parts if part.strip()]


def where_set(override: str) -> str:
    """What to call an override in an error message: `--set FIELD=VALUE`, or the variable and what it says."""
    return f"{VARIABLE}: {override}" if override in environment_overrides() else f"--set {override}"


def with_origin(problem: str, overrides: Sequence[str]) -> str:
    """An error about a field, which says where the field was set if that was in the environment."""
    for override in environment_overrides():
        field = override.partition("=")[0]
        if override in overrides and problem.startswith((f"{field}:", f"{field}.")):
            return f"{problem} (set in {VARIABLE})"
    return problem
