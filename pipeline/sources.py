"""What a run still needs from elsewhere: local files, the hub, other servers."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..recipes.loading import check_files
from ..recipes.preflight import Source, check_sources
from ..recipes.schema import Recipe
from ..workspace.artifacts import Artifact, Prepared
from ..workspace.errors import UserError
from .prepared import prepared_data, trained_adapter

if TYPE_CHECKING:
    from ..eval.measurements import Measurement


def check_local_files(recipe: Recipe, workspace: Path, adapter: Path | None = None) -> None:
    """Raise one UserError that lists all missing local files which an unfinished artifact needs.

    `adapter` is the folder of the adapter that is evaluated, where that is not the recipe's own.
    """
    try:
        check_files(recipe)
    except UserError:
        check_files(recipe, finished_parts(recipe, workspace, adapter))
    if adapter is None and recipe.trained is not recipe:
        check_files(recipe.trained, _finished_for_training(recipe.trained, workspace))


def sources_of(recipe: Recipe, workspace: Path) -> list[tuple[str, Source]]:
    """By language, what the run needs from elsewhere."""
    corpus = prepared_data(recipe, workspace).corpus
    sources = check_sources(recipe, workspace, corpus, finished_parts(recipe, workspace))
    of_run = [(recipe.language, source) for source in sources]
    trained = recipe.trained
    if trained is not recipe:
        corpus = prepared_data(trained, workspace).corpus
        sources = check_sources(trained, workspace, corpus, _finished_for_training(trained, workspace))
        of_run += [(trained.language, source) for source in sources]
    return of_run


def finished_parts(recipe: Recipe, workspace: Path, adapter: Path | None = None) -> set[str]:
    """The parts of a recipe (base, corpus, graph, and tasks by name) that only finished artifacts need.

    `adapter` is the folder of the adapter that is evaluated, where that is not the recipe's own.
    """
    from ..eval.measurements import measurements

    try:
        prepared = prepared_data(recipe, workspace)
        trained = trained_adapter(recipe, workspace, prepared)
        measured = measurements(recipe, workspace, prepared, adapter or trained)
        unfinished_tasks = {measurement.task for measurement in measured if not _is_finished(measurement)}
    except UserError:  # files of the data itself are missing
        return set()
    unfinished = unfinished_tasks | ({"base"} if unfinished_tasks else set())
    return _parts(recipe) - unfinished - _unfinished_for_training(recipe, prepared, trained)


def _finished_for_training(recipe: Recipe, workspace: Path) -> set[str]:
    """Like `finished_parts`, for a recipe whose adapter is trained and whose tasks are not scored."""
    try:
        prepared = prepared_data(recipe, workspace)
        trained = trained_adapter(recipe, workspace, prepared)
    except UserError:
        return set()
    return _parts(recipe) - _unfinished_for_training(recipe, prepared, trained)


def _parts(recipe: Recipe) -> set[str]:
    return {"base", "corpus", "graph", *recipe.eval.configured}


def _unfinished_for_training(recipe: Recipe, prepared: Prepared, trained: Artifact | None) -> set[str]:
    """The parts that the data and the adapter need which do not exist yet."""
    unfinished: set[str] = set()
    if prepared.corpus and not prepared.corpus.exists:
        unfinished |= {"corpus", *(recipe.eval.configured if recipe.corpus and recipe.corpus.drop_task_lines else ())}
    if prepared.graph and not prepared.graph.exists and not all(edges.exists for edges in prepared.graph.parents):
        unfinished.add("graph")
    if trained and not trained.exists:
        unfinished.add("base")
    return unfinished


def _is_finished(measurement: "Measurement") -> bool:
    """Whether the scores exist; False as well where files of the task are missing."""
    try:
        return measurement.artifact.exists
    except UserError:
        return False
