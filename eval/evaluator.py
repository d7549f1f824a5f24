"""Evaluation: the base and the adapted model on each task, every score an artifact of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from heapq import nsmallest
from itertools import islice
from math import ceil
from typing import Any

import torch

from ..recipes.examples import LIMITED, Account, reading_notes
from ..recipes.task_files import label_origin, read_sentences
from ..recipes.training import TaskTraining
from ..training.adapters import load_adapter
from ..training.artifacts import base_name
from ..training.base import load_base
from ..training.mlm import MaskedLM
from ..training.precision import use_device
from ..training.tokens import read_texts
from ..training.vocabulary.files import tokenizer_of
from ..workspace.artifacts import Draft, write_json
from ..workspace.errors import UserError
from ..workspace.formatting import format_count
from ..workspace.locations import hub_licences
from ..workspace.progress import QUIET, Progress, say_once
from .kinds import KINDS
from .measurements import Measurement
from .metrics import Metric
from .perplexity import count_truncated, from_row, median_perplexity
from .predictions import (
    HEAD_ONLY,
    MAJORITY_CLASS,
    class_details,
    metrics_of,
    values_of,
    values_of_constant,
    write_predictions,
)
from .pseudo_likelihood import score_sentences
from .scores import SCORES_FILE, Score, write_scores
from .task_data import TaskData, read_task
from .task_eval import NO_TOKENS, TaskSetup, head_only, train_and_predict

# Steps times the learning rate, about how far AdamW can move a weight. Below SHORT_TRAINING (200 steps at the default
# rate of 1e-4) training is reported as short: with 43 sentences, the entity F1 of base-mini was 5, 3 and 13 after 40,
# 100 and 200 steps. The paper's settings make 440 steps on SIB-200, about as many as ENOUGH_TRAINING.
SHORT_TRAINING, ENOUGH_TRAINING = 0.02, 0.05
LONG_TEXT = 400  # characters; sentences of FLORES+ have 130

LABELS_NAMED_BY = {
    "names": "the files",
    "file": "the files",
    "card": "the data set's card",
    "recipe": "the recipe; the files hold numbers without names, so the order was assumed",
    "none": "nobody: the files hold numbers",
}


def make_scores(measurement: Measurement, progress: Progress = QUIET) -> list[Score]:
    """The scores of a measurement, made unless they are finished. Raises UserError for data that cannot be read."""
    scoring = _Scoring(measurement, progress)
    measurement.artifact.build(scoring.write, progress)
    return measurement.read_scores()


@dataclass(frozen=True)
class _Scoring:
    """Makes the scores of one measurement."""

    measurement: Measurement
    progress: Progress

    def write(self, draft: Draft) -> None:
        """Put scores, predictions and details into `draft`."""
        if self.measurement.task == "mlm":
            rows, labels = self._score_sentences(draft), []
        else:
            rows, labels = self._answer(draft)
        if files := hub_licences(self.measurement.locations):
            draft.facts["files_on_hub"] = files
        if skipped := self.measurement.skipped:
            draft.facts["skipped_tasks"] = {name: str(one) for name, one in skipped.items()}
        metrics = metrics_of(rows, labels)
        if self.measurement.task != "mlm" and (primary := self.measurement.labelled.main_metric):
            metrics.sort(key=lambda metric: metric.name != primary)
        scores = [self._score(metric) for metric in metrics]
        if self.measurement.task == "mlm":
            value, interval = median_perplexity([from_row(row) for row in rows])
            median = replace(scores[0], metric="pseudo_perplexity_median", value=value, interval=interval)
            scores.append(median)
        write_scores(draft.folder / SCORES_FILE, scores)
        write_predictions(draft.folder, rows)
        if details := class_details(rows, labels):
            write_json(draft.folder / "details.json", details)

    def _score(self, metric: Metric) -> Score:
        return Score(
            task=self.measurement.task,
            system=self.measurement.system,
            metric=metric.name,
            value=metric.value(),
            interval=metric.interval(),
            n=metric.items,
            seed=self.measurement.seed,
            language=self.measurement.recipe.language,
            base=base_name(self.measurement.recipe.base),
            transfer_from=self.measurement.learnt_in,
            limit=self.measurement.recipe.eval.limit,
        )

    def _score_sentences(self, draft: Draft) -> list[dict[str, Any]]:
        settings = self.measurement.mlm
        account = Account()
        sentences = list(islice(self._sentences(account), settings.max_sentences))
        if not sentences:
            raise UserError("eval.mlm: no sentences to score: name files, or prepare more text")
        account.rows = account.rows or len(sentences)  # of the prepared test split
        if (limit := self.measurement.recipe.eval.limit) is not None and limit < len(sentences):
            account.dropped[LIMITED] = len(sentences) - limit
            sentences = nsmallest(limit, sentences, key=_digest)
        if note := long_texts_note(sentences):
            say_once(self.progress, f"mlm: {note}")
        base, tokenizer = self._load()
        tokenizer = tokenizer_of(self.measurement.adapter_folder, tokenizer)
        device = use_device()
        model = MaskedLM(
            load_adapter(base, self.measurement.adapter_folder) if self.measurement.adapter_folder else base
        ).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
            scores = score_sentences(
                model,
                tokenizer,
                sentences,
                max_length=settings.max_length,
                batch_tokens=settings.batch_tokens_on(device.type),
                within_word_l2r=settings.within_word_l2r,
                progress=self.progress,
                label=f"pseudo-perplexity of {self.measurement.system}",
            )
        account.cut = count_truncated(scores, sentences)
        for note in [*reading_notes([account]), *account.losses("eval.mlm.max_length")]:
            say_once(self.progress, f"mlm: {note}")
        rows = [{"text": text, **asdict(score)} for text, score in zip(sentences, scores, strict=True) if score.tokens]
        if not rows:
            raise UserError(
                f"eval.mlm: the tokenizer of {base_name(self.measurement.recipe.base)} has no tokens for any sentence"
            )
        if left_out := len(sentences) - len(rows):
            draft.facts["sentences_without_tokens"] = account.dropped[NO_TOKENS] = left_out
            say_once(
                self.progress,
                f"mlm: {left_out} of {len(sentences)} sentences skipped: they have no tokens",
            )
        if settings.files or account.cut:
            draft.facts["data"] = {"sentences": account.facts()}
        return rows

    def _sentences(self, account: Account) -> Iterator[str]:
        settings = self.measurement.mlm
        if settings.files:
            return read_sentences(settings, self.measurement.workspace / "downloads", self.progress, account)
        # in a pseudo-random order: the first lines of the split all come from a few pages
        texts = read_texts((self.measurement.corpus,), "test")
        return iter(nsmallest(settings.max_sentences, texts, key=_digest))

    def _answer(self, draft: Draft) -> tuple[list[dict[str, Any]], list[str]]:
        downloads = self.measurement.workspace / "downloads"
        limit = self.measurement.recipe.eval.limit
        data = read_task(self.measurement.task, self.measurement.labelled, downloads, self.progress, limit=limit)
        draft.facts["examples"] = {split: len(items) for split, items in data.splits.items()}
        origin = label_origin(self.measurement.task, self.measurement.labelled, downloads)
        draft.facts["labels_named_by"] = LABELS_NAMED_BY[origin]
        for note in self._notes(data, origin):
            say_once(self.progress, f"{self.measurement.task}: {note}")
        if data.overlap:
            draft.facts["test_items_seen_in_training"] = data.overlap
        if any(data.repaired.values()):
            draft.facts["tags_repaired"] = data.repaired
        assert self.measurement.seed is not None
        setup = TaskSetup(
            self._load,
            self.measurement.trained_on,
            self.measurement.adapter_folder,
            self.measurement.task_training,
            self.measurement.recipe.training.precision,
            self.measurement.seed,
        )
        label = f"{self.measurement.task} on {self.measurement.system}, seed {self.measurement.seed}"
        rows = train_and_predict(setup, data, draft.folder, self.progress, label)
        kind = KINDS[data.kind]
        if constant := kind.constant([item.label for item in data.splits["train"]], data.labels):
            draft.facts[MAJORITY_CLASS] = values_of_constant(constant, rows, data.labels)
        if self.measurement.adapter is None:
            rows_of_head = head_only(setup, data, self.progress, f"{label}, head only")
            draft.facts[HEAD_ONLY] = values_of(rows_of_head, data.labels)
        draft.facts["data"] = {split: account.facts() for split, account in data.accounts.items()}
        training = self.measurement.task_training
        field = self.measurement.recipe.eval.training_field(self.measurement.task)
        for loss in data.losses(f"{field}.max_length ({training.max_length})"):
            say_once(self.progress, f"{self.measurement.task}: {loss}")
        if only := kind.only_answer(rows):
            self.progress.say(
                f"{label}: predicts {only} for every one of {len(rows)} items; try more epochs or another learning rate"
            )
        return rows, data.labels

    def _notes(self, data: TaskData, origin: str) -> list[str]:
        """What to know about the data of a task whose label names have this `origin`."""
        notes = [
            *data.size_notes,
            *short_training_note(
                len(data.splits["train"]),
                self.measurement.task_training,
                self.measurement.recipe.eval.training_field(self.measurement.task),
            ),
        ]
        if origin == "recipe":
            order = ", ".join(
                f"{number} {label}" for number, label in enumerate(self.measurement.labelled.labels or ())
            )
            notes.append(f"the files have label numbers without names; assumed {order}, as in the recipe")
        if data.overlap:
            notes.append(f"{data.overlap} of the test items also occur in train or validation")
        notes += data.notes
        if any(data.repaired.values()):
            counts = ", ".join(f"{count} in {split}" for split, count in data.repaired.items() if count)
            notes.append(f"tags converted to IOB2: {counts}")
        return notes

    def _load(self) -> Any:
        measurement = self.measurement
        return load_base(
            measurement.recipe,
            measurement.workspace,
            measurement.prepared,
            self.progress,
            # a task on the base alone reads hidden states only
            needs_lm_head=measurement.task == "mlm" or measurement.adapter is not None,
        )


def short_training_note(examples: int, settings: TaskTraining, field: str) -> list[str]:
    """A note, with advice, on a training that is too short to learn a task from so few examples.

    `field` is the recipe's field with the settings.
    """
    steps = settings.steps(examples)
    if steps * settings.learning_rate >= SHORT_TRAINING:
        return []
    epochs = ceil(ENOUGH_TRAINING / settings.learning_rate / steps * settings.num_train_epochs)
    return [
        f"only {format_count(steps, 'training step')} at a learning rate of {settings.learning_rate:g}, which may be "
        f"too few to learn anything: try {field}.num_train_epochs={epochs}"
    ]


def long_texts_note(texts: Sequence[str]) -> str:
    """A note, with advice, on texts that take long to score; "" for sentences."""
    mean = sum(map(len, texts)) / len(texts)
    if mean < LONG_TEXT:
        return ""
    return (
        f"the texts have {mean:,.0f} characters on average; scoring takes time with the square of their length: set "
        "corpus.cut to sentences, or name a file of sentences in eval.mlm.files"
    )


def _digest(text: str) -> bytes:
    """Sort key for a pseudo-random order of texts that is always the same."""
    return sha256(text.encode()).digest()
