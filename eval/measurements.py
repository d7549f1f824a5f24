"""What is to be measured: each task on the base and on the adapter, with each seed, and the artifact of its scores.

Described without loading torch or transformers; `evaluator` makes the scores.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..recipes.availability import Skipped, sentence_settings, skipped_tasks, tasks_to_run
from ..recipes.evaluation import PseudoPerplexity, Task
from ..recipes.schema import Recipe
from ..recipes.splits import TASK_SPLIT_VERSION
from ..recipes.task_files import sentence_inputs, task_inputs
from ..recipes.task_kinds import WORD_KINDS
from ..recipes.training import TaskTraining
from ..training.artifacts import base_identity, base_name, scratch_artifact
from ..workspace.artifacts import Artifact, Prepared, file_hash, local_names, resolve_inputs
from ..workspace.errors import UserError
from ..workspace.locations import alternatives
from ..workspace.new_folder import require_folder
from .scores import BASE, SCORES_FILE, Score, is_control, read_scores

FILES = {"train", "validation", "test", "file", "transfer_train", "transfer_validation"}
NOT_SCORED = FILES | {"dataset", "skip_missing", "training"}  # of a task
WEIGHTS = ("*.safetensors", "adapter_model.bin")
NO_TRAINED_HEAD = "the base has no trained LM head"
# Raise it when the same adapter and data give other scores, or scores should get a new metric, so that those made
# before are not reused.
SCORES_CACHE_VERSION = 5
TAGS_CACHE_VERSION = 6  # of tasks whose words have labels
LABELS_WORDS = {"topic": False, "sentiment": False, "ner": True}  # of the tasks with a name of their own
ADAPTER_FILES = ("*.json", *WEIGHTS)


def measurements(
    recipe: Recipe, workspace: Path, prepared: Prepared, adapter: Artifact | Path | None
) -> "list[Measurement]":
    """The recipe's tasks, each on the base and on `adapter` if given, with each seed; made or not.

    `adapter` is the recipe's own, or the folder of any other for this base. A new LM head that was not trained gets no
    pseudo-perplexity.
    """
    return [
        Measurement(recipe, workspace, prepared, system, task, seed)
        for task in tasks_to_run(recipe, skipped_tasks(recipe, prepared.corpus))
        for system in (None, *([adapter] if adapter else []))
        if task != "mlm" or _has_trained_head(recipe, system)
        for seed in (recipe.eval.seeds if task != "mlm" else [None])
    ]


def _has_trained_head(recipe: Recipe, adapter: Artifact | Path | None) -> bool:
    """Whether the LM head of a system was trained, with the base or with the adapter."""
    is_untrained = adapter is None or (isinstance(adapter, Artifact) and recipe.control == "untrained")
    return not (recipe.base.new_head and is_untrained)


@dataclass(frozen=True)
class Measurement:
    """One task, one system (None: the base), one seed (None where nothing is trained)."""

    recipe: Recipe
    workspace: Path
    prepared: Prepared
    adapter: Artifact | Path | None
    task: str
    seed: int | None

    @property
    def system(self) -> str:
        """base, the adapter's type and source or the control, or the name of a folder that is not the recipe's."""
        if isinstance(self.adapter, Path):
            name = self.adapter.resolve().name
            return name if name != BASE else f"{name} (adapter)"
        return self.recipe.system if self.adapter else BASE

    def read_scores(self) -> list[Score]:
        """The finished scores."""
        scores = read_scores(self.artifact.folder / SCORES_FILE)
        # the first version of scores.json did not record the language that a task was learnt in
        return [replace(score, transfer_from=self.learnt_in) for score in scores]

    @cached_property
    def artifact(self) -> Artifact:
        """The scores; where local files of the task are missing, finished ones (see `resolve_inputs`).

        Raises UserError where these do not exist either.
        """
        scratch = scratch_artifact(self.recipe, self.workspace, self.prepared)
        inputs: dict[str, Any] = {"base": base_identity(self.recipe.base)}
        files: dict[str, Callable[[], Any]] = {}
        trained = self.adapter if isinstance(self.adapter, Artifact) else None
        parents = tuple(parent for parent in (scratch, trained) if parent)
        if isinstance(self.adapter, Path):
            inputs["adapter"] = folder_hashes(self.adapter)
        version = SCORES_CACHE_VERSION
        if self.task == "mlm":
            settings = self.mlm
            unscored = {"files", "batch_tokens", "dataset", "skip_missing"}
            if settings.within_word_l2r:  # only false counts, so that scores made before it existed keep their keys
                unscored.add("within_word_l2r")
            section: dict[str, Any] = settings.model_dump(mode="json", exclude=unscored)
            if settings.files:
                files["files"] = lambda: sentence_inputs(settings)
            else:
                parents += (self.corpus,)
        else:
            task = self.labelled
            section = self.task_training.settings(tags=self._have_tags)
            section["precision"] = self.recipe.training.precision
            section |= task.artifact_settings(exclude=NOT_SCORED, exclude_defaults=True)
            if self._have_tags is not False:
                version = TAGS_CACHE_VERSION
            if task.file is not None:
                section["split"] = TASK_SPLIT_VERSION
            files["data"] = lambda: task_inputs(self.task, task)
            section |= self._transfer(inputs)
        section |= {"language": self.recipe.language, "task": self.task, "seed": self.seed, "system": self.system}
        if self.recipe.eval.limit is not None:  # absent otherwise, so that full scores keep their keys
            section["limit"] = self.recipe.eval.limit
        section["code"] = version
        system = self.system.replace("/", "-")
        if is_control(system):
            system = re.sub(r"\W+", "-", system)
        name = f"{self.task}-{base_name(self.recipe.base)}-{system}"
        root = self.workspace / "scores" / self.recipe.language
        return resolve_inputs(Artifact(root, name, "scores", section, inputs, parents, self._local_files), files)

    @property
    def _have_tags(self) -> bool | None:
        """Whether words have labels, and not texts; None where that is known only once the files are read."""
        if self.labelled.kind is not None:
            return self.labelled.kind in WORD_KINDS
        return LABELS_WORDS.get(self.task)

    def _transfer(self, inputs: dict[str, Any]) -> dict[str, Any]:
        settings = self.recipe.eval
        if settings.transfer_from is None:
            return {}
        if (folder := self.trained_on) is not None:
            inputs["transfer_adapter"] = folder_hashes(folder)
        return {"transfer_from": settings.transfer_from}

    @property
    def learnt_in(self) -> str | None:
        """The language that the task is learnt in where it is another one."""
        return None if self.task == "mlm" else self.recipe.eval.transfer_from

    @cached_property
    def skipped(self) -> dict[str, Skipped]:
        """The tasks without data in the recipe's language."""
        return skipped_tasks(self.recipe, self.prepared.corpus)

    @property
    def mlm(self) -> PseudoPerplexity:
        """`eval.mlm`, without files that the hub does not have in the language."""
        return sentence_settings(self.recipe, self.skipped)

    @property
    def labelled(self) -> Task:
        """The settings of a task that is learnt."""
        return self.recipe.eval.learnt(self.task)

    @property
    def task_training(self) -> TaskTraining:
        """The settings with which a task is learnt."""
        return self.recipe.eval.training_of(self.task)

    @property
    def locations(self) -> list[str | list[str]]:
        """The files that the scores come from; none where the corpus's test split is scored."""
        if self.task == "mlm":
            return list(self.mlm.files)
        task = self.labelled
        return [place for place in (task.train, task.validation, task.test, task.file) if place]

    @property
    def _local_files(self) -> tuple[str, ...]:
        return local_names(dict.fromkeys(place for places in self.locations for place in alternatives(places)))

    @property
    def corpus(self) -> Artifact:
        """The corpus whose test split is scored. Raises UserError where the recipe has none."""
        if self.prepared.corpus is None:
            raise UserError("eval.mlm: no text to score: name eval.mlm.files, or add a corpus to the recipe")
        return self.prepared.corpus

    @property
    def adapter_folder(self) -> Path | None:
        """Of the language adapter that is measured; None for the base."""
        return self.adapter.folder if isinstance(self.adapter, Artifact) else self.adapter

    @property
    def trained_on(self) -> Path | None:
        """The language adapter under the task adapter while that is trained."""
        settings = self.recipe.eval
        if settings.transfer_from is None:
            return self.adapter_folder
        folder = settings.transfer_adapter
        return Path(folder) if folder is not None and self.adapter is not None else None


def folder_hashes(folder: Path) -> dict[str, str]:
    """Content hashes of an adapter's folder. Raises UserError where there is none."""
    require_folder(folder)
    files = sorted({file for pattern in ADAPTER_FILES for file in folder.glob(pattern) if file.name != "manifest.json"})
    if (folder / "task.json").is_file():
        raise UserError(f"{folder} is a task adapter; expected a language adapter, as `lrl-adapt train` writes it")
    if not any(file.suffix != ".json" for file in files):
        raise UserError(f"{folder} contains no adapter: expected a .safetensors file, or {WEIGHTS[1]}")
    return {file.name: file_hash(file) for file in files}
