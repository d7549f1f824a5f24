"""Task adapters: a seq_bn and a head, trained on top of a frozen language adapter.

The set-up of MAD-X (Pfeiffer et al. 2020, https://arxiv.org/abs/2005.00052).
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

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
from .batches import Batch, Feed, Layout, Position, Step, to_device
from .loop import LoopSettings, fit, mean_loss
from .masking import IGNORE_INDEX
from .memory import peak_memory
from .metrics_logger import MetricsLogger
from .precision import make_accelerator
from .task_model import ACTIVATIONS, Example, TaskModel, make_batch
from .tensors import refuse_pointers

T = TypeVar("T")
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
) -> TaskModel:
    """A task adapter and head trained on `base` (changed in place), from the epoch with the lowest validation loss.

    The head has `outputs` outputs: classes, labels, or one for a score. The seed decides initialisation, data order and
    dropout.
    """
    set_seed(seed)
    accelerator, _ = make_accelerator(precision)
    adapted = stack_task_adapter(base, language_adapter, settings.reduction_factor)
    model = task_model(adapted, outputs, train, settings, problem_type).to(accelerator.device)
    scale = ScoreScale.of(train, problem_type)
    train, validation = scale.standardise(train), scale.standardise(validation)
    validation_batches = [
        make_batch(examples, model.layout) for examples in in_batches(_by_length(validation), settings.batch_size)
    ]
    feed = _ShuffledExamples(train, settings.batch_size, model.layout, seed)
    fit_task(
        model, feed, len(train), validation_batches, settings, accelerator, seed=seed, progress=progress, label=label
    )
    scale.restore(model)
    return model


def task_model(
    adapted: Any, outputs: int, train: Sequence[Example], settings: TaskTraining, problem_type: ProblemType
) -> TaskModel:
    """The model for such examples, with a new head."""
    return TaskModel(
        adapted,
        outputs,
        per_token=isinstance(train[0].label, list),
        dropout=settings.dropout,
        pooling=settings.pooling,
        problem_type=problem_type,
        pairs=bool(train[0].token_types),
    )


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


def fit_task(  # noqa: PLR0913
    model: nn.Module,
    feed: Feed,
    train_size: int,
    validation_batches: Sequence[Batch],
    settings: TaskTraining,
    accelerator: Accelerator,
    *,
    seed: int,
    progress: Progress,
    label: str,
) -> None:
    """Train `model` for the epochs of `settings` on `train_size` examples; keeps the weights of the best epoch."""
    max_steps = settings.steps(train_size)
    steps_per_epoch = max_steps // settings.num_train_epochs
    result = fit(
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
            seed=seed,
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
    shortest_first = sorted(range(len(examples)), key=lambda number: len(examples[number].input_ids))
    for numbers in in_batches(shortest_first, batch_size):
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
class _ShuffledExamples:
    """Labelled examples, epoch after epoch, each in its own order; a `Feed` that always starts at the beginning."""

    examples: Sequence[Example]
    batch_size: int
    layout: Layout
    seed: int

    def steps(self, start: Position | None = None) -> Iterator[Step]:
        """See `Feed`."""
        for epoch in itertools.count():
            order = np.random.default_rng((self.seed, epoch)).permutation(len(self.examples))
            for examples in in_batches([self.examples[number] for number in order], self.batch_size):
                batch = make_batch(_by_length(examples), self.layout)
                tokens = sum(len(example.input_ids) for example in examples)
                yield Step([batch], int((batch["labels"] != IGNORE_INDEX).sum()), tokens, {})


def in_batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`items` in order, `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _by_length(examples: Sequence[Example]) -> list[Example]:
    """Shortest first: packing makes the fewest groups, and padding is least."""
    return sorted(examples, key=lambda example: len(example.input_ids))
