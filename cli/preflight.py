"""The table of what recipes need from elsewhere, shown before anything is downloaded."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..recipes.errors import UserError
from .console import Terminal

if TYPE_CHECKING:
    from ..recipes.preflight import Source
    from ..recipes.schema import Recipe


class Preflight:
    """What each run of a command needs, and which runs cannot start because something cannot be had."""

    def __init__(self, runs: "Sequence[tuple[str, Recipe]]", workspace: Path) -> None:
        from ..recipes.preflight import check_sources, unusable_sources

        self._errors: dict[str, UserError] = {}
        self._languages = len({recipe.language for _, recipe in runs})
        self._rows: dict[tuple[Any, ...], tuple[str, Source]] = {}
        for label, recipe in runs:
            try:
                finished = finished_parts(recipe, workspace)
                sources = check_sources(recipe, workspace, finished)
            except UserError as error:
                self._errors[label] = error
                continue
            for source in sources:
                self._rows.setdefault((recipe.language, source), (recipe.language, source))
            if problems := unusable_sources(sources):
                self._errors[label] = UserError(problems)

    def show(self, terminal: Terminal) -> None:
        """Print the table, unless everything is local or finished."""
        if all(source.state in ("local", "finished") for _, source in self._rows.values()):
            return
        rows = []
        for language, source in self._rows.values():
            part = source.part if self._languages == 1 else f"{language} {source.part}"
            rows.append((part, source.place, source.state, show_size(source.size), source.licence))
        columns = ("part", "place", "state", "size", "licence")
        terminal.table("Needed from elsewhere", columns, rows)

    def require(self, label: str) -> None:
        """Raise a UserError where the run cannot start."""
        if label in self._errors:
            raise self._errors[label]

    @property
    def as_json(self) -> dict[str, Any]:
        """The table as an entry of a command's --json object."""
        records = [{"language": language} | asdict(source) for language, source in self._rows.values()]
        return {"sources": records}


def finished_parts(recipe: "Recipe", workspace: Path) -> set[str]:
    """The parts of a recipe that only finished artifacts need, and that need not be had any more."""
    from .evaluate import planned
    from .steps import prepared_data

    prepared = prepared_data(recipe, workspace)
    unfinished: set[str] = set()
    if prepared.corpus and not prepared.corpus.exists:
        unfinished |= {"corpus", *(recipe.eval.configured if recipe.corpus and recipe.corpus.drop_task_lines else ())}
    if prepared.graph and not prepared.graph.exists and not all(edges.exists for edges in prepared.graph.parents):
        unfinished.add("graph")
    for measurement in planned(recipe, workspace, None):
        if not measurement.artifact.exists:
            unfinished |= {"base", measurement.task}
    return {"base", "corpus", "graph", *recipe.eval.configured} - unfinished


def show_size(size: int | None) -> str:
    """Bytes as people read them: 391 MB."""
    if size is None:
        return ""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} B"


def say_skipped(terminal: Terminal, recipes: "Iterable[Recipe]") -> None:
    """One line for each task that a data set lacks in a recipe's language."""
    from ..recipes.availability import skipped_tasks

    lines: dict[str, None] = {}
    for recipe in recipes:
        with suppress(UserError):  # reported when it is this recipe's turn
            lines |= dict.fromkeys(str(skipped) for skipped in skipped_tasks(recipe).values())
    for line in lines:
        terminal.say(line)
