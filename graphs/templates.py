"""Templates: the sentence for each of ConceptNet's relations, bundled (templates/*.yaml) or from the user's file.

A new relation gets a line in templates/eng_Latn.yaml, which decides which relations there are, and in those of the
languages; templates/paper.yaml stays as published.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

from ..recipes.loading import read_yaml
from ..recipes.schema import Graph
from ..workspace.errors import UserError, nearest
from ..workspace.text import clean_line

ENGLISH, PAPER = "eng_Latn", "paper"


def load_templates(graph: Graph, language: str) -> dict[str, str]:
    """Templates with {start} and {end} by relation, as the recipe and its language (`swh_Latn`) ask for.

    Relations that a language's templates lack are in English. Raises UserError when graph.templates cannot be read, or
    no templates are bundled for the language and `native` asks for them.
    """
    if graph.linearisation == "paper":
        return {**_bundled(PAPER)}
    user_templates = {} if graph.templates is None else _read(Path(graph.templates))
    languages = _bundled_languages()
    has_own = graph.linearisation != "english" and language in languages
    if graph.linearisation == "native" and language != ENGLISH and not (has_own or user_templates):
        raise UserError(
            f"graph.linearisation: native has no templates for {language}, only for {', '.join(languages)}: write a "
            "file of them and name it in graph.templates, or use english"
        )
    return {**_bundled(ENGLISH), **(_bundled(language) if has_own else {}), **user_templates}


def _bundled_languages() -> list[str]:
    """The languages other than English that have bundled templates."""
    names = sorted(file.name.removesuffix(".yaml") for file in _folder().iterdir() if file.name.endswith(".yaml"))
    return [name for name in names if name not in (PAPER, ENGLISH)]


@cache
def _bundled(name: str) -> Mapping[str, str]:
    return yaml.safe_load(_folder().joinpath(f"{name}.yaml").read_text(encoding="utf-8"))


def _folder() -> Any:
    return files(__name__.rpartition(".")[0]).joinpath("templates")


def _read(path: Path) -> dict[str, str]:
    """A user's templates. Raises UserError for a relation that does not exist and for what is no template."""
    try:
        templates = read_yaml(path)
    except UserError as error:
        raise UserError(f"graph.templates: {error}") from error
    if not isinstance(templates, dict):
        raise UserError(f'graph.templates: {path} must contain lines such as IsA: "{{start}} is a {{end}}."')
    relations = _bundled(ENGLISH)
    for relation, template in templates.items():
        if not isinstance(relation, str) or relation not in relations:
            near = nearest(str(relation), relations)
            hint = f"; did you mean {near}?" if near else ""
            raise UserError(f"graph.templates: {path}, {relation}: ConceptNet has no such relation{hint}")
        if not _is_template(template):
            raise UserError(
                f"graph.templates: {path}, {relation}: a template is text with {{start}} and {{end}}, not {template!r}"
            )
    return {relation: clean_line(template) for relation, template in templates.items()}


def _is_template(template: object) -> bool:
    """Whether it is one line of text with plain {start} and {end}, once each."""
    if not isinstance(template, str):
        return False
    try:
        parts = list(Formatter().parse(template))
    except ValueError:  # a brace without its pair
        return False
    fields = [(name, spec, conversion) for _, name, spec, conversion in parts if name is not None]
    once_each = len(fields) == 2 and set(fields) == {("start", "", None), ("end", "", None)}
    return once_each and len(template.splitlines()) == 1
