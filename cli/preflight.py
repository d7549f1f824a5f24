"""The table of the models and data that recipes need, shown before anything is downloaded."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..workspace.formatting import format_size
from .console import Terminal
from .steps import failed_json

if TYPE_CHECKING:
    from ..pipeline.steps import Plan
    from ..recipes.preflight import Source


def show_sources(terminal: Terminal, plan: "Plan") -> None:
    """Print which models and data the runs need, unless everything is local or finished."""
    if all(source.state in ("local", "finished") for _, source in plan.sources):
        return
    single_language = len({recipe.language for recipe in plan.runs.values()}) == 1
    languages: dict[Source, list[str]] = {}  # that need it: a base or a graph is the same for many
    for language, source in plan.sources:
        languages.setdefault(source, []).append(language)
    rows = []
    for source, needed_by in languages.items():
        of_languages = needed_by[0] if len(needed_by) == 1 else f"{len(needed_by)} languages:"
        part = source.part if single_language else f"{of_languages} {source.part}"
        note = "" if source.state == "unreachable" else source.note  # the error below says why, once
        rows.append((part, source.place, source.state, format_size(source.size), source.licence, note))
    columns = ("part", "place", "state", "size", "licence", "note")
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    terminal.table("Required models and data", columns, rows)


def finish_planning(terminal: Terminal, plan: "Plan", result: dict[str, Any]) -> None:
    """End a command that only plans: models and data, notes, the JSON object, the errors of runs that cannot start."""
    show_sources(terminal, plan)
    plan.say_notes(terminal)
    refusals = plan.refusals()
    terminal.result(result | sources_json(plan) | failed_json(refusals))
    refusals.raise_if_failed("cannot start")


def sources_json(plan: "Plan") -> dict[str, Any]:
    """The table as an entry of a command's --json object."""
    return {"sources": [{"language": language} | asdict(source) for language, source in plan.sources]}
