"""Task adapters: a seq_bn and a head, trained on top of a frozen language adapter.

The set-up of MAD-X (Pfeiffer et al. 2020, https://arxiv.org/abs/2005.00052).
"""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel

from ..recipes.task_kinds import ProblemType
from ..recipes.training import Precision, TaskTraining
from ..workspace.progress import QUIET, Progress
from .adapters import load_adapter, stack_task_adapter
from .adapters.build import LANGUAGE, TASK, BottleneckConfig, activate_stack, merge_adapter
from .adapters.files import save_adapter
from .batches import Batch, Layout, Position, Step, to_device
from .head_only import Head, head_inputs, join_inputs
from .loop import LoopSettings, fit, mean_loss, training_loop
from .masking import IGNORE_INDEX
from .memory import peak_memory
from .metrics_logger import MetricsLogger
from .precision import make_accelerator
from .task_model import ACTIVATIONS, Example, TaskModel, make_batch, numbers_by_length
from .tensors import refuse_pointers
from .tokens import chunks

HEAD_FILE, LABELS_FILE = "head.safetensors", "task.json"


def train_task(  # noqa: PLR0913
    base: PreTrainedModel,
    language_adapter: Path | None,
    train: Sequence[Example],
    validation: Sequence[Example],
    outputs: int,
    settings: TaskTraining,
    *,
    problem_type: ProblemType = "single_label_classification",
    precision: Precision,
    seed: int,
    progress: Progress = QUIET,
    label: str = "train task adapter",
    head_only: bool = False,
) -> TaskModel:
    """A task adapter and head trained on `base` (changed in place), from the epoch with the lowest validation loss.

    The head has `outputs` outputs: classes, labels, or one for a score. The seed decides initialisation, data order and
    dropout. With `head_only` the head is trained alone, on the frozen base without any adapter; what it reads is kept
    in memory, 4 bytes times the hidden size for each text, or for each labelled token.
    """
    set_seed(seed)
    accelerator, _ = make_accelerator(precision)
    adapted: Any = base.requires_grad_(False)
    if not head_only:
        adapted = stack_task_adapter(base, language_adapter, settings.reduction_factor)
    model = TaskModel(
        adapted,
        outputs,
        per_token=isinstance(train[0].label, list),
        dropout=settings.dropout,
        pooling=settings.pooling,
        problem_type=problem_type,
        pairs=bool(train[0].token_types),
    ).to(accelerator.device)
    scale = ScoreScale.of(train, problem_type)
    train, validation = scale.standardise(train), scale.standardise(validation)
    trained: nn.Module
    if head_only:
        model.adapted.eval()
        inputs = [head_inputs(model, examples, settings.batch_size, accelerator) for examples in (train, validation)]
        trained, to_batch = Head(model.head, problem_type), join_inputs
    else:
        inputs = [train, _by_length(validation)]
        trained, to_batch = model, partial(_make_sorted_batch, layout=model.layout)
    feed = _ShuffledFeed(inputs[0], to_batch, settings.batch_size, seed)
    validation_batches = [to_batch(batch) for batch in chunks(inputs[1], settings.batch_size)]
    _fit(trained, feed, validation_batches, settings, accelerator, progress, label)
    scale.restore(model)
    return model


@dataclass(frozen=True)
class ScoreScale:
    """Mean and standard deviation of the training scores, with which a head learns them on a scale of 1."""

    mean: float = 0.0
    deviation: float = 1.0

    @classmethod
    def of(cls, train: Sequence[Example], problem_type: ProblemType) -> "ScoreScale":
        """The scale of the training scores; of other targets none."""
        if problem_type != "regression":
            return cls()
        scores = np.array([example.targets[0] for example in train])
        return cls(float(scores.mean()), float(scores.std()) or 1.0)

    def standardise(self, examples: Sequence[Example]) -> Sequence[Example]:
        """The examples with their scores on a scale of 1."""
        if self == ScoreScale():
            return examples
        return [replace(example, targets=((example.targets[0] - self.mean) / self.deviation,)) for example in examples]

    @torch.no_grad()
    def restore(self, model: TaskModel) -> None:
        """Let the trained head give scores as they are in the files, by its last layer."""
        last: Any = model.head[-1]
        if self != ScoreScale():
            last.weight.mul_(self.deviation)
            last.bias.mul_(self.deviation).add_(self.mean)


def _fit(
    model: nn.Module,
    feed: "_ShuffledFeed",
    validation_batches: Sequence[Batch],
    settings: TaskTraining,
    accelerator: Accelerator,
    progress: Progress,
    label: str,
) -> None:
    """Train `model` for the epochs of `settings`; keeps the weights of the best epoch."""
    max_steps = settings.steps(len(feed.examples))
    steps_per_epoch = max_steps // settings.num_train_epochs
    training = training_loop(
        model,
        feed,
        LoopSettings(
            max_steps=max_steps,
            learning_rate=settings.learning_rate,
            warmup_steps=int(max_steps * settings.warmup_ratio),
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
            lr_scheduler_type=settings.lr_scheduler_type,
            eval_steps=steps_per_epoch,
            logging_steps=steps_per_epoch,
            seed=feed.seed,
        ),
        lambda: mean_loss(model, validation_batches, accelerator),
        accelerator,
        MetricsLogger(
            max_steps=max_steps,
            logging_steps=steps_per_epoch,
            peak_memory=lambda: peak_memory(accelerator.device),
            progress=progress,
            label=label,
        ),
    )
    result = fit(training)
    result.restore_best()


def save_task(model: TaskModel, labels: Sequence[str], folder: Path) -> None:
    """Write the task adapter, its head (`head.safetensors`) and the labels (`task.json`) into a new folder.

    The language adapter is not copied: `load_task` takes it from its own folder.
    """
    folder.mkdir()
    save_adapter(model.adapted, folder, TASK)
    save_file(model.head.state_dict(), folder / HEAD_FILE)
    content = {"labels": list(labels), "per_token": model.per_token, "pooling": model.pooling}
    content |= {"problem_type": model.problem_type, "pairs": model.pairs}
    (folder / LABELS_FILE).write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")


def load_task(base: PreTrainedModel, language_adapter: Path | None, folder: Path) -> tuple[TaskModel, list[str]]:
    """The task model that `save_task` wrote, on the same base (changed in place) and language adapter; its labels."""
    refuse_pointers(folder.iterdir())
    model = base if language_adapter is None else load_adapter(base, language_adapter)
    if isinstance(model, PeftModel) and isinstance(model.peft_config[LANGUAGE], BottleneckConfig):
        model.load_adapter(str(folder), TASK)
        activate_stack(model)
        adapted = model
    else:
        merged: Any = merge_adapter(model) if isinstance(model, PeftModel) else model
        adapted = PeftModel.from_pretrained(merged, folder, adapter_name=TASK)
    return load_head(adapted, folder)


def load_head(adapted: Any, folder: Path) -> tuple[TaskModel, list[str]]:
    """The task model of an adapted base with the head that `save_task` wrote; its labels."""
    content = json.loads((folder / LABELS_FILE).read_text(encoding="utf-8"))
    recorded = {key: content[key] for key in ("pooling", "problem_type", "pairs") if key in content}  # by this version
    outputs = len(content["labels"]) or 1
    loaded = TaskModel(adapted, outputs, per_token=content["per_token"], **recorded)
    loaded.head.load_state_dict(load_file(folder / HEAD_FILE))
    return loaded.requires_grad_(False).eval(), content["labels"]


def predict(model: TaskModel, examples: Sequence[Example], *, batch_size: int = 32) -> list[Any]:
    """The most likely class of each example, or the list of classes of its labelled tokens, in order.

    For labels their probabilities, for scores the score: lists of numbers, one for each output.
    """
    model.eval()
    device = next(model.parameters()).device
    predictions: dict[int, Any] = {}
    for numbers in numbers_by_length(examples, batch_size):
        batch = to_device(make_batch([examples[number] for number in numbers], model.layout), device)
        with torch.no_grad():
            # one answer for each labelled token of the batch, in the order of its examples
            answers = iter(_answers(model, model.labelled_logits(**batch)))
        for number in numbers:
            label = examples[number].label
            if isinstance(label, int):
                predictions[number] = next(answers)
            else:
                labelled = sum(tag != IGNORE_INDEX for tag in label)
                predictions[number] = list(itertools.islice(answers, labelled))
    return [predictions[number] for number in range(len(examples))]


def _answers(model: TaskModel, logits: torch.Tensor) -> list[Any]:
    if model.problem_type == "single_label_classification":
        return logits.argmax(-1).tolist()
    return ACTIVATIONS[model.problem_type](logits.float()).tolist()


@dataclass(frozen=True)
class _ShuffledFeed:
    """Labelled examples, epoch after epoch, each in its own order; a `Feed` that always starts at the beginning."""

    examples: Sequence[Any]
    to_batch: Callable[[Sequence[Any]], Batch]
    batch_size: int
    seed: int

    def steps(self, start: Position | None = None) -> Iterator[Step]:
        """See `Feed`."""
        for epoch in itertools.count():
            order = np.random.default_rng((self.seed, epoch)).permutation(len(self.examples))
            for numbers in chunks(order, self.batch_size):
                batch = self.to_batch([self.examples[number] for number in numbers])
                labels, mask = batch["labels"], batch.get("attention_mask")
                tokens = labels.numel() if mask is None else int(mask.sum())
                yield Step([batch], int((labels != IGNORE_INDEX).sum()), tokens, {})


def _by_length(examples: Sequence[Example]) -> list[Example]:
    """Shortest first: packing makes the fewest groups, and padding is least."""
    return sorted(examples, key=lambda example: len(example.input_ids))


def _make_sorted_batch(examples: Sequence[Example], layout: Layout) -> Batch:
    return make_batch(_by_length(examples), layout)
