"""The fields of a recipe that hold paths and addresses: finding them, and filling in variables and language codes."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ..workspace.downloads import public_address
from .evaluation import TASKS
from .field_types import LocationMark, annotation_parts
from .languages import UnknownLanguageError, find_language
from .schema import Recipe
from .validation_messages import section_of

BUNDLED = Path(__file__).parent
SAMPLE_ONLY = "the sample data that come along are in Swahili (swh_Latn) alone"
VARIABLE = re.compile(r"\$\{(\w+)\}")
TRANSFERRED = re.compile(r"eval\.(.*\.transfer_(train|validation)|transfer_adapter)")


def fill_placeholders(raw: dict[str, Any], problems: list[str]) -> None:
    """Replace `${VAR}`, `{recipes}` and the languages' codes in every location of a merged raw recipe."""
    values = codes(str(raw.get("language")))
    evaluation = raw.get("eval")
    source = evaluation.get("transfer_from") if isinstance(evaluation, dict) else None
    of_source = codes(str(source)) if source else values
    if isinstance(evaluation, dict) and source:
        _copy_training_files(evaluation)

    def fill(text: str, dotted: str, skippable: bool) -> str:
        def variable(match: re.Match[str]) -> str:
            if match[1] not in os.environ:
                problems.append(f"{dotted}: the environment variable {match[1]} is not set (in {text})")
            return os.environ.get(match[1], "")

        filled = VARIABLE.sub(variable, text)
        known = of_source if TRANSFERRED.fullmatch(dotted) else values
        for name, value in known.items():
            if f"{{{name}}}" in filled and not value:
                if skippable:
                    continue  # the task will be skipped: see availability.py
                section = dotted.rpartition(".")[0]
                problems.append(
                    f"{dotted}: no {name} code is known for the language; leave it out: --set {section}=null"
                )
            filled = filled.replace(f"{{{name}}}", value)
        if (
            "{recipes}" in text
            and "{language}" in text
            and not Path(filled).exists()
            and not any(SAMPLE_ONLY in line for line in problems)
        ):
            problems.append(f"{dotted}: {SAMPLE_ONLY}; for {values.get('language')} use another recipe, such as mbert")
        return filled

    for dotted, section, key in location_fields(raw, Recipe):
        skippable = section.get("skip_missing") is True and not TRANSFERRED.fullmatch(dotted)
        section[key] = each_string(
            section[key], lambda text, dotted=dotted, skippable=skippable: fill(text, dotted, skippable)
        )


def _copy_training_files(evaluation: dict[str, Any]) -> None:
    """Name the tasks' files of the other language as their own ones are, that language's codes still to come."""
    own = evaluation.get("others")
    tasks = {name: evaluation.get(name) for name in TASKS} | (own if isinstance(own, dict) else {})
    chosen = evaluation.get("tasks")
    for name in tasks:
        task: Any = tasks[name] if name in (chosen if isinstance(chosen, list) and chosen else tasks) else None
        for split in ("train", "validation") if isinstance(task, dict) else ():
            if task.get(f"transfer_{split}") is None and task.get(split) is not None:
                task[f"transfer_{split}"] = task[split]


def codes(language: str) -> dict[str, str]:
    """What stands for `{recipes}` and for the codes of a language in paths."""
    values = {"recipes": str(BUNDLED)}
    try:
        known = find_language(language)
    except UnknownLanguageError:  # reported by the schema
        return values
    values |= {"language": known.code, "glotcc": known.glotcc, "conceptnet": known.conceptnet}
    return values | {"wikiann": known.wikiann, "sentiment": known.sentiment}


def each_string(value: Any, change: Callable[[str], str]) -> Any:
    """`value` with `change` applied, if it is a string or a list of strings; anything else is the schema's to judge."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [change(item) if isinstance(item, str) else item for item in value]
    return value


def location_fields(raw: Any, model: type[BaseModel], above: str = "") -> Iterator[tuple[str, dict[str, Any], str]]:
    """(dotted path, mapping, key) of every location field present in a raw mapping."""
    if not isinstance(raw, dict):
        return
    for key, field in model.model_fields.items():
        if key not in raw:
            continue
        section = section_of(field.annotation)
        if section is not None and get_origin(field.annotation) is dict:
            for name in raw[key] if isinstance(raw[key], dict) else ():
                yield from location_fields(raw[key][name], section, f"{above}{key}.{name}.")
        elif section is not None:
            yield from location_fields(raw[key], section, f"{above}{key}.")
        elif _is_location(field):
            yield f"{above}{key}", raw, key


def public_settings(recipe: Recipe) -> dict[str, Any]:
    """The resolved recipe, JSON-ready, to show or pass on: without the user, password and query of its addresses.

    These may be secrets, filled in from environment variables.
    """
    settings = recipe.model_dump(mode="json")
    for _, section, key in location_fields(settings, Recipe):
        section[key] = each_string(section[key], public_address)
    return settings


def _is_location(field: FieldInfo) -> bool:
    """Whether a field holds paths, perhaps as one of several types."""
    return any(isinstance(part, LocationMark) for part in (*field.metadata, *annotation_parts(field.annotation)))
