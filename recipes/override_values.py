"""The values of `--set FIELD=VALUE`: YAML, except that a path is taken literally."""

import os
import re
from typing import Any

import yaml

from ..workspace.locations import exists
from .evaluation import TASKS
from .placeholders import location_fields
from .schema import Recipe
from .yaml_files import Loader, TextLoader, check_text

NULLS = ("", "~", "null", "Null", "NULL")
NAMED_FILES = re.compile(rf"base|eval\.({'|'.join(TASKS)}|others\.\w+)")
"""Sections that may be given as a name or a path instead of a mapping."""


def override_value(field: str, text: str) -> Any:
    """The value of `--set FIELD=TEXT`: YAML, except that a path is taken literally.

    For a field that holds paths, an existing file or folder of that name comes first; then null, a list in brackets and
    text in quotes are read as YAML. Raises YAMLError for invalid YAML, ValueError for what no path can hold.
    """
    word = text.strip()
    is_section = NAMED_FILES.fullmatch(field) is not None
    if not is_section and not _holds_paths(field):
        return yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    check_text(word)
    if word in NULLS:
        return None
    if exists(expand_home(word)):
        return word
    if is_section and word.startswith("{"):
        return yaml.load(word, Loader)  # noqa: S506 - a SafeLoader
    if word.startswith("[") or (word[0] in "\"'" and word[0] == word[-1]):
        return yaml.load(word, TextLoader)  # noqa: S506 - a SafeLoader
    return word


def expand_home(path: str) -> str:
    """A path with ~ expanded. Unlike pathlib, os.path leaves ~x as it is where there is no user x."""
    return os.path.expanduser(path)  # noqa: PTH111


def _holds_paths(field: str) -> bool:
    nested: Any = ""
    for part in reversed(field.split(".")):
        nested = {part: nested}
    return any(dotted == field for dotted, _, _ in location_fields(nested, Recipe))
