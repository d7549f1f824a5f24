"""The one training loop: language adapters and task adapters alike."""

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..workspace.errors import UserError
from .batches import Batch, Feed, Step, ahead, to_device
from .checkpoint import Checkpoint, Checkpoints
from .lr_scheduler import Schedule
from .masking import IGNORED
from .memory import trim_memory
from .metrics_logger import Watch
from .signals import StopRequest

MOST_SKIPPED = 20  # steps whose loss was no number, before the run gives up
TRIM_EVERY = 10  # steps
BUCKET = 2**24  # gradient values sent at a time between processes


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM came; a checkpoint was written."""


@dataclass
class Outcome:
    """How training went; the model holds the weights of the last step."""

    step: int
    """Optimiser steps made, fewer than asked for after early stopping."""
    best_step: int
    best_value: float
    """The smallest validation value."""
    skipped: int
    """Steps left out because their loss was no number."""
    tokens: int
    restore: Callable[[], None]
    """Puts the weights of the best step into the model."""


def fit(
    model: nn.Module,
    feed: Feed,
    schedule: Schedule,
    validate: Callable[[], float],
    accelerator: Accelerator,
    watch: Watch,
    *,
    checkpoints: Checkpoints | None = None,
) -> Outcome:
    """Train the parameters of `model` that require gradients; `model(**batch)` must give the sum of losses of a batch.

    `validate` gives a value to make small; it is asked at the start, every `eval_every` steps and at the end. With
    several processes each works on its share of every step; with `checkpoints` the newest is gone on from. Raises
    UserError when the loss is no number too often, and Stopped, after a checkpoint, when a signal asks for it.
    """
    run = _Run(model, schedule, accelerator, watch, checkpoints)
    after = run.take_up()
    with StopRequest() as stop, closing(watch):
        if run.step == 0:
            run.offer(validate())
        model.train()
        for step in ahead(feed.steps(after)):
            if run.finished:
                break
            run.make(step, stop=stop.came)
            if run.step % schedule.eval_every == 0 or run.step == schedule.max_steps:
                run.offer(validate())
                model.train()
            if run.stopping:
                run.save()
                raise Stopped(f"{watch.label}: stopped after step {run.step}; {run.advice}")
            if checkpoints is not None and run.step % checkpoints.every == 0 and not run.finished:
                run.save()
    watch.finish()
    model.eval()
    return run.outcome()


@dataclass
class _Run:
    """The state of a run between two steps."""

    model: nn.Module
    schedule: Schedule
    accelerator: Accelerator
    watch: Watch
    checkpoints: Checkpoints | None
    step: int = 0
    tokens: int = 0
    skipped: int = 0
    best_step: int = 0
    best_value: float = math.inf
    worse: int = 0
    """Validations since the best one."""
    stopping: bool = False
    best: dict[str, Tensor] = field(default_factory=dict)
    after: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.trained = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self.optimizer = self.schedule.optimizer(self.trained.values())

    @property
    def finished(self) -> bool:
        """True when all steps are made, or early stopping says so."""
        patience = self.schedule.patience
        return self.step >= self.schedule.max_steps or (patience is not None and self.worse >= patience)

    def make(self, step: Step, *, stop: bool) -> None:
        """One optimiser step."""
        self.step += 1
        process = self.accelerator.process_index
        torch.manual_seed(int(np.random.SeedSequence((self.schedule.seed, self.step, process)).generate_state(1)[0]))
        if self.watch.counts_flops:
            with FlopCounterMode(display=False) as counter:
                loss = self._accumulate(step)
            self.watch.flops_counted(counter.get_total_flops(), sum(_size(batch) for batch in step.batches))
        else:
            loss = self._accumulate(step)
        loss, stops = self._reduce(torch.stack([loss, loss.new_tensor(float(stop))])).tolist()
        self.stopping = stops > 0
        norm = nn.utils.clip_grad_norm_(self.trained.values(), self.schedule.clip_norm)
        rate = self.schedule.rate(self.step)
        if math.isfinite(loss) and bool(norm.isfinite()):
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()
        else:
            self._skip()
        self.optimizer.zero_grad(set_to_none=True)
        self.tokens += step.tokens
        self.after = step.after
        if self.step % TRIM_EVERY == 0:
            trim_memory()
        self.watch.stepped(self.step, loss, rate, step.tokens, self.skipped)

    def offer(self, value: float) -> None:
        """Take the present weights as the best if `value` is smaller than any before."""
        self.watch.validated(self.step, value)
        self.worse += 1
        if value < self.best_value or math.isnan(self.best_value) or not self.best:
            self.best_step, self.best_value, self.worse = self.step, value, 0
            self.best = {name: p.detach().clone() for name, p in self.trained.items()}

    def take_up(self) -> dict[str, Any] | None:
        """Load the newest checkpoint; the feed's place after it, or None at the very start."""
        found = self._newest()
        if found is None:
            self.watch.began(0)
            return None
        with torch.no_grad():
            for name, parameter in self.trained.items():
                parameter.copy_(found.tensors[f"weights.{name}"])
                self.best[name] = found.tensors[f"best.{name}"].to(parameter.device)
        names = {id(p): name for name, p in self.trained.items()}
        ordered = [names[id(p)] for group in self.optimizer.param_groups for p in group["params"]]
        own = self.optimizer.state_dict()
        own["state"] = {
            number: {
                kind: found.tensors[f"{kind}.{name}"]
                for kind in ("step", "exp_avg", "exp_avg_sq")
                if f"{kind}.{name}" in found.tensors
            }
            for number, name in enumerate(ordered)
            if f"step.{name}" in found.tensors
        }
        self.optimizer.load_state_dict(own)
        for key in ("step", "tokens", "skipped", "best_step", "best_value", "worse", "after"):
            setattr(self, key, found.facts[key])
        self.watch.began(self.step, found.facts["losses"])
        return self.after

    def _newest(self) -> Checkpoint | None:
        """The checkpoint that the main process can read, in all processes."""
        if self.checkpoints is None:
            return None
        found = self.checkpoints.latest(self.watch.progress) if self.accelerator.is_main_process else None
        step = cast(int | None, broadcast_object_list([found and found.step])[0])
        if step is None or found is not None:
            return found
        return self.checkpoints.read(step)

    def save(self) -> None:
        """Write a checkpoint of the present state."""
        if self.checkpoints is None:
            return
        tensors = {f"weights.{name}": p for name, p in self.trained.items()}
        tensors |= {f"best.{name}": value for name, value in self.best.items()}
        for name, parameter in self.trained.items():
            tensors |= {f"{kind}.{name}": value for kind, value in self.optimizer.state[parameter].items()}
        keys = ("tokens", "skipped", "best_step", "best_value", "worse", "after")
        self.checkpoints.save(
            Checkpoint(self.step, tensors, {key: getattr(self, key) for key in keys} | {"losses": self.watch.losses})
        )

    @property
    def advice(self) -> str:
        """What to do after a stop."""
        return f"run the same command again to {'resume' if self.checkpoints else 'start this task again'}"

    def outcome(self) -> Outcome:
        """What to tell of the run."""
        return Outcome(self.step, self.best_step, self.best_value, self.skipped, self.tokens, self._restore)

    def _restore(self) -> None:
        with torch.no_grad():
            for name, weights in self.best.items():
                self.trained[name].copy_(weights)

    def _accumulate(self, step: Step) -> Tensor:
        """Gradients of this process's share of the step's mean loss; that share."""
        total = torch.zeros((), device=self.accelerator.device)
        places = max(1, step.places)
        for batch in step.batches:
            with self.accelerator.autocast():
                loss = self.model(**to_device(batch, self.accelerator.device)) / places
            loss.backward()
            total += loss.detach()
        penalty = getattr(self.model, "penalty", lambda: None)()
        if penalty is not None and self.accelerator.is_main_process:
            penalty.backward()
            total += penalty.detach()
        return total

    def _reduce(self, scalars: Tensor) -> Tensor:
        """Sum gradients and `scalars` over all processes."""
        if self.accelerator.num_processes == 1:
            return scalars
        for bucket in _buckets(list(self.trained.values())):
            flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket])
            flat = cast(Tensor, self.accelerator.reduce(flat, "sum"))
            for parameter, summed in zip(bucket, flat.split([p.numel() for p in bucket]), strict=True):
                parameter.grad = summed.view_as(parameter)
        return self.accelerator.reduce(scalars, "sum")  # type: ignore[return-value]

    def _skip(self) -> None:
        self.skipped += 1
        if self.skipped >= MOST_SKIPPED:
            raise UserError(
                f"{self.skipped} steps were left out because their loss was no number, the last one {self.step}: lower "
                "training.learning_rate, use training.precision fp32, or look at the text; then train again"
            )


def mean_loss(model: nn.Module, batches: Sequence[Batch], accelerator: Accelerator) -> float:
    """Mean of `model`'s loss over every labelled place of fixed batches, which the processes share."""
    model.eval()
    total = torch.zeros(2, device=accelerator.device)
    with torch.no_grad(), accelerator.autocast():
        for batch in batches[accelerator.process_index :: accelerator.num_processes]:
            places = (batch["labels"] != IGNORED).sum()
            total += torch.stack([model(**to_device(batch, accelerator.device)), places.to(total)])
    loss, places = accelerator.reduce(total, "sum").tolist()  # type: ignore[union-attr]
    return loss / max(1.0, places)


def _size(batch: Batch) -> int:
    mask = batch.get("attention_mask")
    return batch["input_ids"].numel() if mask is None else int(mask.sum())


def _buckets(parameters: list[nn.Parameter]) -> list[list[nn.Parameter]]:
    """The parameters in pieces of at most BUCKET values, or of one."""
    buckets: list[list[nn.Parameter]] = []
    room = 0
    for parameter in parameters:
        if parameter.numel() > room:
            buckets.append([])
            room = max(BUCKET, parameter.numel())
        buckets[-1].append(parameter)
        room -= parameter.numel()
    return buckets
