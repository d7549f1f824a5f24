"""Task adapters: a seq_bn and a head, trained on top of a frozen language adapter (MAD-X, Pfeiffer et al. 2020)."""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate.utils import set_seed
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..recipes.progress import QUIET, Progress
from ..recipes.training import Precision, TaskTraining
from .adapters import load_adapter, stack_task_adapter
from .adapters.build import LANGUAGE, TASK, BottleneckConfig, activate_stack, merge_adapter
from .adapters.files import save_adapter
from .batches import Batch, Step, collate
from .device import make_accelerator
from .loop import fit, mean_loss
from .masking import IGNORED
from .quicken import quicken
from .schedule import Schedule
from .watch import Watch

DROPOUT = 0.1
INIT_STD = 0.02


@dataclass(frozen=True)
class Example:
    """Tokenised input and its gold label: one class id, or one id per token (-100 where none is asked)."""

    input_ids: list[int]
    label: int | list[int]
    words: tuple[int, ...] = ()
    """For tags: the number of the word that each labelled token begins."""


class TaskModel(nn.Module):
    """An adapted encoder with a head over the first token (classes) or over every token (tags).

    The class head is AdapterHub's: dropout, dense, tanh, dropout, dense; the tag head dropout and dense.
    """

    def __init__(self, adapted: Any, classes: int, *, per_token: bool) -> None:
        super().__init__()
        self.adapted = adapted
        bare = adapted.get_base_model()
        self._encoder = [cast(nn.Module, bare.base_model)]  # not a child: `adapted` holds its parameters
        self.per_token = per_token
        hidden = bare.config.hidden_size
        if per_token:
            self.head = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(hidden, classes))
        else:
            inner = (nn.Linear(hidden, hidden), nn.Tanh(), nn.Dropout(DROPOUT), nn.Linear(hidden, classes))
            self.head = nn.Sequential(nn.Dropout(DROPOUT), *inner)
        for module in self.head:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=INIT_STD)
                nn.init.zeros_(module.bias)
        quicken(self)

    def logits(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(batch, seq) ids -> (batch, classes), or (batch, seq, classes) per token."""
        hidden = self._encoder[0](input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self.head(hidden if self.per_token else hidden[:, 0])

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        """Sum of the cross-entropies; labels (batch,) or (batch, seq) with -100 where nothing is asked."""
        logits = self.logits(input_ids, attention_mask).float()
        return nn.functional.cross_entropy(
            logits.flatten(0, -2), labels.flatten(), ignore_index=IGNORED, reduction="sum"
        )


def train_task(  # noqa: PLR0913
    base: PreTrainedModel,
    language_adapter: Path | None,
    train: Sequence[Example],
    validation: Sequence[Example],
    classes: int,
    settings: TaskTraining,
    *,
    precision: Precision,
    pad_id: int,
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
    model = TaskModel(adapted, classes, per_token=isinstance(train[0].label, list)).to(accelerator.device)
    fixed = [_batch(some, pad_id) for some in _in_batches(validation, settings.batch_size)]
    per_epoch = -(-len(train) // settings.batch_size)
    steps = per_epoch * settings.epochs
    schedule = Schedule(
        max_steps=steps,
        learning_rate=settings.learning_rate,
        warmup_steps=int(steps * settings.warmup),
        weight_decay=settings.weight_decay,
        clip_norm=1.0,
        eval_every=per_epoch,
        log_every=per_epoch,
        seed=seed,
    )
    feed = _Shuffled(train, settings.batch_size, pad_id, seed)
    watch = Watch(steps=steps, every=per_epoch, progress=progress, label=label)
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


def predict(model: TaskModel, examples: Sequence[Example], *, pad_id: int, batch_size: int = 32) -> list[Any]:
    """The most likely class of each example, or the list of classes of its labelled tokens, in order."""
    model.eval()
    device = next(model.parameters()).device
    found: list[Any] = []
    for some in _in_batches(examples, batch_size):
        batch = _batch(some, pad_id)
        with torch.no_grad():
            logits = model.logits(batch["input_ids"].to(device), batch["attention_mask"].to(device))
        best, labels = logits.argmax(-1).cpu(), batch["labels"]
        if labels.dim() == 1:
            found += best.tolist()
        else:
            found += [row[gold != IGNORED].tolist() for row, gold in zip(best, labels, strict=True)]
    return found


@dataclass(frozen=True)
class _Shuffled:
    """Labelled examples, epoch after epoch, each in an order of its own; a `Feed` that always starts at the start."""

    examples: Sequence[Example]
    size: int
    pad_id: int
    seed: int

    def steps(self, after: dict[str, Any] | None = None) -> Iterator[Step]:
        """See `Feed`."""
        for epoch in itertools.count():
            order = np.random.default_rng((self.seed, epoch)).permutation(len(self.examples))
            for some in _in_batches([self.examples[number] for number in order], self.size):
                batch = _batch(some, self.pad_id)
                places, tokens = int((batch["labels"] != IGNORED).sum()), int(batch["attention_mask"].sum())
                yield Step([batch], places, tokens, {})


def _in_batches(examples: Sequence[Example], size: int) -> Iterator[Sequence[Example]]:
    for start in range(0, len(examples), size):
        yield examples[start : start + size]


def _batch(examples: Sequence[Example], pad_id: int) -> Batch:
    batch = collate([example.input_ids for example in examples], pad_id)
    if isinstance(examples[0].label, int):
        return {**batch, "labels": torch.tensor([example.label for example in examples])}
    labels = torch.full_like(batch["input_ids"], IGNORED)
    for row, example in enumerate(examples):
        labels[row, : len(example.input_ids)] = torch.tensor(example.label)
    return {**batch, "labels": labels}
