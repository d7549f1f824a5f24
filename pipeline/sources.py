"""What a run still needs from elsewhere: local files, the hub, other servers."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..recipes.loading import check_files
from ..recipes.schema import Recipe
from ..workspace.errors import UserError
from .prepared import prepared_data

if TYPE_CHECKING:
    from ..eval.measurements import Measurement


def check_local_files(recipe: Recipe, workspace: Path, adapter: Path | None = None) -> None:
    """Raise one UserError that lists all missing local files which an unfinished artifact needs."""
    try:
        check_files(recipe)
    except UserError:
        check_files(recipe, finished_parts(recipe, workspace, adapter))


def finished_parts(recipe: Recipe, workspace: Path, adapter: Path | None = None) -> set[str]:
    """The parts of a recipe (base, corpus, graph, and tasks by name) that only finished artifacts need.

    `adapter` is the folder of the adapter that is evaluated, where that is not the recipe's own.
    """
    from ..eval.measurements import measurements
    from ..training.artifacts import adapter_artifact

    try:
        prepared = prepared_data(recipe, workspace)
        trained = None if recipe.adapter.type == "none" else adapter_artifact(recipe, workspace, prepared)
        measured = measurements(recipe, workspace, prepared, adapter or trained)
        unfinished_tasks = {each.task for each in measured if not _is_finished(each)}
    except UserError:  # files of the data itself are missing
        return set()
    unfinished = unfinished_tasks | ({"base"} if unfinished_tasks else set())
    if prepared.corpus and not prepared.corpus.exists:
        unfinished |= {"corpus", *(recipe.eval.configured if recipe.corpus and recipe.corpus.drop_task_lines else ())}
    if prepared.graph and not prepared.graph.exists and not all(edges.exists for edges in prepared.graph.parents):
        unfinished.add("graph")
    if trained and not trained.exists:
        unfinished.add("base")
    return {"base", "corpus", "graph", *recipe.eval.configured} - unfinished


def _is_finished(measurement: "Measurement") -> bool:
    """Whether the scores exist; False as well where files of the task are missing."""
    try:
        return measurement.artifact.exists
    except UserError:
        return False
