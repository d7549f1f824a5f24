"""Which tasks of a recipe have no data in its language, so that they are skipped instead of stopping the run.

This concerns data on the hub that a task file or a bundled recipe names for all languages at once (`skip_missing`).
Files and tasks that the user names must exist.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ..workspace.artifacts import Artifact
from ..workspace.errors import UserError
from ..workspace.hub_files import NotOnHubError, find_hub_files
from ..workspace.locations import alternatives
from .evaluation import Eval, PseudoPerplexity, Task
from .languages import Language, find_language
from .schema import Recipe
from .splits import SPLITS
from .task_files import field_of

UNKNOWN_CODE = re.compile(r"\{(language|glotcc|conceptnet|wikiann|sentiment)\}")
"""A placeholder that loading left, since the language has no such code."""
SKIPPED_TASKS = "skipped_tasks"
"""Fact in a corpus's manifest: reasons by task."""


@dataclass(frozen=True)
class Skipped:
    """A task that the data set of a recipe does not have in the recipe's language."""

    task: str
    reason: str
    """SIB-200 has no bre_Latn."""

    def __str__(self) -> str:
        if self.task == "mlm":
            return f"mlm: {self.reason}; the prepared test split is scored instead"
        return f"{self.task}: skipped, {self.reason}"


def missing_data(recipe: Recipe) -> dict[str, str]:
    """Why tasks (and mlm) have no data in the recipe's language, by name, as the hub says now.

    Asks for one listing of each folder (see `hub.list_folder`). Where the hub cannot be reached nothing is missing.
    """
    settings, reasons = recipe.eval, {}
    for name in settings.configured:
        section = settings.mlm if name == "mlm" else settings.with_data[name]
        if section.skip_missing and (reason := _why_missing(section, recipe)):
            reasons[name] = reason
    return reasons


def skipped_tasks(recipe: Recipe, corpus: Artifact | None) -> dict[str, Skipped]:
    """The tasks without data in the recipe's language, by name; with mlm, its files are left out, not the task.

    Decided once, when the recipe's corpus is made: what is scored does not depend on the network, and a task set that
    came later, whose lines are in the text, is not scored on it. Raises UserError for one that `eval.tasks` names.
    """
    recorded = None
    if corpus is not None and corpus.exists and recipe.corpus is not None and recipe.corpus.drop_task_lines:
        recorded = corpus.manifest()["facts"].get(SKIPPED_TASKS)
    reasons: dict[str, str] = missing_data(recipe) if recorded is None else recorded
    for name in recipe.eval.tasks or []:
        if name != "mlm" and name in reasons:
            raise UserError(f"{field_of(name)}: {reasons[name]}; leave {name} out of eval.tasks (--task)")
    return {name: Skipped(name, reason) for name, reason in reasons.items() if name in recipe.eval.configured}


def tasks_to_run(recipe: Recipe, skipped: Collection[str]) -> list[str]:
    """mlm and the tasks that are to be scored, each once, without those that are `skipped`."""
    settings = recipe.eval
    left_out = set(skipped) - {"mlm"}
    return [name for name in dict.fromkeys(settings.tasks or settings.configured) if name not in left_out]


def sentence_settings(recipe: Recipe, skipped: Collection[str]) -> PseudoPerplexity:
    """`eval.mlm`, without its files where mlm is among the `skipped`."""
    return recipe.eval.mlm.model_copy(update={"files": []}) if "mlm" in skipped else recipe.eval.mlm


def _why_missing(section: Task | PseudoPerplexity, recipe: Recipe) -> str:
    """SIB-200 has no bre_Latn; "" where the data set has the language, or that cannot be told."""
    language = find_language(recipe.language)
    for locations in _in_own_language(section, recipe.eval):
        reasons = [_why_location_missing(location, section.dataset, language) for location in alternatives(locations)]
        if all(reasons):
            return reasons[0]
    return ""


def _in_own_language(section: Task | PseudoPerplexity, settings: Eval) -> Iterator[str | list[str]]:
    """The locations of a task that hold data in the recipe's language and are read."""
    if isinstance(section, PseudoPerplexity):
        yield from section.files
        return
    splits = ("file", "test") if settings.transfer_from else ("file", *SPLITS)
    yield from (location for split in splits if (location := getattr(section, split)) is not None)


def _why_location_missing(location: str, dataset: str, language: Language) -> str:
    if not location.startswith("hf://"):
        return ""
    if UNKNOWN_CODE.search(location):
        return f"{dataset or location} does not have {language.name}"
    try:
        find_hub_files(location)
    except NotOnHubError as error:
        # Any other part that is missing means that the data set is laid out differently, which is an error.
        if error.missing in (language.code, language.glotcc, language.wikiann, language.conceptnet):
            return f"{dataset or error.repo} has no {error.missing}"
    except UserError:  # the hub cannot be reached, or refuses: that is reported where the file is needed
        pass
    return ""
