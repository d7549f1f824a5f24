"""Evaluation: the base and the adapted model on each task, every score an artifact of its own."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from heapq import nsmallest
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState

from ..recipes.artifacts import Artifact, Draft, Prepared, file_hash
from ..recipes.errors import UserError
from ..recipes.progress import QUIET, Progress
from ..recipes.schema import Recipe, Task, TaskName
from ..recipes.sources import expand_files
from ..recipes.tables import open_text
from ..training.adapters import load_adapter
from ..training.base import base_identity, base_name, load_base, scratch_artifact
from ..training.device import has_gpu
from ..training.masking import IGNORED
from ..training.mlm import MaskedLM
from ..training.task import Example, predict, save_task, train_task
from ..training.tokens import read_texts
from . import metrics, perplexity
from .data import Item, TaskData, read_task, task_inputs
from .scores import BASE, Score, read_scores, write_scores

OUTSIDE = "O"


def evaluate(
    recipe: Recipe, workspace: Path, prepared: Prepared, adapter: Artifact | None, progress: Progress = QUIET
) -> list[Score]:
    """Scores of the base, and of `adapter` on it if given, on the recipe's tasks; finished ones are only read."""
    scores: list[Score] = []
    for task in dict.fromkeys(recipe.eval.tasks or recipe.eval.configured):
        for language_adapter in (None, *([adapter] if adapter else [])):
            for seed in recipe.eval.seeds if task != "mlm" else [None]:
                scores += _Measurement(recipe, workspace, prepared, language_adapter, task, seed).scores(progress)
    return scores


@dataclass(frozen=True)
class _Measurement:
    """One task, one system, one seed (None where nothing is trained)."""

    recipe: Recipe
    workspace: Path
    prepared: Prepared
    adapter: Artifact | None
    task: TaskName
    seed: int | None

    @property
    def system(self) -> str:
        """base, or the adapter's type and source."""
        return f"{self.recipe.adapter.type}/{self.recipe.source}" if self.adapter else BASE

    def scores(self, progress: Progress) -> list[Score]:
        """Read or make the scores."""
        artifact = self._artifact()
        made = artifact.build(lambda draft: self._make(draft, progress), progress)
        if not made:
            progress.say(f"{self.task} of {self.system}: there already, {artifact.folder}")
        return read_scores(artifact.folder / "scores.json")

    def _artifact(self) -> Artifact:
        scratch = scratch_artifact(self.recipe, self.workspace, self.prepared)
        inputs: dict[str, Any] = {"base": base_identity(self.recipe.base)}
        settings = self.recipe.eval
        parents = tuple(parent for parent in (scratch, self.adapter) if parent)
        if self.task == "mlm":
            section: dict[str, Any] = settings.mlm.model_dump(mode="json", exclude={"files"})
            if settings.mlm.files:
                inputs["files"] = [file_hash(path) for path in expand_files(settings.mlm.files)]
            else:
                parents += (self._corpus,)
        else:
            task = self._labelled
            section = settings.training.model_dump(mode="json") | {"precision": self.recipe.training.precision}
            section |= task.model_dump(mode="json", include={"text", "label", "labels"})
            inputs["data"] = task_inputs(self.task, task)
        section |= {"task": self.task, "seed": self.seed, "system": self.system, "code": 2}
        name = f"{self.task}-{base_name(self.recipe.base)}-{self.system.replace('/', '-')}"
        return Artifact(self.workspace / "scores" / self.recipe.language, name, "scores", section, inputs, parents)

    @property
    def _corpus(self) -> Artifact:
        if self.prepared.corpus is None:
            raise UserError("eval.mlm: no text to score: name eval.mlm.files, or add a corpus to the recipe")
        return self.prepared.corpus

    @property
    def _labelled(self) -> Task:
        task = getattr(self.recipe.eval, self.task)
        if task is None:
            raise UserError(f"eval.{self.task}: no data; add train, validation and test files to the recipe")
        return task

    def _make(self, draft: Draft, progress: Progress) -> None:
        make = {"mlm": self._perplexity, "ner": self._tags}.get(self.task, self._classes)
        values, predictions = make(draft.folder, progress)
        write_scores(draft.folder / "scores.json", [self._score(**value) for value in values])
        with (draft.folder / "predictions.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(entry, ensure_ascii=False) + "\n" for entry in predictions)

    def _score(self, *, metric: str, value: float, interval: tuple[float, float] | None, n: int) -> Score:
        return Score(
            task=self.task,
            system=self.system,
            metric=metric,
            value=value,
            interval=interval,
            n=n,
            seed=self.seed,
            language=self.recipe.language,
            base=base_name(self.recipe.base),
        )

    def _perplexity(self, folder: Path, progress: Progress) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        settings = self.recipe.eval.mlm
        sentences = list(islice(self._sentences(), settings.max_sentences))
        if not sentences:
            raise UserError("eval.mlm: no sentence to score: name files, or prepare more text")
        base, tokenizer = load_base(self.recipe, self.workspace, self.prepared, progress)
        model = MaskedLM(load_adapter(base, self.adapter.folder) if self.adapter else base).to(_device())
        scores = perplexity.score_sentences(
            model,
            tokenizer,
            sentences,
            max_length=settings.max_length,
            batch_tokens=settings.batch_tokens,
            progress=progress,
            label=f"pseudo-perplexity of {self.system}",
        )
        values = []
        for measure in (perplexity.pseudo_perplexity, perplexity.bits_per_character, perplexity.unknown_share):
            interval = metrics.bootstrap(lambda chosen, f=measure: f([scores[n] for n in chosen]), len(scores))
            values.append(
                {"metric": measure.__name__, "value": measure(scores), "interval": interval, "n": len(scores)}
            )
        return values, [{"text": text, **asdict(score)} for text, score in zip(sentences, scores, strict=True)]

    def _sentences(self) -> Iterator[str]:
        files, limit = self.recipe.eval.mlm.files, self.recipe.eval.mlm.max_sentences
        if not files:
            # in an order of their own: the first lines of the split all come from a few pages
            yield from nsmallest(
                limit, read_texts((self._corpus,), "test"), key=lambda text: sha256(text.encode()).digest()
            )
        for path in expand_files(files):
            with open_text(path) as file:
                yield from (line.strip() for line in file if line.strip())

    def _classes(self, folder: Path, progress: Progress) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        data = read_task(self.task, self._labelled, self.workspace / "downloads")
        gold = [data.labels.index(str(item.label)) for item in data.splits["test"]]
        guess = self._fit_and_predict(data, folder, progress)
        true, found, classes = np.array(gold), np.array(guess), len(data.labels)
        measures = {
            "macro_f1": lambda n: metrics.macro_f1(true[n], found[n], classes),
            "accuracy": lambda n: metrics.accuracy(true[n], found[n]),
        }
        values = [_measured(name, measure, len(gold)) for name, measure in measures.items()]
        texts = [item.text for item in data.splits["test"]]
        rows = zip(texts, gold, guess, strict=True)
        return values, [{"text": t, "gold": data.labels[g], "guess": data.labels[p]} for t, g, p in rows]

    def _tags(self, folder: Path, progress: Progress) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        data = read_task(self.task, self._labelled, self.workspace / "downloads")
        guesses = self._fit_and_predict(data, folder, progress)
        predictions, counts = [], []
        for item, guess in zip(data.splits["test"], guesses, strict=True):
            tags = [data.labels[guess[word]] if word in guess else OUTSIDE for word in range(len(item.label))]
            counts.append(metrics.entity_counts(item.label, tags))
            predictions.append({"words": item.text, "gold": item.label, "guess": tags})
        table = np.array(counts)
        return [_measured("entity_f1", lambda n: metrics.entity_f1(table[n]), len(counts))], predictions

    def _fit_and_predict(self, data: TaskData, folder: Path, progress: Progress) -> list[Any]:
        """For each test item the guessed class id, or {word number: tag id}; words cut off by max_length are not in."""
        base, tokenizer = load_base(self.recipe, self.workspace, self.prepared, progress)
        settings = self.recipe.eval.training
        encoded = {
            split: [_encode(item, data.labels, tokenizer, settings.max_length) for item in items]
            for split, items in data.splits.items()
        }
        assert self.seed is not None
        model = train_task(
            base,
            self.adapter.folder if self.adapter else None,
            encoded["train"],
            encoded["validation"],
            len(data.labels),
            settings,
            precision=self.recipe.training.precision,
            pad_id=tokenizer.pad_token_id,
            seed=self.seed,
            progress=progress,
            label=f"{self.task} on {self.system}, seed {self.seed}",
        )
        save_task(model, data.labels, folder / "task-adapter")
        found = predict(model, encoded["test"], pad_id=tokenizer.pad_token_id)
        if isinstance(encoded["test"][0].label, int):
            return found
        return [
            dict(zip(example.words, tags, strict=True)) for example, tags in zip(encoded["test"], found, strict=True)
        ]


def _measured(name: str, measure: Any, items: int) -> dict[str, Any]:
    return {
        "metric": name,
        "value": measure(np.arange(items)),
        "interval": metrics.bootstrap(measure, items),
        "n": items,
    }


def _encode(item: Item, labels: Sequence[str], tokenizer: Any, max_length: int) -> Example:
    """Token ids and the label; for tags the first piece of each word carries the word's tag, the others none."""
    if isinstance(item.label, str):
        return Example(
            tokenizer(item.text, truncation=True, max_length=max_length)["input_ids"], labels.index(item.label)
        )
    encoded = tokenizer(item.text, is_split_into_words=True, truncation=True, max_length=max_length)
    words = encoded.word_ids()
    first = [word is not None and word != before for word, before in zip(words, [None, *words], strict=False)]
    tags = [labels.index(item.label[word]) if new else IGNORED for word, new in zip(words, first, strict=True)]
    return Example(encoded["input_ids"], tags, tuple(word for word, new in zip(words, first, strict=True) if new))


def _device() -> str:
    """Where to score; no Accelerator, whose precision would be fixed for the whole process."""
    return str(PartialState(cpu=not has_gpu()).device)
