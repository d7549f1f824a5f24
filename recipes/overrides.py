"""Overrides of recipe fields: where each was given, and which of them caused an error."""

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

VARIABLE = "LRL_ADAPT_SET"
SHORT_FIELDS = {
    "language": "language",
    "adapter": "adapter.type",
    "source": "source",
    "tasks": "eval.tasks",
    "limit": "eval.limit",
}
"""Fields with a short option on the command line and a keyword in the Python API, by that keyword."""
MAX_NAMED = 3  # overrides named above a problem that they caused together
_FIELDS = re.compile(r"(?:[^\W\d][\w.]*: )+")  # how a problem begins: "eval: tasks: ", "corpus.files.1: "


class Override(str):
    """A `FIELD=VALUE` that was not given as `--set FIELD=VALUE`: `origin` is what the user wrote instead.

    `origin` is empty for a value from the recipe file itself, such as one of its grid.
    """

    __slots__ = ("origin",)
    origin: str

    def __new__(cls, text: str, origin: str) -> "Override":
        """An override with its origin."""
        override = super().__new__(cls, text)
        override.origin = origin
        return override


def origin_of(override: str) -> str:
    """What the user wrote: `--set FIELD=VALUE`, `--adapter lora`, or the environment variable with its value."""
    return override.origin if isinstance(override, Override) else f"--set {override}"


def environment_overrides() -> list[Override]:
    """The `FIELD=VALUE` lines of $LRL_ADAPT_SET without blank ones; a single line may separate them with `;`."""
    text = os.environ.get(VARIABLE, "").strip()
    parts = text.splitlines() if "\n" in text else text.split(";")
    return [Override(part.strip(), f"{VARIABLE}: {part.strip()}") for part in parts if part.strip()]


class Setting(NamedTuple):
    """The fields that one override sets: its dotted field, and the fields inside its value where that is a mapping."""

    origin: str
    field: str
    leaves: Sequence[str]


def report_problems(
    name: str, problems: Sequence[str], problems_of_file: Sequence[str], settings: Sequence[Setting]
) -> str:
    """The problems of a recipe as one message, each with the override or the file that caused it.

    `name` is the file's. Each problem begins with its dotted field. `problems_of_file` are those that the file has
    without the overrides. Of the `settings` of the overrides, later ones win.
    """
    in_file, in_both, lines = [], [], []
    for problem in dict.fromkeys(problems):
        origins, text = _causes(problem, settings, by_file=problem in problems_of_file)
        if origins:
            lines.append(f"{', '.join(origins)}: {text}")
        else:
            (in_file if problem in problems_of_file else in_both).append(problem)
    if in_both and len(settings) > MAX_NAMED:
        in_file, in_both = [*in_file, *in_both], []
    together = f"{name} with {', '.join(setting.origin for setting in settings)}"
    return "\n".join([*_section(name, in_file), *_section(together, in_both), *lines])


def _section(name: str, problems: Sequence[str]) -> list[str]:
    if not problems:
        return []
    count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
    return [f"{name}: {count}", *(f"  {problem}" for problem in problems)]


def _causes(problem: str, settings: Sequence[Setting], *, by_file: bool) -> tuple[list[str], str]:
    """The overrides that caused a problem, and the problem as text to follow them.

    Of several overrides of a field, the last one counts. A problem of a whole section is caused by the overrides
    inside it, unless the file has it without them.
    """
    prefix = _FIELDS.match(problem)
    parts = prefix[0].removesuffix(": ").split(": ") if prefix else []
    for number in range(len(parts), 0, -1):  # "eval: tasks: " is about eval.tasks, or else about eval
        field = ".".join(parts[:number])
        for setting in reversed(settings):
            if field == setting.field:
                return [setting.origin], problem.split(": ", number)[number]
            if any(field == leaf or field.startswith(f"{leaf}.") for leaf in setting.leaves):
                return [setting.origin], problem
        inside = [setting for setting in settings if any(leaf.startswith(f"{field}.") for leaf in setting.leaves)]
        if inside and not by_file:
            return list(dict.fromkeys(setting.origin for setting in inside)), problem
    return [], problem
