"""Read the YAML of recipes, tasks and text sources, leaving paths as the user wrote them.

YAML 1.1 reads 2024-05-01 as a date and yes, no, on and off as booleans. Here dates stay text, and only true and false
are booleans, as in YAML 1.2 (`no` is the code of Norwegian).
"""

import re
from pathlib import Path
from typing import Any

import yaml

from ..workspace.errors import UserError, shown

BUNDLED = Path(__file__).parent
"""Folder of the bundled recipes."""
BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
PLACEHOLDER = re.compile(r":\s+\{\w+\}\S")  # of a path, such as {recipes}/tasks
OTHER_RESOLVERS = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")


TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "seq", "map")}
MAX_DEPTH = 100  # of lists and mappings in each other; Python's stack holds about 300
MAX_VALUES = 100_000  # aliases count as the values that they stand for


class Loader(yaml.SafeLoader):
    """A safe loader of the values that JSON has, too. Raises YAMLError, and nothing else, for all other content.

    It refuses repeated keys in a mapping, of which PyYAML would silently take the last, tags of other types, values
    that Python cannot hold, and aliases that stand for a value around them or for too many values in all.
    """

    yaml_constructors = {  # noqa: RUF012 - PyYAML's own way
        tag: construct for tag, construct in yaml.SafeLoader.yaml_constructors.items() if tag is None or tag in TAGS
    }
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way
        first: [resolver for resolver in resolvers if resolver[0] not in OTHER_RESOLVERS]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = self._values = 0
        self._sizes: dict[Any, int] = {}  # of complete nodes, in values

    def compose_node(self, parent: yaml.Node | None, index: Any) -> Any:
        """The next node. Raises ConstructorError where it is too deep or too large, or holds itself."""
        mark, is_alias, before = self.peek_event().start_mark, self.check_event(yaml.AliasEvent), self._values
        if self._depth == MAX_DEPTH:
            raise _error(f"nested more than {MAX_DEPTH} levels deep", mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias and node not in self._sizes:
            raise _error("this alias stands for a value that it is a part of", mark)
        self._values += self._sizes[node] if is_alias else 1
        if self._values > MAX_VALUES:
            raise _error(f"more than {MAX_VALUES:,} values", mark)
        if not is_alias:
            self._sizes[node] = self._values - before
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value. Raises ConstructorError where PyYAML or Python would raise another error."""
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, int | str):
                check_text(str(value))  # Python refuses to write integers of more than 4300 digits
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            problem = f"{shown(node.value)} cannot be read as {node.tag.rpartition(':')[2]}"
            raise _error(problem, node.start_mark) from error
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping. Raises ConstructorError for a repeated key."""
        if not isinstance(node, yaml.MappingNode):
            raise _error("expected a mapping", node.start_mark)
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise _error(f"{key.value} is repeated here", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver("tag:yaml.org,2002:bool", BOOLEAN, list("tTfF"))


def _error(problem: str, mark: Any) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, mark)


class TextLoader(Loader):
    """A loader that reads every scalar as text: [2024-05-01, yes]."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own way


def check_text(text: str) -> None:
    """Raise ValueError for what no path and no file of text can hold: NUL, and half a surrogate pair."""
    text.encode()  # raises UnicodeEncodeError, a ValueError
    if "\0" in text:
        raise ValueError("the text holds a NUL character")


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
