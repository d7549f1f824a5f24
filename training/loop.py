"""The one training loop: language adapters and task adapters alike."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from ..recipes.errors import UserError
from ..recipes.progress import QUIET, Progress
from ..recipes.schema import Precision
from .data import IGNORED, Batch


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast to train: linear warm-up to `learning_rate`, then linear decay to 0 at `max_steps`."""

    max_steps: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    clip_norm: float
    eval_every: int
    log_every: int


@dataclass(frozen=True)
class Outcome:
    """The best validation value seen, and at which step; the model holds the weights of that step."""

    best_step: int
    best_value: float


def choose_precision(wanted: Precision) -> tuple[str, str]:
    """accelerate's `mixed_precision` (no or bf16), and the reason in words."""
    has_bf16 = torch.cuda.is_available() and torch.cuda.get_device_capability()[0] >= 8
    if wanted == "bf16" or (wanted == "auto" and has_bf16):
        where = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU, as asked"
        return "bf16", f"bf16: {where}"
    return "no", "fp32: as asked" if wanted == "fp32" else "fp32: no GPU with bf16"


def make_accelerator(wanted: Precision) -> tuple[Accelerator, str]:
    """An accelerator of this precision and the reason in words, whatever was made before in this process."""
    precision, reason = choose_precision(wanted)
    AcceleratorState._reset_state()
    return Accelerator(mixed_precision=precision), reason


def fit(
    model: nn.Module,
    batches: Iterator[Batch],
    schedule: Schedule,
    validate: Callable[[], float],
    accelerator: Accelerator,
    *,
    log: Callable[[dict[str, Any]], None],
    progress: Progress = QUIET,
    label: str = "train",
) -> Outcome:
    """Train the parameters of `model` that require gradients; `model(**batch)` must give the loss.

    `validate` gives a value to make small; it is asked at the start, every `eval_every` steps and at the end, and the
    weights of the best step are put back. `log` gets one dictionary per `log_every` steps and per validation. Raises
    UserError when the loss is no number any more.
    """
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(trainable.values(), schedule.learning_rate, weight_decay=schedule.weight_decay)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _factor(step, schedule))
    best = _Best(trainable, log)
    best.offer(0, validate())
    model.train()
    tokens, started = 0, time.monotonic()
    for step in progress.track(range(1, schedule.max_steps + 1), label, schedule.max_steps):
        batch = {name: value.to(accelerator.device) for name, value in next(batches).items()}
        with accelerator.autocast():
            loss = model(**batch)
        accelerator.backward(loss)
        torch.nn.utils.clip_grad_norm_(trainable.values(), schedule.clip_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        tokens += int(batch["attention_mask"].sum())
        if step % schedule.log_every == 0 or step == schedule.max_steps:
            value, seconds = _finite(loss, step), time.monotonic() - started
            rates = {"learning_rate": rate.get_last_lr()[0], "tokens_per_second": round(tokens / seconds, 1)}
            log({"step": step, "loss": value, **rates})
        rate.step()
        if step % schedule.eval_every == 0 or step == schedule.max_steps:
            best.offer(step, validate())
            model.train()
    best.restore()
    model.eval()
    return Outcome(best.step, best.value)


def mean_loss(model: nn.Module, batches: Sequence[Batch], accelerator: Accelerator) -> float:
    """Mean of `model`'s loss over every labelled place of fixed batches."""
    model.eval()
    total, count = 0.0, 0
    with torch.no_grad(), accelerator.autocast():
        for batch in batches:
            places = int((batch["labels"] != IGNORED).sum())
            total += float(model(**{name: value.to(accelerator.device) for name, value in batch.items()})) * places
            count += places
    return total / max(1, count)


class _Best:
    """Keeps the trainable weights of the step with the smallest validation value."""

    def __init__(self, trainable: dict[str, nn.Parameter], log: Callable[[dict[str, Any]], None]) -> None:
        self._trainable = trainable
        self._log = log
        self._weights: dict[str, Tensor] = {}
        self.step, self.value = 0, math.inf

    def offer(self, step: int, value: float) -> None:
        """Take the present weights if `value` is smaller than any before."""
        self._log({"step": step, "validation_loss": value})
        if value < self.value:
            self.step, self.value = step, value
            self._weights = {name: p.detach().clone() for name, p in self._trainable.items()}

    def restore(self) -> None:
        """Put the best weights back."""
        with torch.no_grad():
            for name, weights in self._weights.items():
                self._trainable[name].copy_(weights)


def _factor(step: int, schedule: Schedule) -> float:
    """Share of the peak learning rate at `step`, counted from 0."""
    if step < schedule.warmup_steps:
        return (step + 1) / schedule.warmup_steps
    return max(0.0, (schedule.max_steps - step) / max(1, schedule.max_steps - schedule.warmup_steps))


def _finite(loss: Tensor, step: int) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise UserError(f"the loss at step {step} is {value}: lower the learning rate or use precision fp32")
    return value
