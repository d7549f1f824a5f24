"""YAML of recipes: files and the values of `--set`, both so that a path stays what the user wrote.

YAML 1.1 makes a date of 2024-05-01 and a boolean of yes, no, on and off. Here dates stay text, and only true and false
are booleans, as in YAML 1.2 (no is the Norwegians' code).
"""

import os
import re
from pathlib import Path
from typing import Any

import yaml

from ..workspace.errors import UserError
from .evaluation import TASKS
from .placeholders import location_fields
from .schema import Recipe

NULLS = ("", "~", "null", "Null", "NULL")
NAMED_FILES = re.compile(
    rf"base|eval\.({'|'.join(TASKS)}|others\.\w+)"
)  # sections that may be a name or a path instead
BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
OTHER_RESOLVERS = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")


class Loader(yaml.SafeLoader):
    """Safe, and a key that stands twice in a mapping is an error: YAML itself would let the last one win in silence."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way
        first: [resolver for resolver in resolvers if resolver[0] not in OTHER_RESOLVERS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping; keys that stand twice in it are an error."""
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands here twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver("tag:yaml.org,2002:bool", BOOLEAN, list("tTfF"))


def read_yaml(path: Path) -> Any:
    """What a YAML file holds. Raises UserError, in one line, when it cannot be read or a key stands twice."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error


def override_value(field: str, text: str) -> Any:
    """The value that `--set FIELD=TEXT` gives: YAML, but a path is the text itself.

    A field that holds paths takes YAML too where that is plain to see: null, a list in brackets, text in quotes. What
    exists by that name goes before. Raises YAMLError for text that is neither.
    """
    word = text.strip()
    is_section = NAMED_FILES.fullmatch(field) is not None
    if not is_section and not _holds_paths(field):
        return yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    if word in NULLS:
        return None
    if os.path.exists(expand_home(word)):  # noqa: PTH110 - Path.exists raises where a list is long
        return word
    if is_section and word.startswith("{"):
        return yaml.load(word, Loader)  # noqa: S506 - a SafeLoader
    if word.startswith("[") or (word[0] in "\"'" and word[0] == word[-1]):
        return yaml.load(word, yaml.BaseLoader)  # noqa: S506 - makes text alone; of [2024-05-01, yes] too
    return word


def expand_home(path: str) -> str:
    """A path with ~ replaced; a file may be called ~x where there is no user x, on which pathlib raises."""
    return os.path.expanduser(path)  # noqa: PTH111


def _holds_paths(field: str) -> bool:
    nested: Any = ""
    for part in reversed(field.split(".")):
        nested = {part: nested}
    return any(found == field for found, _, _ in location_fields(nested, Recipe))
