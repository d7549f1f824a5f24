"""Read the YAML of recipes, tasks and text sources, leaving paths as the user wrote them.

YAML 1.1 reads 2024-05-01 as a date and yes, no, on and off as booleans. Here dates stay text, and only true and false
are booleans, as in YAML 1.2 (`no` is the code of Norwegian).
"""

import re
from pathlib import Path
from typing import Any

import yaml

from ..workspace.errors import UserError

BUNDLED = Path(__file__).parent
"""Folder of the bundled recipes."""
BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
PLACEHOLDER = re.compile(r":\s+\{\w+\}\S")  # of a path, such as {recipes}/tasks
OTHER_RESOLVERS = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")


class Loader(yaml.SafeLoader):
    """A safe loader that refuses repeated keys in a mapping, of which PyYAML would silently take the last."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way
        first: [resolver for resolver in resolvers if resolver[0] not in OTHER_RESOLVERS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping. Raises ConstructorError for a repeated key."""
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} is repeated here", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver("tag:yaml.org,2002:bool", BOOLEAN, list("tTfF"))


def read_yaml(path: Path) -> Any:
    """The contents of a YAML file. Raises UserError where it cannot be read, is not valid YAML or repeats a key."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise UserError(_yaml_message(path, error)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error


def _yaml_message(path: Path, error: yaml.YAMLError) -> str:
    """One line for an error of PyYAML: the file, the line and the problem."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f"{path}: not valid YAML: {getattr(error, 'reason', error)}"
    problem = (error.problem or "").replace("'<stream end>'", "the end of the file")
    if "'\\t'" in problem:
        problem = "indent with spaces, not with tabs"
    elif PLACEHOLDER.search(_line(path, error.problem_mark)):
        problem = "put values that begin with { in quotes"
    return f"{path}, line {error.problem_mark.line + 1}: not valid YAML: {problem}"


def _line(path: Path, mark: yaml.Mark) -> str:
    return [*path.read_text(encoding="utf-8").splitlines(), ""][mark.line]
