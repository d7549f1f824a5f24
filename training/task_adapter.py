"""Task adapters: a seq_bn and a head, trained on top of a frozen language adapter.

The set-up of MAD-X (Pfeiffer et al. 2020, https://arxiv.org/abs/2005.00052).
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..recipes.training import Pooling, Precision, TaskTraining
from ..workspace.progress import QUIET, Progress
from .adapters import load_adapter, stack_task_adapter
from .adapters.build import LANGUAGE, TASK, BottleneckConfig, activate_stack, merge_adapter
from .adapters.files import save_adapter
from .batches import Batch, Feed, Layout, Position, Step, to_device, use_layout
from .fast.fast_layers import use_fast_layers
from .fast.packing import encode, sequence_means
from .loop import LoopSettings, fit, mean_loss
from .masking import IGNORE_INDEX
from .memory import peak_memory
from .metrics_logger import MetricsLogger
from .precision import make_accelerator
from .tensors import refuse_pointers

T = TypeVar("T")
INIT_STD = 0.02  # of the head's weights: BERT's and XLM-R's `initializer_range`
HEAD_FILE, LABELS_FILE = "head.safetensors", "task.json"


@dataclass(frozen=True)
class Example:
    """Tokenised input and its gold label: one class id, or one id per token (-100 for tokens without a label)."""

    input_ids: list[int]
    label: int | list[int]
    words: tuple[int, ...] = ()
    """For tags: the number of the word that each labelled token begins."""
    truncated: bool = False
    """Whether the text was longer than the maximum length, and its end was cut off."""


class TaskModel(nn.Module):
    """An adapted encoder with a head over the text (classes) or over every token (tags).

    The class head is AdapterHub's: dropout, dense, tanh, dropout, dense; the tag head is dropout, dense. `pooling` says
    which vector of a text the class head reads: its first token's, or the mean over its tokens, special ones included.
    """

    def __init__(
        self, adapted: Any, classes: int, *, per_token: bool, dropout: float = 0.0, pooling: Pooling = "first"
    ) -> None:
        """`adapted` is a PeftModel, or the base itself for a head without an adapter."""
        super().__init__()
        self.adapted = adapted
        bare: Any = adapted.get_base_model() if isinstance(adapted, PeftModel) else adapted
        # in a list, so that it is not registered as a child: `adapted` holds its parameters
        self._encoder = [cast(nn.Module, bare.base_model)]
        self.layout = use_layout(bare)
        self.per_token = per_token
        self.pooling: Pooling = "first" if per_token else pooling
        hidden_size = bare.config.hidden_size
        if per_token:
            self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden_size, classes))
        else:
            self.head = nn.Sequential(
                nn.Dropout(dropout),
                nn.Linear(hidden_size, hidden_size),
                nn.Tanh(),
                nn.Dropout(dropout),
                nn.Linear(hidden_size, classes),
            )
        for module in self.head:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=INIT_STD)
                nn.init.zeros_(module.bias)
        # an invertible adapter has a hook on the decoder, which a replaced layer would lose
        use_fast_layers(self, keep=(bare.get_output_embeddings(),))

    def logits(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(batch, seq) ids -> (batch, classes), or (batch, seq, classes) per token."""
        hidden = encode(self._encoder[0], input_ids, attention_mask)
        if self.pooling == "mean":
            return self.head(sequence_means(hidden, attention_mask))
        return self.head(hidden if self.per_token else hidden[:, 0])

    def labelled_logits(self, input_ids: Tensor, labels: Tensor, **layout: Any) -> Tensor:
        """Logits (n, classes) of the n labelled tokens of a batch that `layout` made, row by row. A text has one."""
        return self.head(self.head_inputs(input_ids, labels, **layout))

    def head_inputs(self, input_ids: Tensor, labels: Tensor, **layout: Any) -> Tensor:
        """What the head reads of the n labelled tokens of a batch: (n, hidden)."""
        hidden = encode(self._encoder[0], input_ids, **layout)
        if self.pooling == "mean":
            return sequence_means(hidden, layout.get("attention_mask"), layout.get("packing"))
        return hidden[labels != IGNORE_INDEX]

    def forward(self, input_ids: Tensor, labels: Tensor, **layout: Any) -> Tensor:
        """Sum of the cross-entropies over the labelled tokens (for classes each text's first): a scalar in fp32."""
        logits = self.labelled_logits(input_ids, labels, **layout).float()
        return nn.functional.cross_entropy(logits, labels[labels != IGNORE_INDEX], reduction="sum")


def train_task(  # noqa: PLR0913
    base: PreTrainedModel,
    language_adapter: Path | None,
    train: Sequence[Example],
    validation: Sequence[Example],
    classes: int,
    settings: TaskTraining,
    *,
    precision: Precision,
    seed: int,
    progress: Progress = QUIET,
    label: str = "train task adapter",
) -> TaskModel:
    """A task adapter and head trained on `base` (changed in place), from the epoch with the lowest validation loss.

    The seed decides initialisation, data order and dropout.
    """
    set_seed(seed)
    accelerator, _ = make_accelerator(precision)
    adapted = stack_task_adapter(base, language_adapter, settings.reduction_factor)
    per_token = isinstance(train[0].label, list)
    model = TaskModel(adapted, classes, per_token=per_token, dropout=settings.dropout, pooling=settings.pooling).to(
        accelerator.device
    )
    validation_batches = [
        make_batch(examples, model.layout) for examples in in_batches(_by_length(validation), settings.batch_size)
    ]
    feed = _ShuffledExamples(train, settings.batch_size, model.layout, seed)
    fit_task(
        model, feed, len(train), validation_batches, settings, accelerator, seed=seed, progress=progress, label=label
    )
    return model


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
    steps_per_epoch = -(-train_size // settings.batch_size)
    max_steps = steps_per_epoch * settings.num_train_epochs
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
    (folder / LABELS_FILE).write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")


def load_task(base: PreTrainedModel, language_adapter: Path | None, folder: Path) -> tuple[TaskModel, list[str]]:
    """The task model that `save_task` wrote, on the same base (changed in place) and language adapter; its labels."""
    refuse_pointers(folder.iterdir())
    content = json.loads((folder / LABELS_FILE).read_text(encoding="utf-8"))
    model = base if language_adapter is None else load_adapter(base, language_adapter)
    if isinstance(model, PeftModel) and isinstance(model.peft_config[LANGUAGE], BottleneckConfig):
        model.load_adapter(str(folder), TASK)
        activate_stack(model)
        adapted = model
    else:
        merged: Any = merge_adapter(model) if isinstance(model, PeftModel) else model
        adapted = PeftModel.from_pretrained(merged, folder, adapter_name=TASK)
    pooling = content.get("pooling", "first")  # not recorded by earlier versions
    task_model = TaskModel(adapted, len(content["labels"]), per_token=content["per_token"], pooling=pooling)
    task_model.head.load_state_dict(load_file(folder / HEAD_FILE))
    return task_model.requires_grad_(False).eval(), content["labels"]


def predict(model: TaskModel, examples: Sequence[Example], *, batch_size: int = 32) -> list[Any]:
    """The most likely class of each example, or the list of classes of its labelled tokens, in order."""
    model.eval()
    device = next(model.parameters()).device
    predictions: dict[int, Any] = {}
    shortest_first = sorted(range(len(examples)), key=lambda number: len(examples[number].input_ids))
    for numbers in in_batches(shortest_first, batch_size):
        batch = to_device(make_batch([examples[number] for number in numbers], model.layout), device)
        with torch.no_grad():
            # one class for each labelled token of the batch, in the order of its examples
            classes = iter(model.labelled_logits(**batch).argmax(-1).tolist())
        for number in numbers:
            label = examples[number].label
            if isinstance(label, int):
                predictions[number] = next(classes)
            else:
                labelled = sum(tag != IGNORE_INDEX for tag in label)
                predictions[number] = list(itertools.islice(classes, labelled))
    return [predictions[number] for number in range(len(examples))]


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


def make_batch(examples: Sequence[Example], layout: Layout) -> Batch:
    """A batch whose `labels` hold each example's tags, or its class at the first token."""
    labels = []
    for example in examples:
        row = np.full(len(example.input_ids), IGNORE_INDEX)
        if isinstance(example.label, int):
            row[0] = example.label
        else:
            row[:] = example.label
        labels.append(row)
    return layout.batch([np.asarray(example.input_ids) for example in examples], labels)
