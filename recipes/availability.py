"""Find the tasks of a recipe without data in its language, which are skipped instead of stopping the run.

Only data on the hub that a task file or a bundled recipe names for all languages (`skip_missing`) may be missing.
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
"""A placeholder that loading left in place because the language has no such code."""
SKIPPED_TASKS = "skipped_tasks"
"""Key of the facts in the manifest of a corpus: reasons by task."""


@dataclass(frozen=True)
class Skipped:
    """A task whose data set lacks the recipe's language."""

    task: str
    reason: str
    """For example: SIB-200 has no bre_Latn."""

    def __str__(self) -> str:
        if self.task == "mlm":
            return f"mlm: {self.reason}; the prepared test split is scored instead"
        return f"{self.task}: skipped, {self.reason}"


def missing_data(recipe: Recipe) -> dict[str, str]:
    """The tasks (and mlm) without data in the recipe's language, with the reasons, as the hub says now.

    Asks for one listing per folder (see `hub.list_folder`). If the hub cannot be reached, no task counts as missing.
    """
    settings, reasons = recipe.eval, {}
    for name in settings.configured:
        section = settings.mlm if name == "mlm" else settings.with_data[name]
        if section.skip_missing and (reason := _why_missing(section, recipe)):
            reasons[name] = reason
    return reasons


def skipped_tasks(recipe: Recipe, corpus: Artifact | None) -> dict[str, Skipped]:
    """The tasks without data in the recipe's language, by name; for mlm only the files are skipped.

    Decided once, when the corpus is prepared: so the scores do not depend on the network, and data that the hub adds
    later, whose sentences may be in the corpus, are not scored. Raises UserError for a task that `eval.tasks` names.
    """
    recorded = None
    if corpus is not None and corpus.exists and recipe.corpus is not None and recipe.corpus.drop_task_lines:
        recorded = corpus.manifest()["facts"].get(SKIPPED_TASKS)
    reasons: dict[str, str] = missing_data(recipe) if recorded is None else recorded
    for name in recipe.eval.tasks or []:
        if name != "mlm" and name in reasons:
            raise UserError(f"{field_of(name)}: {reasons[name]}; remove {name} from eval.tasks (--task)")
    return {name: Skipped(name, reason) for name, reason in reasons.items() if name in recipe.eval.configured}


def tasks_to_run(recipe: Recipe, skipped: Collection[str]) -> list[str]:
    """The tasks to score (mlm is one), without repeats and without those `skipped`."""
    settings = recipe.eval
    left_out = set(skipped) - {"mlm"}
    return [name for name in dict.fromkeys(settings.tasks or settings.configured) if name not in left_out]


def sentence_settings(recipe: Recipe, skipped: Collection[str]) -> PseudoPerplexity:
    """`eval.mlm`, without its files if mlm is among the `skipped`."""
    return recipe.eval.mlm.model_copy(update={"files": []}) if "mlm" in skipped else recipe.eval.mlm


def _why_missing(section: Task | PseudoPerplexity, recipe: Recipe) -> str:
    """The reason (SIB-200 has no bre_Latn); "" if the data set has the language or the hub cannot be asked."""
    language = find_language(recipe.language)
    for locations in _in_own_language(section, recipe.eval):
        reasons = [_why_location_missing(location, section.dataset, language) for location in alternatives(locations)]
        if all(reasons):
            return reasons[0]
    return ""


def _in_own_language(section: Task | PseudoPerplexity, settings: Eval) -> Iterator[str | list[str]]:
    """The locations of a task that are read and hold data in the recipe's language."""
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
        # Any other missing part means that the layout of the data set is different: an error, reported later.
        codes = (language.code, language.iso, language.macro, language.glotcc, language.wikiann, language.conceptnet)
        if error.missing in codes:
            return f"{dataset or error.repo} has no {error.missing}"
    except UserError:  # the hub cannot be reached or refuses: reported where the file is read
        pass
    return ""
