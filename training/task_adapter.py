"""Task adapters: a seq_bn and a head, trained on top of a frozen language adapter (MAD-X, Pfeiffer et al. 2020)."""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from accelerate.utils import set_seed
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..recipes.training import Precision, TaskTraining
from ..workspace.progress import QUIET, Progress
from .adapters import load_adapter, stack_task_adapter
from .adapters.build import LANGUAGE, TASK, BottleneckConfig, activate_stack, merge_adapter
from .adapters.files import save_adapter
from .batches import Batch, Layout, Step, lay_out, to_device
from .fast.fast_layers import quicken
from .fast.packing import encode
from .loop import fit, mean_loss
from .lr_scheduler import Schedule
from .masking import IGNORED
from .memory import peak_memory
from .metrics_logger import Watch
from .precision import make_accelerator
from .tensors import refuse_pointers

T = TypeVar("T")
INIT_STD = 0.02


@dataclass(frozen=True)
class Example:
    """Tokenised input and its gold label: one class id, or one id per token (-100 where none is asked)."""

    input_ids: list[int]
    label: int | list[int]
    words: tuple[int, ...] = ()
    """For tags: the number of the word that each labelled token begins."""
    cut: bool = False
    """Whether the end of the text was left out because it is too long."""


class TaskModel(nn.Module):
    """An adapted encoder with a head over the first token (classes) or over every token (tags).

    The class head is AdapterHub's: dropout, dense, tanh, dropout, dense; the tag head dropout and dense.
    """

    def __init__(self, adapted: Any, classes: int, *, per_token: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self.adapted = adapted
        bare = adapted.get_base_model()
        self._encoder = [cast(nn.Module, bare.base_model)]  # not a child: `adapted` holds its parameters
        self.layout = lay_out(bare)
        self.per_token = per_token
        hidden = bare.config.hidden_size
        if per_token:
            self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, classes))
        else:
            inner = (nn.Linear(hidden, hidden), nn.Tanh(), nn.Dropout(dropout), nn.Linear(hidden, classes))
            self.head = nn.Sequential(nn.Dropout(dropout), *inner)
        for module in self.head:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=INIT_STD)
                nn.init.zeros_(module.bias)
        quicken(self)

    def logits(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(batch, seq) ids -> (batch, classes), or (batch, seq, classes) per token."""
        hidden = encode(self._encoder[0], input_ids, attention_mask)
        return self.head(hidden if self.per_token else hidden[:, 0])

    def answers(self, input_ids: Tensor, labels: Tensor, **layout: Any) -> Tensor:
        """Logits (n, classes) at the n labelled places of a batch that `layout` made, row by row."""
        return self.head(encode(self._encoder[0], input_ids, **layout)[labels != IGNORED])

    def forward(self, input_ids: Tensor, labels: Tensor, **layout: Any) -> Tensor:
        """Sum of the cross-entropies over the labelled places: first tokens for classes."""
        logits = self.answers(input_ids, labels, **layout).float()
        return nn.functional.cross_entropy(logits, labels[labels != IGNORED], reduction="sum")


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
    """A task adapter and head trained on `base` (changed in place), the best epoch by validation loss.

    The seed moves initialisation, data order and dropout alike.
    """
    set_seed(seed)
    accelerator, _ = make_accelerator(precision)
    adapted = stack_task_adapter(base, language_adapter, settings.reduction_factor)
    per_token = isinstance(train[0].label, list)
    model = TaskModel(adapted, classes, per_token=per_token, dropout=settings.dropout).to(accelerator.device)
    fixed = [_batch(some, model.layout) for some in _in_batches(_by_length(validation), settings.batch_size)]
    per_epoch = -(-len(train) // settings.batch_size)
    steps = per_epoch * settings.num_train_epochs
    schedule = Schedule(
        max_steps=steps,
        learning_rate=settings.learning_rate,
        warmup_steps=int(steps * settings.warmup_ratio),
        weight_decay=settings.weight_decay,
        clip_norm=settings.max_grad_norm,
        shape=settings.lr_scheduler_type,
        eval_every=per_epoch,
        log_every=per_epoch,
        seed=seed,
    )
    feed = _Shuffled(train, settings.batch_size, model.layout, seed)
    watch = Watch(
        steps=steps,
        every=per_epoch,
        memory=lambda: peak_memory(accelerator.device),
        progress=progress,
        label=label,
    )
    fit(model, feed, schedule, lambda: mean_loss(model, fixed, accelerator), accelerator, watch).restore()
    return model


def save_task(model: TaskModel, labels: Sequence[str], folder: Path) -> None:
    """Write the task adapter, its head (`head.safetensors`) and the labels (`task.json`) into a new folder.

    The language adapter below stays where it is: `load_task` wants both.
    """
    folder.mkdir()
    save_adapter(model.adapted, folder, TASK)
    save_file(model.head.state_dict(), folder / "head.safetensors")
    about = {"labels": list(labels), "per_token": model.per_token}
    (folder / "task.json").write_text(json.dumps(about, ensure_ascii=False) + "\n", encoding="utf-8")


def load_task(base: PreTrainedModel, language_adapter: Path | None, folder: Path) -> tuple[TaskModel, list[str]]:
    """The task model that `save_task` wrote, on the same base (changed in place) and language adapter; its labels."""
    refuse_pointers(folder.iterdir())
    about = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    below = base if language_adapter is None else load_adapter(base, language_adapter)
    if isinstance(below, PeftModel) and isinstance(below.peft_config[LANGUAGE], BottleneckConfig):
        below.load_adapter(str(folder), TASK)
        activate_stack(below)
        adapted = below
    else:
        whole: Any = merge_adapter(below) if isinstance(below, PeftModel) else below
        adapted = PeftModel.from_pretrained(whole, folder, adapter_name=TASK)
    model = TaskModel(adapted, len(about["labels"]), per_token=about["per_token"])
    model.head.load_state_dict(load_file(folder / "head.safetensors"))
    return model.requires_grad_(False).eval(), about["labels"]


def predict(model: TaskModel, examples: Sequence[Example], *, batch_size: int = 32) -> list[Any]:
    """The most likely class of each example, or the list of classes of its labelled tokens, in order."""
    model.eval()
    device = next(model.parameters()).device
    found: dict[int, Any] = {}
    shortest_first = sorted(range(len(examples)), key=lambda number: len(examples[number].input_ids))
    for some in _in_batches(shortest_first, batch_size):
        batch = to_device(_batch([examples[number] for number in some], model.layout), device)
        with torch.no_grad():
            best = iter(model.answers(**batch).argmax(-1).tolist())
        for number in some:
            label = examples[number].label
            asked = 1 if isinstance(label, int) else sum(tag != IGNORED for tag in label)
            answers = list(itertools.islice(best, asked))
            found[number] = answers[0] if isinstance(label, int) else answers
    return [found[number] for number in range(len(examples))]


@dataclass(frozen=True)
class _Shuffled:
    """Labelled examples, epoch after epoch, each in an order of its own; a `Feed` that always starts at the start."""

    examples: Sequence[Example]
    size: int
    layout: Layout
    seed: int

    def steps(self, after: dict[str, Any] | None = None) -> Iterator[Step]:
        """See `Feed`."""
        for epoch in itertools.count():
            order = np.random.default_rng((self.seed, epoch)).permutation(len(self.examples))
            for some in _in_batches([self.examples[number] for number in order], self.size):
                batch = _batch(_by_length(some), self.layout)
                tokens = sum(len(example.input_ids) for example in some)
                yield Step([batch], int((batch["labels"] != IGNORED).sum()), tokens, {})


def _in_batches(some: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(some), size):
        yield some[start : start + size]


def _by_length(examples: Sequence[Example]) -> list[Example]:
    """Shortest first, so that like lengths lie together."""
    return sorted(examples, key=lambda example: len(example.input_ids))


def _batch(examples: Sequence[Example], layout: Layout) -> Batch:
    """A class stands at its text's first token."""
    labels = []
    for example in examples:
        row = np.full(len(example.input_ids), IGNORED)
        row[: 1 if isinstance(example.label, int) else None] = example.label
        labels.append(row)
    return layout.batch([np.asarray(example.input_ids) for example in examples], labels)
