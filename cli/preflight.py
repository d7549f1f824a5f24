"""The table of what recipes need from elsewhere, shown before anything is downloaded."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..workspace.errors import UserError
from ..workspace.formatting import format_size
from .console import Terminal
from .runs import Failures

if TYPE_CHECKING:
    from ..recipes.preflight import Source
    from ..recipes.schema import Recipe


class Preflight:
    """What each run of a command needs, and which runs cannot start because something cannot be had."""

    def __init__(self, runs: "Sequence[tuple[str, Recipe]]", workspace: Path) -> None:
        from ..recipes.preflight import check_sources, unusable_sources
        from .steps import prepared_data

        self._labels = [label for label, _ in runs]
        self._errors: dict[str, UserError] = {}
        self._languages = len({recipe.language for _, recipe in runs})
        self._rows: dict[tuple[str, Source], None] = {}  # by language; runs of a grid share some
        for label, recipe in runs:
            try:
                corpus = prepared_data(recipe, workspace).corpus
                sources = check_sources(recipe, workspace, corpus, finished_parts(recipe, workspace))
            except UserError as error:
                self._errors[label] = error
                continue
            self._rows |= dict.fromkeys((recipe.language, source) for source in sources)
            if problems := unusable_sources(sources):
                self._errors[label] = UserError(problems)

    def show(self, terminal: Terminal) -> None:
        """Print the table, unless everything is local or finished."""
        if all(source.state in ("local", "finished") for _, source in self._rows):
            return
        rows = []
        for language, source in self._rows:
            part = source.part if self._languages == 1 else f"{language} {source.part}"
            note = "" if source.state == "unreachable" else source.note  # the error below says why, once
            rows.append((part, source.place, source.state, format_size(source.size), source.licence, note))
        columns = ("part", "place", "state", "size", "licence", "note")
        if not any(row[-1] for row in rows):
            columns, rows = columns[:-1], [row[:-1] for row in rows]
        terminal.table("Needed from elsewhere", columns, rows)

    def refuses(self, label: str) -> bool:
        """Whether the run cannot start."""
        return label in self._errors

    def require(self, label: str) -> None:
        """Raise a UserError where the run cannot start."""
        if label in self._errors:
            raise self._errors[label]

    def finish(self, result: dict[str, Any], terminal: Terminal, failures: Failures) -> None:
        """End a command that only looks: its result with the table, then the errors of runs that could not start."""
        single = len(self._labels) == 1
        for label in () if single else self._labels:
            if not failures.has(label):
                with failures.collect(label):
                    self.require(label)
        terminal.result(result | self.as_json | failures.as_json)
        if single:
            self.require(self._labels[0])
        failures.raise_if_any()

    @property
    def as_json(self) -> dict[str, Any]:
        """The table as an entry of a command's --json object."""
        records = [{"language": language} | asdict(source) for language, source in self._rows]
        return {"sources": records}


def finished_parts(recipe: "Recipe", workspace: Path) -> set[str]:
    """The parts of a recipe that only finished artifacts need, and that need not be had any more."""
    from ..training.language_adapter import adapter_artifact
    from .evaluate import planned
    from .steps import prepared_data

    prepared = prepared_data(recipe, workspace)
    unfinished: set[str] = set()
    if prepared.corpus and not prepared.corpus.exists:
        unfinished |= {"corpus", *(recipe.eval.configured if recipe.corpus and recipe.corpus.drop_task_lines else ())}
    if prepared.graph and not prepared.graph.exists and not all(edges.exists for edges in prepared.graph.parents):
        unfinished.add("graph")
    if recipe.adapter.type != "none" and not adapter_artifact(recipe, workspace, prepared).exists:
        unfinished.add("base")
    for measurement in planned(recipe, workspace, None):
        if not measurement.artifact.exists:
            unfinished |= {"base", measurement.task}
    return {"base", "corpus", "graph", *recipe.eval.configured} - unfinished


def say_skipped(terminal: Terminal, recipes: "Iterable[Recipe]", workspace: Path) -> None:
    """One line for each task that a data set lacks in a recipe's language."""
    from ..recipes.availability import skipped_tasks
    from .steps import prepared_data

    lines: dict[str, None] = {}
    for recipe in recipes:
        with suppress(UserError):  # reported when it is this recipe's turn
            skipped = skipped_tasks(recipe, prepared_data(recipe, workspace).corpus)
            lines |= dict.fromkeys(map(str, skipped.values()))
    for line in lines:
        terminal.say(line)
