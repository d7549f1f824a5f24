"""The fields of a recipe that hold paths and addresses: finding them, and filling in variables and language codes."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, get_origin

from pydantic import BaseModel

from ..workspace.downloads import public_address
from ..workspace.locations import exists
from .evaluation import TASKS
from .field_types import LocationMark, annotation_parts
from .languages import UnknownLanguageError, find_language
from .schema import Recipe
from .validation_messages import section_of
from .yaml_files import BUNDLED

SAMPLE_ONLY = "the bundled sample data are in Swahili (swh_Latn) only"
VARIABLE = re.compile(r"\$\{(\w+)\}")
TRANSFERRED = re.compile(r"eval\.(.*\.transfer_(train|validation)|transfer_adapter)")


def fill_placeholders(raw: dict[str, Any]) -> list[str]:
    """Replace `${VAR}`, `{recipes}` and the languages' codes in every location of a merged raw recipe.

    Returns the problems with them, each with its field in front.
    """
    language_codes = codes(str(raw.get("language")))
    evaluation = raw.get("eval")
    source = evaluation.get("transfer_from") if isinstance(evaluation, dict) else None
    source_codes = codes(str(source)) if source else language_codes
    if isinstance(evaluation, dict) and source:
        _copy_training_files(evaluation)
    problems: list[str] = []
    for dotted, section, key in location_fields(raw, Recipe):
        transferred = TRANSFERRED.fullmatch(dotted) is not None
        skippable = section.get("skip_missing") is True and not transferred
        filler = _Filler(dotted, source_codes if transferred else language_codes, skippable=skippable)
        section[key] = each_string(section[key], filler.fill)
        problems += filler.problems
    about_samples = [problem for problem in problems if SAMPLE_ONLY in problem]
    return [problem for problem in problems if problem not in about_samples[1:]]  # one says it for all sample files


class _Filler:
    """Fills in the placeholders of one field, and collects the problems with them.

    A code that the language does not have is left in place where the field's task is `skippable`: see availability.py.
    """

    def __init__(self, field: str, values: Mapping[str, str], *, skippable: bool) -> None:
        self._field = field
        self._values = values
        self._skippable = skippable
        self.problems: list[str] = []

    def fill(self, text: str) -> str:
        """A location with its placeholders replaced."""
        for variable in VARIABLE.findall(text):
            if variable not in os.environ:
                self.problems.append(f"{self._field}: the environment variable {variable} is not set (in {text})")
        filled = VARIABLE.sub(lambda match: os.environ.get(match[1], ""), text)
        for name, value in self._values.items():
            if value or not self._skippable:
                filled = self._replace(filled, name, value)
        language = self._values.get("language")  # None if unknown, which the schema reports
        if language and "{recipes}" in text and "{language}" in text and not exists(filled):
            self.problems.append(f"{self._field}: {SAMPLE_ONLY}; for {language} use another recipe, such as mbert")
        return filled

    def _replace(self, text: str, name: str, value: str) -> str:
        if f"{{{name}}}" in text and not value:
            section = self._field.rpartition(".")[0]
            language = self._values["language"]
            self.problems.append(
                f"{self._field}: {language} has no {name} code; remove this section with --set {section}=null"
            )
        return text.replace(f"{{{name}}}", value)


def _copy_training_files(evaluation: dict[str, Any]) -> None:
    """Let tasks without files in the source language of a transfer use `train` and `validation`, with its codes."""
    others = evaluation.get("others")
    tasks = {name: evaluation.get(name) for name in TASKS} | (others if isinstance(others, dict) else {})
    chosen = evaluation.get("tasks")
    for name, task in tasks.items():
        if not isinstance(task, dict) or (isinstance(chosen, list) and chosen and name not in chosen):
            continue
        for split in ("train", "validation"):
            if task.get(f"transfer_{split}") is None and task.get(split) is not None:
                task[f"transfer_{split}"] = task[split]


def codes(language: str) -> dict[str, str]:
    """The values of `{recipes}` and of the codes of a language in paths; "" for a code that the language lacks."""
    values = {"recipes": str(BUNDLED)}
    try:
        entry = find_language(language)
    except UnknownLanguageError:  # reported by the schema
        return values
    values |= {"language": entry.code, "glotcc": entry.glotcc, "conceptnet": entry.conceptnet}
    values |= {"iso": entry.iso, "macro": entry.macro}
    return values | {"wikiann": entry.wikiann, "sentiment": entry.sentiment}


def each_string(value: Any, change: Callable[[str], str]) -> Any:
    """`value` with `change` applied to it, or to the strings in a list; other types are for the schema to refuse."""
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
        elif _is_location(model, key) and isinstance(raw[key], dict):  # locations by language
            yield from ((f"{above}{key}.{name}", raw[key], name) for name in raw[key])
        elif _is_location(model, key):
            yield f"{above}{key}", raw, key


def public_settings(recipe: Recipe) -> dict[str, Any]:
    """The resolved recipe, JSON-ready, to show or pass on: without the user, password and query of its addresses.

    These may be secrets, filled in from environment variables.
    """
    settings = recipe.model_dump(mode="json")
    for _, section, key in location_fields(settings, Recipe):
        section[key] = each_string(section[key], public_address)
    return settings


@cache
def _is_location(model: type[BaseModel], key: str) -> bool:
    """Whether a field holds paths, perhaps as one of several types."""
    field = model.model_fields[key]
    return any(isinstance(part, LocationMark) for part in (*field.metadata, *annotation_parts(field.annotation)))
