"""Training several language adapters on one base at once.

Each is trained as by itself, with its own data, masks, dropout, optimizer, learning rate, validation, checkpoints and
early stopping. Only the forward and backward pass of a step is shared: the base is in memory once, and the sequences of
all go through it in one row (fast/joint_row.py). One that has ended leaves the row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..recipes.schema import Recipe
from ..workspace.artifacts import Artifact, Prepared
from ..workspace.errors import UserError
from ..workspace.progress import QUIET, Progress, Quiet
from .batches import Batch, to_device
from .fast.joint_row import JointRow, RandomStream
from .fast.linear import Linear
from .fast.packing import Packing, encode
from .language_adapter import TrainingGroup, training_of
from .loop import GradientRequest, Stopped, TrainingLoop
from .mlm import MaskedLM
from .signals import StopRequest


def train_together(
    members: Mapping[str, tuple[Recipe, Prepared]], workspace: Path, progress: Progress = QUIET, *, resume: bool = True
) -> None:
    """Train the adapters of recipes, by labels, with one base and one `adapter` section, unless they exist.

    One that fails is reported, and the others go on. Raises UserError, with nothing lost, where they cannot be trained
    together, and Stopped when a signal came.
    """
    group = TrainingGroup(len(members), StopRequest())
    lines: dict[str, str] = {}
    trainings = {
        label: training_of(
            recipe, workspace, prepared, _MemberProgress(label, progress, lines), resume=resume, group=group
        )
        for label, (recipe, prepared) in members.items()
    }
    _Trainings(trainings, group.stop, progress).fit()


class _MemberProgress(Quiet):
    """The progress of one adapter, which is a line in the table of all."""

    def __init__(self, label: str, progress: Progress, lines: dict[str, str]) -> None:
        self._label, self._progress, self._lines = label, progress, lines

    def say(self, text: str) -> None:
        """Print a line that begins with the label."""
        self._progress.say(f"{self._label}: {text}")

    def status(self, facts: Mapping[str, str]) -> None:
        """Show the facts below those of the adapters before it; memory and time left are those of all."""
        of_all = {"memory": facts["memory"]} if "memory" in facts else {}
        of_adapter = [f"{name} {value}" for name, value in facts.items() if name not in ("memory", "remaining")]
        self._lines[self._label] = ", ".join(of_adapter)
        lines = "\n".join(f"{label}: {line}" for label, line in self._lines.items())
        self._progress.status({"adapters": lines} | of_all)


@dataclass
class _Trainings:
    """Trainings by label, and what they are waiting for."""

    trainings: Mapping[str, TrainingLoop[Artifact]]
    stop: StopRequest
    progress: Progress
    waiting: dict[str, GradientRequest] = field(default_factory=dict)
    stopped: list[Stopped] = field(default_factory=list)

    def fit(self) -> None:
        """Answer the requests of all, one of each at a time, until all have ended. For errors see `train_together`."""
        try:
            for label in self.trainings:
                if self.stop.received:  # those that have started end after their next step
                    break
                self._advance(label, None)
                if label in self.waiting:
                    self._join(self.waiting[label])
            runs = [request.run for request in self.waiting.values()]
            total = max((run.settings.max_steps - run.step + 1 for run in runs), default=0)
            for _ in self.progress.track(self._steps(), f"train {len(runs)} adapters together, steps", total):
                pass
        except torch.OutOfMemoryError as error:
            raise UserError(f"{len(self.trainings)} adapters at once do not fit into the GPU's memory") from error
        finally:
            for training in self.trainings.values():
                training.close()
        if self.stopped:
            raise self.stopped[0]

    def _steps(self) -> Iterator[None]:
        while self.waiting:
            losses = compute_gradients([*self.waiting.values()])
            for label, loss in zip([*self.waiting], losses, strict=True):
                self._advance(label, loss)
            yield

    def _advance(self, label: str, loss: Tensor | None) -> None:
        """Let a training go on to its next step, or to its end; None starts it."""
        self.waiting.pop(label, None)
        try:
            self.waiting[label] = self.trainings[label].send(cast(Tensor, loss))
        except StopIteration:
            pass
        except Stopped as error:
            self.stopped.append(error)
        except torch.OutOfMemoryError:
            raise
        except UserError as error:
            self.progress.say(f"{label}: {error}")
        except Exception as error:  # which its own training, the next step, may raise again
            self.progress.say(f"{label}: {type(error).__name__}: {error}")

    def _join(self, request: GradientRequest) -> None:
        """Let a run that has just started use the first one's base. Raises UserError if it cannot share a row."""
        model = cast(MaskedLM, request.run.model)
        if not model.layout.packed:
            raise UserError("this base takes padded batches")
        if request.run.accelerator.device.type not in ("cpu", "cuda"):
            raise UserError("on this device random numbers cannot be drawn for each adapter")
        share_base(next(iter(self.waiting.values())).run.model, model)


def share_base(model: nn.Module, other: nn.Module) -> None:
    """Let the frozen weights of the other model be this one's. Raises UserError if they differ."""
    weights = dict(model.named_parameters())
    for name, parameter in other.named_parameters():
        if not parameter.requires_grad:
            if not torch.equal(parameter, weights[name]):
                raise UserError(f"their bases differ in {name}")
            parameter.data = weights[name].data


def compute_gradients(requests: Sequence[GradientRequest]) -> list[Tensor]:
    """For each run the gradients of its step, and the loss, as `Run.compute_gradients` gives them."""
    if len(requests) == 1:
        return [requests[0].run.compute_gradients(requests[0].step)]
    accelerator = requests[0].run.accelerator
    device = accelerator.device
    streams = [RandomStream(request.run.dropout_seed, device) for request in requests]
    totals = [torch.zeros((), device=device) for _ in requests]
    # steps are cut into forwards, and not all into as many
    for batches in zip_longest(*(request.step.batches for request in requests)):
        numbers = [number for number, batch in enumerate(batches) if batch is not None]
        with accelerator.autocast():
            losses = _losses(
                [cast(MaskedLM, requests[number].run.model) for number in numbers],
                [to_device(batches[number], device) for number in numbers],
                [streams[number] for number in numbers],
            )
            shares = [
                loss / max(1, requests[number].step.labelled_tokens)
                for number, loss in zip(numbers, losses, strict=True)
            ]
        torch.stack(shares).sum().backward()
        for number, share in zip(numbers, shares, strict=True):
            totals[number] += share.detach()
    return totals


def _losses(models: Sequence[MaskedLM], batches: Sequence[Batch], streams: Sequence[RandomStream]) -> Iterator[Tensor]:
    """The sum of the losses of each model's batch: the base's layers see all of them at once."""
    packings = [batch["packing"] for batch in batches]
    layers = [_trained_layers(model) for model in models]
    row = JointRow(
        [batch["input_ids"].shape[1] for batch in batches],
        packings,
        streams,
        dict(zip(layers[0], zip(*layers, strict=True), strict=True)),
    )
    inputs: dict[str, Any] = {
        name: torch.cat([batch[name] for batch in batches], 1) for name in ("input_ids", "position_ids")
    }
    with row:
        packing = Packing(tuple(group for part in packings for group in part.groups))
        hidden = encode(models[0].encoder, **inputs, packing=packing)
    for model, stream, part, batch in zip(models, streams, hidden.split(row.lengths, 1), batches, strict=True):
        with stream:
            loss = model.loss(part, batch["labels"])
        yield loss


def _trained_layers(model: nn.Module) -> list[Linear]:
    return [module for module in model.modules() if isinstance(module, Linear) and module.weight.requires_grad]
