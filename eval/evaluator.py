"""Evaluation: the base and the adapted model on each task, every score an artifact of its own."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from hashlib import sha256
from heapq import nsmallest
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from ..recipes.availability import Skipped, sentence_settings, skipped_tasks, tasks_to_run
from ..recipes.evaluation import PseudoPerplexity, Task
from ..recipes.examples import LIMITED, Account, reading_notes
from ..recipes.schema import Recipe
from ..recipes.task_files import label_origin, read_sentences, sentence_inputs, task_inputs
from ..training.adapters import load_adapter
from ..training.adapters.files import PICKLE
from ..training.base import base_identity, base_name, load_base, scratch_artifact
from ..training.mlm import MaskedLM
from ..training.precision import use_device
from ..training.tokens import read_texts
from ..workspace.artifacts import Artifact, Draft, Prepared, file_hash, write_json
from ..workspace.errors import UserError
from ..workspace.locations import hub_licences
from ..workspace.progress import QUIET, Progress, say_once
from .metrics import Metric
from .perplexity import count_truncated, from_row, median_perplexity
from .predictions import class_details, metrics_of, write_predictions
from .pseudo_likelihood import score_sentences
from .scores import BASE, SCORES_FILE, Score, read_scores, write_scores
from .task_data import read_task
from .task_eval import NO_TOKENS, TaskSetup, train_and_predict

FILES = {"train", "validation", "test", "file", "transfer_train", "transfer_validation"}
NOT_SCORED = FILES | {"dataset", "skip_missing"}  # of a task
LABELS_NAMED_BY = {
    "names": "the files",
    "file": "the files",
    "card": "the data set's card",
    "recipe": "the recipe; the files hold numbers without names, so the order was assumed",
    "none": "nobody: the files hold numbers",
}
ADAPTER_FILES = ("*.json", "*.safetensors", PICKLE)


def measurements(
    recipe: Recipe, workspace: Path, prepared: Prepared, adapter: Artifact | Path | None
) -> "list[Measurement]":
    """The recipe's tasks, each on the base and on `adapter` if given, with each seed; made or not.

    `adapter` is the recipe's own, or the folder of any other for this base.
    """
    return [
        Measurement(recipe, workspace, prepared, system, task, seed)
        for task in tasks_to_run(recipe, skipped_tasks(recipe, prepared.corpus))
        for system in (None, *([adapter] if adapter else []))
        for seed in (recipe.eval.seeds if task != "mlm" else [None])
    ]


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
        """base, the adapter's type and source, or the name of a folder that the recipe knows nothing of."""
        if isinstance(self.adapter, Path):
            name = self.adapter.resolve().name
            return name if name != BASE else f"{name} (adapter)"
        return f"{self.recipe.adapter.type}/{self.recipe.source}" if self.adapter else BASE

    def scores(self, progress: Progress = QUIET) -> list[Score]:
        """Read or make the scores."""
        artifact = self.artifact
        made = artifact.build(lambda draft: self._make(draft, progress), progress)
        if not made:
            progress.say(f"{self.task} of {self.system}: there already, {artifact.folder}")
        read = read_scores(artifact.folder / SCORES_FILE)
        return [replace(score, transfer_from=self._learnt_in) for score in read]  # the first schema did not tell

    @property
    def artifact(self) -> Artifact:
        """Where the scores lie, made or not."""
        scratch = scratch_artifact(self.recipe, self.workspace, self.prepared)
        inputs: dict[str, Any] = {"base": base_identity(self.recipe.base)}
        own = self.adapter if isinstance(self.adapter, Artifact) else None
        parents = tuple(parent for parent in (scratch, own) if parent)
        if isinstance(self.adapter, Path):
            inputs["adapter"] = folder_hashes(self.adapter)
        if self.task == "mlm":
            settings = self._mlm
            unscored = {"files", "batch_tokens", "dataset", "skip_missing"}
            section: dict[str, Any] = settings.model_dump(mode="json", exclude=unscored)
            if settings.files:
                inputs["files"] = sentence_inputs(settings)
            else:
                parents += (self._corpus,)
        else:
            task = self._labelled
            section = self.recipe.eval.training.settings(tags=self.task not in ("topic", "sentiment"))
            section["precision"] = self.recipe.training.precision
            section |= task.artifact_settings(exclude=NOT_SCORED, exclude_defaults=True)
            inputs["data"] = task_inputs(self.task, task)
            section |= self._transfer(inputs)
        section |= {"language": self.recipe.language, "task": self.task, "seed": self.seed, "system": self.system}
        if self.recipe.eval.limit is not None:  # absent otherwise, so that full scores keep their keys
            section["limit"] = self.recipe.eval.limit
        section["code"] = 5
        name = f"{self.task}-{base_name(self.recipe.base)}-{self.system.replace('/', '-')}"
        return Artifact(self.workspace / "scores" / self.recipe.language, name, "scores", section, inputs, parents)

    def _transfer(self, inputs: dict[str, Any]) -> dict[str, Any]:
        settings = self.recipe.eval
        if settings.transfer_from is None:
            return {}
        if (folder := self._trained_on) is not None:
            inputs["transfer_adapter"] = folder_hashes(folder)
        return {"transfer_from": settings.transfer_from}

    @property
    def _learnt_in(self) -> str | None:
        """The language that the task is learnt in where it is another one."""
        return None if self.task == "mlm" else self.recipe.eval.transfer_from

    @cached_property
    def _skipped(self) -> dict[str, Skipped]:
        return skipped_tasks(self.recipe, self.prepared.corpus)

    @property
    def _mlm(self) -> PseudoPerplexity:
        """`eval.mlm`, without files that the hub does not have in the language."""
        return sentence_settings(self.recipe, self._skipped)

    def _hub_files(self) -> dict[str, str]:
        """The files on the hub that the scores come from, at their commit, and the licence that their card states."""
        if self.task == "mlm":
            return hub_licences(self._mlm.files)
        task = self._labelled
        return hub_licences(location for location in (task.train, task.validation, task.test, task.file) if location)

    @property
    def _corpus(self) -> Artifact:
        if self.prepared.corpus is None:
            raise UserError("eval.mlm: no text to score: name eval.mlm.files, or add a corpus to the recipe")
        return self.prepared.corpus

    @property
    def _labelled(self) -> Task:
        return self.recipe.eval.learnt(self.task)

    @property
    def _folder(self) -> Path | None:
        return self.adapter.folder if isinstance(self.adapter, Artifact) else self.adapter

    @property
    def _trained_on(self) -> Path | None:
        """The language adapter under the task adapter while that is trained."""
        settings = self.recipe.eval
        if settings.transfer_from is None:
            return self._folder
        given = settings.transfer_adapter
        return Path(given) if given is not None and self.adapter is not None else None

    def _make(self, draft: Draft, progress: Progress) -> None:
        if self.task == "mlm":
            rows, labels = self._sentences_scored(draft, progress), []
        else:
            rows, labels = self._answers(draft, progress)
        if files := self._hub_files():
            draft.facts["files_on_hub"] = files
        if skipped := self._skipped:
            draft.facts["skipped_tasks"] = {name: str(one) for name, one in skipped.items()}
        metrics = metrics_of(rows, labels)
        if self.task != "mlm" and (primary := self._labelled.metric):
            metrics.sort(key=lambda metric: metric.name != primary)
        scores = [self._score(metric) for metric in metrics]
        if self.task == "mlm":
            value, interval = median_perplexity([from_row(row) for row in rows])
            median = replace(scores[0], metric="pseudo_perplexity_median", value=value, interval=interval)
            scores.append(median)
        write_scores(draft.folder / SCORES_FILE, scores)
        write_predictions(draft.folder, rows)
        if details := class_details(rows, labels):
            write_json(draft.folder / "details.json", details)

    def _score(self, metric: Metric) -> Score:
        return Score(
            task=self.task,
            system=self.system,
            metric=metric.name,
            value=metric.value(),
            interval=metric.interval(),
            n=len(metric.statistics),
            seed=self.seed,
            language=self.recipe.language,
            base=base_name(self.recipe.base),
            transfer_from=self._learnt_in,
            limit=self.recipe.eval.limit,
        )

    def _sentences_scored(self, draft: Draft, progress: Progress) -> list[dict[str, Any]]:
        settings = self._mlm
        account = Account()
        sentences = list(islice(self._sentences(progress, account), settings.max_sentences))
        if not sentences:
            raise UserError("eval.mlm: no sentence to score: name files, or prepare more text")
        account.rows = account.rows or len(sentences)  # of the prepared test split
        if (limit := self.recipe.eval.limit) is not None and limit < len(sentences):
            account.dropped[LIMITED] = len(sentences) - limit
            sentences = nsmallest(limit, sentences, key=_digest)
        base, tokenizer = self._load(progress)
        device = use_device()
        model = MaskedLM(load_adapter(base, self._folder) if self._folder else base).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
            scores = score_sentences(
                model,
                tokenizer,
                sentences,
                max_length=settings.max_length,
                batch_tokens=settings.batch_tokens_on(device.type),
                progress=progress,
                label=f"pseudo-perplexity of {self.system}, masked copies",
            )
        account.cut = count_truncated(scores, sentences)
        for note in [*reading_notes([account]), *account.losses("eval.mlm.max_length")]:
            say_once(progress, f"mlm: {note}")
        rows = [{"text": text, **asdict(score)} for text, score in zip(sentences, scores, strict=True) if score.tokens]
        if not rows:
            raise UserError(f"eval.mlm: the tokenizer of {base_name(self.recipe.base)} keeps nothing of any sentence")
        if left_out := len(sentences) - len(rows):
            draft.facts["sentences_without_tokens"] = account.dropped[NO_TOKENS] = left_out
            say_once(
                progress,
                f"mlm: {left_out} of {len(sentences)} sentences left out: the tokenizer keeps nothing of them",
            )
        if settings.files or account.cut:
            draft.facts["data"] = {"sentences": account.facts()}
        return rows

    def _sentences(self, progress: Progress, account: Account) -> Iterator[str]:
        settings = self._mlm
        if settings.files:
            return read_sentences(settings, self.workspace / "downloads", progress, account)
        # in an order of their own: the first lines of the split all come from a few pages
        texts = read_texts((self._corpus,), "test")
        return iter(nsmallest(settings.max_sentences, texts, key=_digest))

    def _answers(self, draft: Draft, progress: Progress) -> tuple[list[dict[str, Any]], list[str]]:
        downloads = self.workspace / "downloads"
        data = read_task(self.task, self._labelled, downloads, progress, limit=self.recipe.eval.limit)
        draft.facts["examples"] = {split: len(items) for split, items in data.splits.items()}
        origin = label_origin(self.task, self._labelled, downloads)
        draft.facts["labels_named_by"] = LABELS_NAMED_BY[origin]
        if origin == "recipe" and self.seed == self.recipe.eval.seeds[0]:
            order = ", ".join(f"{number} {label}" for number, label in enumerate(self._labelled.labels or ()))
            progress.say(f"{self.task}: the files hold numbers and do not name them; assumed {order}, as in the recipe")
        if data.overlap:
            draft.facts["test_items_seen_in_training"] = data.overlap
            progress.say(f"{self.task}: {data.overlap} of the test items stand in train or validation too")
        for note in data.notes if self.seed == self.recipe.eval.seeds[0] else ():
            progress.say(f"{self.task}: {note}")
        if any(data.repaired.values()):
            draft.facts["tags_repaired"] = data.repaired
            told = ", ".join(f"{count} in {split}" for split, count in data.repaired.items() if count)
            progress.say(f"{self.task}: tags that were not IOB2 were put right: {told}")
        assert self.seed is not None
        setup = TaskSetup(
            lambda: self._load(progress),
            self._trained_on,
            self._folder,
            self.recipe.eval.training,
            self.recipe.training.precision,
            self.seed,
        )
        label = f"{self.task} on {self.system}, seed {self.seed}"
        rows = train_and_predict(setup, data, draft.folder, progress, label)
        draft.facts["data"] = {split: account.facts() for split, account in data.accounts.items()}
        for split, account in data.accounts.items() if self.seed == self.recipe.eval.seeds[0] else ():
            for loss in account.losses(f"eval.training.max_length ({self.recipe.eval.training.max_length})"):
                progress.say(f"{self.task}: {split}: {loss}")
        guesses, gold = ({str(row[key]) for row in rows} for key in ("guess", "gold"))
        if len(guesses) < len(gold) and len(guesses) == 1 and not data.tags:
            only = guesses.pop()
            progress.say(
                f"{label}: predicts {only} for every one of {len(rows)} items; try more epochs or another learning rate"
            )
        return rows, data.labels

    def _load(self, progress: Progress) -> Any:
        return load_base(self.recipe, self.workspace, self.prepared, progress)


def _digest(text: str) -> bytes:
    """Orders texts at random, but always alike."""
    return sha256(text.encode()).digest()


def folder_hashes(folder: Path) -> dict[str, str]:
    """Content hashes of an adapter's folder. Raises UserError where there is none."""
    files = sorted({file for pattern in ADAPTER_FILES for file in folder.glob(pattern) if file.name != "manifest.json"})
    if (folder / "task.json").is_file():
        raise UserError(f"{folder} is a task adapter; a language adapter is wanted here, as `train` makes")
    if not any(file.suffix != ".json" for file in files):
        raise UserError(f"{folder} is no adapter's folder: there is no .safetensors in it, and no {PICKLE}")
    return {file.name: file_hash(file) for file in files}
