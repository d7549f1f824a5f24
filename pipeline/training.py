"""Training adapters: here, in one process for each GPU, or in processes that another launcher started together."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import yaml

from ..recipes.loading import bundled_recipes
from ..recipes.schema import Recipe
from ..training import launch
from ..workspace.artifacts import Artifact, Prepared, finished_like
from ..workspace.errors import UserError
from ..workspace.library_logs import quiet_libraries
from ..workspace.progress import Progress
from .prepared import prepared_data

INPUTS = {
    "files": "the corpus files",
    "sources": "the sources of the text",
    "glotcc": "the sources of the text",
    "revision": "the sources of the text",
    "tasks": "the task data, whose texts are kept out of the corpus,",
    "identify": "the texts of corpus.identify",
    "templates": "the templates of the graph",
}
"""What the inputs of prepared data are, by their names in the artifact."""


@dataclass(frozen=True)
class TrainOptions:
    """Options for how an adapter is trained, which do not affect the result."""

    gpus: int | None = None
    """None: all visible ones."""
    resume: bool = True
    together: int = 1
    """Adapters to train at once in one process."""
    debug: bool = False
    """Processes that are started show the traceback of an error."""


@quiet_libraries()
def make_base(recipe: Recipe, workspace: Path, prepared: Prepared, progress: Progress) -> None:
    """Make the base with random weights unless it is finished."""
    from ..training.base import make_scratch_base

    make_scratch_base(recipe, workspace, prepared, progress)


@quiet_libraries()
def make_vocabulary(recipe: Recipe, workspace: Path, prepared: Prepared, progress: Progress) -> None:
    """Learn the recipe's new pieces unless that is finished."""
    from ..training.vocabulary.make import training_tokenizer

    training_tokenizer(recipe, workspace, prepared, progress)


@quiet_libraries()
def make_tokens(recipe: Recipe, workspace: Path, prepared: Prepared, progress: Progress) -> None:
    """Tokenise the recipe's text, graph or both with the base's tokenizer, unless that is finished."""
    from ..training.setup import make_tokens
    from ..training.vocabulary.make import training_tokenizer

    make_tokens(recipe, workspace, prepared, training_tokenizer(recipe, workspace, prepared, progress), progress)


def make_adapter(
    recipe: Recipe, workspace: Path, prepared: Prepared, artifact: Artifact, options: TrainOptions, progress: Progress
) -> Artifact:
    """Train the adapter unless it is finished, in as many processes as there are GPUs."""
    launch.join()
    finished = artifact.exists
    if not finished or launch.joined():
        count = launch.processes(options.gpus)
        if count > 1:
            _train_in_processes(count, recipe, workspace, options, progress)
        else:
            _train_here(recipe, workspace, prepared, options, progress)
    if launch.reports_result():
        progress.say(f"adapter: {'already finished, ' if finished else ''}{artifact.folder}")
    return artifact


def estimate_training(
    recipe: Recipe, workspace: Path, progress: Progress, *, gpus: int | None = None, suffix: str = ""
) -> dict[str, Any]:
    """Time and memory that training would take here on `gpus` GPUs (None: all visible ones), from a few steps.

    Empty for a finished adapter, or where something that it needs is not finished, which is said, with `suffix` behind
    it. Raises UserError when there are fewer GPUs.
    """
    from ..training.artifacts import adapter_artifact

    launch.join()
    processes = launch.processes(gpus)
    recipe = recipe.trained
    prepared = prepared_data(recipe, workspace)
    artifact = adapter_artifact(recipe, workspace, prepared)
    if artifact.exists:
        return {}
    missing = [
        parent.kind for parent in artifact.parents if parent.kind not in ("base", "vocabulary") and not parent.exists
    ]
    if missing:
        progress.say(f"time and memory can be estimated once this is finished: {', '.join(missing)}{suffix}")
        return {}
    from ..training.language_adapter import estimate

    with quiet_libraries():
        costs = estimate(recipe, workspace, prepared, progress, processes=processes)
        launch.leave()
    return costs


def require(artifacts: list[Artifact], command: str, recipe: Recipe) -> None:
    """Raise a UserError that names the command to run first, unless all artifacts are finished."""
    missing = [artifact for artifact in artifacts if not artifact.exists]
    if not missing:
        return
    bundled = recipe.name in bundled_recipes()
    words = f"`lrl-adapt {command} {recipe.name}`" if bundled else f"`lrl-adapt {command}`"
    options = "with the same options" if bundled else "with the same recipe and options"
    if changed := next(filter(None, map(_what_changed, missing)), ""):
        raise UserError(f"{changed}: run {words} again, {options}, or `lrl-adapt run` for all steps")
    kinds = list(dict.fromkeys(artifact.kind for artifact in missing))
    verb = "does" if len(kinds) == 1 else "do"
    raise UserError(f"{' and '.join(kinds)} for {recipe.language} {verb} not exist yet: first run {words} {options}")


def _what_changed(artifact: Artifact) -> str:
    """Which inputs changed since prepared data with the same settings were made; "" if there are none."""
    finished = finished_like(replace(artifact, inputs={}, parents=())) if artifact.kind in ("corpus", "graph") else {}
    if not finished:
        return ""
    folder = max(finished, key=lambda folder: finished[folder]["created"])
    before = finished[folder]["inputs"]
    changed = dict.fromkeys(what for name, what in INPUTS.items() if before.get(name) != artifact.inputs.get(name))
    if not changed and artifact.kind == "corpus":
        return ""
    return f"{' and '.join(changed) or 'the dump of the graph'} changed since {folder.name} was prepared"


@quiet_libraries()
def _train_here(recipe: Recipe, workspace: Path, prepared: Prepared, options: TrainOptions, progress: Progress) -> None:
    from ..training.language_adapter import train_adapter

    train_adapter(recipe, workspace, prepared, progress, resume=options.resume)
    launch.leave()


def _train_in_processes(count: int, recipe: Recipe, workspace: Path, options: TrainOptions, progress: Progress) -> None:
    progress.say(f"starting {count} processes, one per GPU")
    with _recipe_file(recipe, workspace) as file:
        words = ["train", str(file), "--workspace", str(workspace), "--resume", "auto" if options.resume else "never"]
        launch.start(count, [*words, *(["--debug"] if options.debug else [])])


@contextmanager
def _recipe_file(recipe: Recipe, workspace: Path) -> Iterator[Path]:
    """The resolved recipe as a file for the started processes; only the user may read it, for it may hold secrets."""
    with NamedTemporaryFile("w", dir=workspace, prefix=".recipe-", suffix=".yaml", encoding="utf-8") as file:
        yaml.safe_dump(recipe.model_dump(mode="json"), file, sort_keys=False, allow_unicode=True)
        file.flush()
        yield Path(file.name)
