"""The recipe reference: a Markdown page with every key of the recipe schema, its type, default and description.

The source is the JSON schema that editors use, so that the page cannot differ from what a recipe accepts.
"""

import json
from collections.abc import Iterator
from typing import Any

from lrl_adapt.recipes.schema import Recipe, json_schema

Node = dict[str, Any]

INTRODUCTION = """# Recipe reference

Every key of a recipe. A key is written here as on the command line: `training.max_steps` stands for

```yaml
training:
  max_steps: 1000
```

and for `--set training.max_steps=1000`. [Recipes](guide.md#recipes) explains how recipes extend one another and
how keys are overridden. This page is generated from the schema; `lrl-adapt recipes schema` writes the schema itself.
"""
DEFINITIONS = "#/$defs/"


def page() -> str:
    """The whole page."""
    schema = json.loads(json_schema())
    places = section_places(schema)
    parts = [INTRODUCTION, _section("Top level", "top-level", schema, "", places)]
    for name, paths in places.items():
        title = ", ".join(f"`{path}`" for path in paths)
        parts.append(_section(title, section_anchor(paths[0]), schema["$defs"][name], paths[0], places))
    return "\n".join(parts)


def section_places(schema: Node) -> dict[str, list[str]]:
    """Where each definition of the schema may stand in a recipe: {"Task": ["eval.topic", "eval.sentiment", ...]}."""
    places: dict[str, list[str]] = {}

    def visit(node: Node, path: str) -> None:
        for key, value in node["properties"].items():
            for name, place in _definitions_in(value, _join(path, key)):
                known = name in places
                places.setdefault(name, []).append(place)
                if not known:
                    visit(schema["$defs"][name], place)

    visit(schema, "")
    return places


def section_anchor(path: str) -> str:
    """The anchor of the section at `path`; the key of the same name, in the section above, has the path itself."""
    return f"{path}.keys"


def type_text(node: Node, places: dict[str, list[str]]) -> str:
    """The type of a schema node as Markdown, such as "integer ≥ 1 or `null`"."""
    options = list(dict.fromkeys(_type_options(node, places)))
    return " or ".join([", ".join(options[:-1]), options[-1]] if len(options) > 1 else options)


def _type_options(node: Node, places: dict[str, list[str]]) -> Iterator[str]:
    """The types that a node accepts, each as Markdown."""
    if "anyOf" in node:
        for option in node["anyOf"]:
            yield from _type_options(option, places)
    elif "$ref" in node:
        name = node["$ref"].removeprefix(DEFINITIONS)
        yield f"[section](#{section_anchor(places[name][0])})" if name in places else "recipe"
    elif "enum" in node or "const" in node:
        yield from (_code(value) for value in node.get("enum", [node.get("const")]))
    elif node.get("type") == "array":
        yield f"list of {_element_text(node.get('items', {}), places)}"
    elif node.get("type") == "object":
        yield f"mapping from name to {_element_text(node.get('additionalProperties', {}), places)}"
    else:
        names = node.get("type", "any value")
        for name in [names] if isinstance(names, str) else names:
            yield _code(None) if name == "null" else f"{name}{_limits(node)}"


def _element_text(node: Node, places: dict[str, list[str]]) -> str:
    """The type of what a list or mapping holds, in brackets if there are several."""
    text = type_text(node, places)
    return f"{text}s" if text == "string" else f"({text})" if " or " in text else text


def _section(title: str, anchor: str, node: Node, path: str, places: dict[str, list[str]]) -> str:
    about = as_markdown(node.get("description", "")) if path else ""
    keys = [_key(_join(path, key), value, places) for key, value in node["properties"].items()]
    return "\n".join([f"## {title} {{ #{anchor} }}", "", about, "", *keys])


def _key(path: str, node: Node, places: dict[str, list[str]]) -> str:
    options = [node, *node.get("anyOf", [])]
    description = next((option["description"] for option in options if "description" in option), "")
    facts = f"{type_text(node, places)}{_default(path, node)}"
    label = path.rpartition(".")[2]
    return (
        f'### `{path}` {{ #{path} data-toc-label="{label}" }}\n\n{facts}\n{{ .facts }}\n\n{as_markdown(description)}\n'
    )


def _default(path: str, node: Node) -> str:
    if path in Recipe.model_json_schema()["required"]:
        return " · required"
    is_section = any(name for name, place in _definitions_in(node, path) if place == path)
    if "default" not in node or (is_section and node["default"] is not None):
        return ""
    return f" · default {_code(node['default'])}"


def _definitions_in(node: Node, path: str) -> Iterator[tuple[str, str]]:
    """Definitions that the value of a key refers to, with their places: in a mapping or list, one level below."""
    if node.get("$ref", "").startswith(DEFINITIONS):
        yield node["$ref"].removeprefix(DEFINITIONS), path
    for option in node.get("anyOf", []):
        yield from _definitions_in(option, path)
    if isinstance(node.get("additionalProperties"), dict):
        yield from _definitions_in(node["additionalProperties"], f"{path}.NAME")
    if isinstance(node.get("items"), dict):
        yield from _definitions_in(node["items"], f"{path}.NUMBER")


def _limits(node: Node) -> str:
    """The range of a number, such as " ≥ 0, < 1"."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {node[name]}" for name, sign in signs.items() if name in node]
    return f" {', '.join(limits)}" if limits else ""


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _code(value: Any) -> str:
    return f"`{value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)}`"


def as_markdown(text: str) -> str:
    """Text of the schema as Markdown: what is not in backticks stands as it is written."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("*", r"\*")
