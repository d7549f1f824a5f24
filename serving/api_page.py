"""The page that describes the interface for programs, from its OpenAPI description; it needs no scripts."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def api_page(openapi: Mapping[str, Any]) -> str:
    """The HTML page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    schemas = openapi["components"]["schemas"]
    return environment.get_template("api.html").render(
        info=openapi["info"], operations=list(_operations(openapi["paths"], schemas))
    )


def _operations(paths: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What the template shows of each address."""
    for path, methods in paths.items():
        for method, operation in methods.items():
            answers = operation["responses"]
            yield {
                "method": method.upper(),
                "path": path,
                "description": operation["description"],
                "needs_token": bool(operation.get("security")),
                "request": _fields(operation.get("requestBody"), schemas),
                "answer": _fields(answers["200"], schemas),
                "problems": {status: one["description"] for status, one in answers.items() if status != "200"},
            }


def _fields(body: Mapping[str, Any] | None, schemas: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The fields of a JSON object that is sent: name, type, whether it is required, default and description."""
    if body is None:
        return []
    schema = schemas[_last_part(body["content"]["application/json"]["schema"])]
    return [
        {
            "name": name,
            "type": _type(field),
            "required": name in schema.get("required", ()),
            "default": field.get("default"),
            "description": field.get("description", ""),
        }
        for name, field in schema["properties"].items()
    ]


def _type(field: Mapping[str, Any]) -> str:
    """The type of a field in words: string, list of string, string or null."""
    if "anyOf" in field:
        return " or ".join(_type(choice) for choice in field["anyOf"])
    if "$ref" in field:
        return _last_part(field)
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    return str(field.get("type", "any"))


def _last_part(reference: Mapping[str, Any]) -> str:
    return reference["$ref"].rpartition("/")[2]
