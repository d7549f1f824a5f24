"""Overrides of a recipe's fields, where each was given, and which of them a mistake is due to."""

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

VARIABLE = "LRL_ADAPT_SET"
MOST_NAMED = 3  # overrides, in the line over a problem that is due to several of them
_PLACES = re.compile(r"(?:[^\W\d][\w.]*: )+")  # how a problem begins: "eval: tasks: ", "corpus.files.1: "


class Override(str):
    """A `FIELD=VALUE` that was not given as `--set FIELD=VALUE`: `origin` is what the user wrote instead.

    It is empty for a value that the recipe file itself chooses, as one of its grid.
    """

    __slots__ = ("origin",)
    origin: str

    def __new__(cls, text: str, origin: str) -> "Override":
        """`text` with where it comes from."""
        override = super().__new__(cls, text)
        override.origin = origin
        return override


def origin_of(override: str) -> str:
    """What the user wrote: `--set FIELD=VALUE`, `--adapter lora`, or the environment variable with what it says."""
    return override.origin if isinstance(override, Override) else f"--set {override}"


def environment_overrides() -> list[Override]:
    """The `FIELD=VALUE` lines of $LRL_ADAPT_SET, blank ones left out; a single line may part them by `;` instead."""
    text = os.environ.get(VARIABLE, "").strip()
    parts = text.splitlines() if "\n" in text else text.split(";")
    return [Override(part.strip(), f"{VARIABLE}: {part.strip()}") for part in parts if part.strip()]


class Setting(NamedTuple):
    """What one override sets: its dotted field, and the fields with plain values where it is given a mapping."""

    origin: str
    field: str
    leaves: Sequence[str]


def report_problems(
    name: str, problems: Sequence[str], problems_of_file: Sequence[str], settings: Sequence[Setting]
) -> str:
    """The problems of a recipe as one message, each with the override or the file that it is due to.

    `name` is the file's. `problems` begin with the dotted field they are about; `problems_of_file` are those that the
    file has without the overrides, whose `settings` are in the order in which they count.
    """
    in_file, in_both, lines = [], [], []
    for problem in dict.fromkeys(problems):
        origins, text = _due_to(problem, settings, by_file=problem in problems_of_file)
        if origins:
            lines.append(f"{', '.join(origins)}: {text}")
        else:
            (in_file if problem in problems_of_file else in_both).append(problem)
    if in_both and len(settings) > MOST_NAMED:
        in_file, in_both = [*in_file, *in_both], []
    together = f"{name} with {', '.join(setting.origin for setting in settings)}"
    return "\n".join([*_section(name, in_file), *_section(together, in_both), *lines])


def _section(name: str, problems: Sequence[str]) -> list[str]:
    if not problems:
        return []
    count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
    return [f"{name}: {count}", *(f"  {problem}" for problem in problems)]


def _due_to(problem: str, settings: Sequence[Setting], *, by_file: bool) -> tuple[list[str], str]:
    """The overrides that a problem is due to, and the problem in words that may follow them.

    Where both the file and overrides set a field, it is the last override, whose value counts. A problem of a whole
    section is due to the overrides inside it unless the file has it without them.
    """
    places = _PLACES.match(problem)
    parts = places[0].removesuffix(": ").split(": ") if places else []
    for number in range(len(parts), 0, -1):  # "eval: tasks: " is about eval.tasks, or else about eval
        place = ".".join(parts[:number])
        for setting in reversed(settings):
            if place == setting.field:
                return [setting.origin], problem.split(": ", number)[number]
            if any(place == leaf or place.startswith(f"{leaf}.") for leaf in setting.leaves):
                return [setting.origin], problem
        inside = [setting for setting in settings if any(leaf.startswith(f"{place}.") for leaf in setting.leaves)]
        if inside and not by_file:
            return list(dict.fromkeys(setting.origin for setting in inside)), problem
    return [], problem
