"""The training loop of language adapters and task adapters: steps, validation, early stopping, checkpoints."""

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..recipes.training import LrSchedulerType
from ..workspace.errors import UserError
from .batches import Batch, Feed, Position, Step, prefetch, to_device
from .checkpoint import Checkpoint, Checkpoints
from .hang_watch import HangWatch, Phase
from .lr_scheduler import learning_rate
from .masking import IGNORE_INDEX
from .memory import trim_memory
from .metrics_logger import MetricsLogger
from .optimizer import load_optimizer_tensors, make_optimizer, optimizer_tensors
from .signals import StopRequest
from .sum_gradients import sum_gradients

# Skipped steps after which a run is given up: a stray overflow passes, a run that diverged does not come back.
MAX_SKIPPED_STEPS = 20
# Steps between two calls of `trim_memory`: each takes some 10 ms, and a step leaves gaps of some MB.
TRIM_EVERY = 10

T = TypeVar("T")


class Stopped(KeyboardInterrupt):
    """Training was stopped by Ctrl-C or SIGTERM; with checkpoints, one was written."""


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """How long and how fast to train. Steps are optimizer steps."""

    max_steps: int
    learning_rate: float
    """Peak learning rate, reached after the warm-up."""
    warmup_steps: int
    weight_decay: float
    max_grad_norm: float
    """Gradients are clipped to this L2 norm."""
    eval_steps: int
    """Steps between two validations."""
    logging_steps: int
    """Steps between two lines of metrics."""
    lr_scheduler_type: LrSchedulerType = "linear"
    early_stopping_patience: int | None = None
    """Early stopping: the number of validations in a row without a better one; None: never."""
    seed: int = 0
    """Dropout depends on (seed, step, process) alone, so that a resumed run drops what the first would have dropped."""
    hang_timeout: float | None = None
    """Seconds without progress after which the processes end; None: a line is printed only."""


@dataclass
class TrainingResult:
    """How training went; the model holds the weights of the last step."""

    steps: int
    """Optimizer steps made: fewer than `max_steps` after early stopping."""
    best_step: int
    best_loss: float
    """The lowest validation loss."""
    skipped_steps: int
    """Steps skipped because the loss or a gradient was NaN or infinite."""
    tokens: int
    """Tokens trained on, padding not counted."""
    restore_best: Callable[[], None]
    """Loads the weights of the best step into the model."""


class GradientRequest(NamedTuple):
    """A step of a run that waits for its gradients."""

    run: "Run"
    step: Step


TrainingLoop = Generator[GradientRequest, Tensor, T]
"""Yields a request for the gradients of each step, and is sent this process's share of the mean loss, a scalar."""


def fit(training: TrainingLoop[T]) -> T:
    """Run one training loop to its end; what it returns. For several at once see together.py."""
    try:
        request = next(training)
        while True:
            try:
                loss = request.run.compute_gradients(request.step)
            except BaseException as error:
                request = training.throw(error)
            else:
                request = training.send(loss)
    except StopIteration as end:
        return end.value


def training_loop(
    model: nn.Module,
    feed: Feed,
    settings: LoopSettings,
    validate: Callable[[], float],
    accelerator: Accelerator,
    logger: MetricsLogger,
    *,
    checkpoints: Checkpoints | None = None,
    stop: StopRequest | None = None,
) -> TrainingLoop[TrainingResult]:
    """Train the parameters of `model` that require gradients; the caller computes the gradients of each step.

    `model(**batch)` gives the sum of the losses of a batch; a method `penalty()`, if there is one, gives a term that is
    added once a step. `validate()` gives the validation loss; it is called at the start, every `eval_steps` steps and
    at the end. With several processes each trains on its share of every step. With `checkpoints` training resumes from
    the newest one.

    Raises:
        UserError: the loss was NaN or infinite in MAX_SKIPPED_STEPS steps, or a checkpoint cannot be written.
        Stopped: Ctrl-C or SIGTERM; a checkpoint is written first.
    """
    watch = HangWatch(
        logger.progress,
        logger.label,
        rank=accelerator.process_index,
        size=accelerator.num_processes,
        folder=checkpoints.folder if checkpoints else None,
        timeout=settings.hang_timeout,
    )
    run = Run(model, settings, accelerator, logger, checkpoints, watch)
    position = run.resume()
    # one of several that are trained together waits for the others, too, and would be named for that
    watched = watch if stop is None else nullcontext()
    with stop or StopRequest() as stop_request, closing(logger), watched:
        if run.step == 0:
            run.record_validation(validate)
        model.train()
        watch.enter(Phase.DATA, run.step)
        for step in prefetch(feed.steps(position)):
            if run.finished:
                break
            yield from run.train_step(step, stop_requested=stop_request.received)
            if run.step % settings.eval_steps == 0 or run.step == settings.max_steps:
                run.record_validation(validate)
            if run.stopping:
                run.save_checkpoint()
                advice = "resume" if checkpoints else "start this task again"
                raise Stopped(f"{logger.label}: stopped after step {run.step}; run the same command again to {advice}")
            if checkpoints is not None and checkpoints.is_due(run.step) and not run.finished:
                run.save_checkpoint()
            watch.enter(Phase.DATA, run.step)
    logger.flush()
    model.eval()
    return run.result()


@dataclass
class Run:
    """The state of a run between two steps."""

    model: nn.Module
    settings: LoopSettings
    accelerator: Accelerator
    logger: MetricsLogger
    checkpoints: Checkpoints | None
    watch: HangWatch
    step: int = 0
    tokens: int = 0
    skipped_steps: int = 0
    best_step: int = 0
    best_loss: float = math.inf
    validations_since_best: int = 0
    stopping: bool = False
    """Whether any process was asked to stop."""
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    position: Position | None = None

    def __post_init__(self) -> None:
        self.trainable = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self.optimizer = make_optimizer(
            self.trainable.values(), self.settings.learning_rate, self.settings.weight_decay
        )

    @property
    def finished(self) -> bool:
        """True after `max_steps`, or when early stopping applies."""
        patience = self.settings.early_stopping_patience
        stops_early = patience is not None and self.validations_since_best >= patience
        return self.step >= self.settings.max_steps or stops_early

    @property
    def dropout_seed(self) -> int:
        """Of the random numbers of the present step in this process."""
        numbers = (self.settings.seed, self.step, self.accelerator.process_index)
        return int(np.random.SeedSequence(numbers).generate_state(1)[0])

    def train_step(self, step: Step, *, stop_requested: bool) -> TrainingLoop[None]:
        """Make one optimizer step: gradients, their sum over processes, clipping, the update, logging."""
        self.watch.enter(Phase.FORWARD_BACKWARD, self.step)
        self.step += 1
        loss = yield GradientRequest(self, step)
        if self.accelerator.num_processes > 1:
            self.watch.enter(Phase.GRADIENT_EXCHANGE, self.step - 1)
        # The request to stop travels with the loss: a signal may reach one process only, and all must stop together.
        scalars = torch.stack([loss, loss.new_tensor(float(stop_requested))])
        mean_loss, stop_requests = sum_gradients([*self.trainable.values()], scalars, self.accelerator).tolist()
        self.stopping = stop_requests > 0
        norm = nn.utils.clip_grad_norm_(self.trainable.values(), self.settings.max_grad_norm)
        rate = self._learning_rate()
        if math.isfinite(mean_loss) and bool(norm.isfinite()):
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()
        else:
            self._skip_step()
        self.optimizer.zero_grad(set_to_none=True)
        self.tokens += step.tokens
        self.position = step.position
        if self.step % TRIM_EVERY == 0:
            trim_memory()
        self.logger.log_step(
            self.step,
            loss=mean_loss,
            learning_rate=rate,
            tokens=step.tokens,
            skipped_steps=self.skipped_steps,
        )

    def record_validation(self, validate: Callable[[], float]) -> None:
        """Keep a copy of the weights if the validation loss is the lowest so far (a NaN at the start is beaten)."""
        self.watch.enter(Phase.VALIDATION, self.step)
        loss = validate()
        self.model.train()
        self.logger.log_validation(self.step, loss)
        self.validations_since_best += 1
        if loss < self.best_loss or math.isnan(self.best_loss) or not self.best_weights:
            self.best_step, self.best_loss, self.validations_since_best = self.step, loss, 0
            self.best_weights = {name: p.detach().clone() for name, p in self.trainable.items()}

    def resume(self) -> Position | None:
        """Load the newest checkpoint; the position of the step after it, or None where there is none."""
        checkpoint = self._newest_checkpoint()
        if checkpoint is None:
            self.logger.start(0)
            return None
        with torch.no_grad():
            for name, parameter in self.trainable.items():
                parameter.copy_(checkpoint.tensors[f"weights.{name}"])
                self.best_weights[name] = checkpoint.tensors[f"best.{name}"].to(parameter.device)
        load_optimizer_tensors(self.optimizer, self.trainable, checkpoint.tensors)
        facts = checkpoint.facts
        self.step, self.tokens, self.skipped_steps = facts["step"], facts["tokens"], facts["skipped"]
        self.best_step, self.best_loss = facts["best_step"], facts["best_value"]
        self.validations_since_best, self.position = facts["worse"], facts["after"]
        self.logger.progress.say(f"resuming from step {self.step} of {self.settings.max_steps}")
        self.logger.start(self.step, facts["losses"])
        return self.position

    def save_checkpoint(self) -> None:
        """Write a checkpoint of the present state, so complete that a resumed run gives the same weights to the bit.

        Weights, best weights, the optimizer's state, counts, the position in the data and the losses that are not yet
        logged. Random numbers need no state: masks, order and dropout are seeded by epoch or step.
        """
        if self.checkpoints is None:
            return
        self.watch.enter(Phase.CHECKPOINT, self.step)
        tensors = {f"weights.{name}": p for name, p in self.trainable.items()}
        tensors |= {f"best.{name}": value for name, value in self.best_weights.items()}
        tensors |= optimizer_tensors(self.optimizer, self.trainable)
        facts = {  # the names of earlier versions, whose checkpoints can be resumed from
            "tokens": self.tokens,
            "skipped": self.skipped_steps,
            "best_step": self.best_step,
            "best_value": self.best_loss,
            "worse": self.validations_since_best,
            "after": self.position,
            "losses": self.logger.losses,
        }
        self.checkpoints.save(Checkpoint(self.step, tensors, facts))

    def result(self) -> TrainingResult:
        """The result of the run as it is now."""
        return TrainingResult(
            self.step, self.best_step, self.best_loss, self.skipped_steps, self.tokens, self._restore_best
        )

    def _restore_best(self) -> None:
        with torch.no_grad():
            for name, weights in self.best_weights.items():
                self.trainable[name].copy_(weights)

    def _newest_checkpoint(self) -> Checkpoint | None:
        """The newest checkpoint that the main process can read, the same in all processes."""
        if self.checkpoints is None:
            return None
        is_main = self.accelerator.is_main_process
        checkpoint = self.checkpoints.latest(self.logger.progress) if is_main else None
        step = cast(int | None, broadcast_object_list([checkpoint and checkpoint.step])[0])
        if step is None or is_main:
            return checkpoint
        return self.checkpoints.read(step)

    def _learning_rate(self) -> float:
        return learning_rate(
            self.step,
            peak=self.settings.learning_rate,
            warmup_steps=self.settings.warmup_steps,
            max_steps=self.settings.max_steps,
            lr_scheduler_type=self.settings.lr_scheduler_type,
        )

    def compute_gradients(self, step: Step) -> Tensor:
        """Answer the step's `GradientRequest` by itself; its FLOPs are counted if the logger needs them."""
        torch.manual_seed(self.dropout_seed)
        if not self.logger.needs_flops:
            return self._accumulate(step)
        with FlopCounterMode(display=False) as counter:
            loss = self._accumulate(step)
        self.logger.record_flops(counter.get_total_flops(), sum(_token_count(batch) for batch in step.batches))
        return loss

    def _accumulate(self, step: Step) -> Tensor:
        """Gradients of this process's share of the step's mean loss; that share, a scalar.

        Each forward's sum of losses is divided by the labelled tokens of the whole step, so that the sum over forwards
        and processes is the mean over tokens, however the step is cut. No GradScaler: bf16 has fp32's exponent range,
        and the trained weights and their gradients are fp32.
        """
        share = torch.zeros((), device=self.accelerator.device)
        labelled_tokens = max(1, step.labelled_tokens)
        for batch in step.batches:
            with self.accelerator.autocast():
                loss = self.model(**to_device(batch, self.accelerator.device)) / labelled_tokens
            loss.backward()
            share += loss.detach()
        penalty = getattr(self.model, "penalty", lambda: None)()
        if penalty is not None and self.accelerator.is_main_process:  # once, not once a process
            penalty.backward()
            share += penalty.detach()
        return share

    def _skip_step(self) -> None:
        self.skipped_steps += 1
        if self.skipped_steps >= MAX_SKIPPED_STEPS:
            raise UserError(
                f"{self.skipped_steps} steps were skipped because the loss was NaN or infinite, the last one "
                f"{self.step}: lower training.learning_rate, set training.precision to fp32, or check the text; then "
                "train again"
            )


def mean_loss(model: nn.Module, batches: Sequence[Batch], accelerator: Accelerator) -> float:
    """Mean of `model`'s loss over the labelled tokens of batches, which the processes share between them."""
    model.eval()
    totals = torch.zeros(2, device=accelerator.device)
    with torch.no_grad(), accelerator.autocast():
        for batch in batches[accelerator.process_index :: accelerator.num_processes]:
            labelled_tokens = (batch["labels"] != IGNORE_INDEX).sum()
            totals += torch.stack([model(**to_device(batch, accelerator.device)), labelled_tokens.to(totals)])
    loss, labelled_tokens = accelerator.reduce(totals, "sum").tolist()  # type: ignore[union-attr]
    return loss / max(1.0, labelled_tokens)


def _token_count(batch: Batch) -> int:
    """Tokens of a batch, padding not counted."""
    mask = batch.get("attention_mask")
    return batch["input_ids"].numel() if mask is None else int(mask.sum())
