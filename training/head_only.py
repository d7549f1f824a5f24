"""A task's head trained alone on the frozen base: what a task scores without any adapter.

The hidden states are computed once, without dropout, so that this takes little longer than one pass over the data.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..recipes.task_kinds import ProblemType
from ..recipes.training import Precision, TaskTraining
from ..workspace.progress import QUIET, Progress
from .batches import Batch, Position, Step, to_device
from .masking import IGNORE_INDEX
from .precision import make_accelerator
from .task_adapter import ScoreScale, fit_task, in_batches, task_model
from .task_model import LOSSES, Example, TaskModel, batch_targets, make_batch


def train_head(  # noqa: PLR0913
    base: PreTrainedModel,
    train: Sequence[Example],
    validation: Sequence[Example],
    outputs: int,
    settings: TaskTraining,
    *,
    problem_type: ProblemType = "single_label_classification",
    precision: Precision,
    seed: int,
    progress: Progress = QUIET,
    label: str = "train task head",
) -> TaskModel:
    """The head of `train_task` on `base` (frozen in place) without a task adapter, with the same settings.

    Keeps what the head reads in memory: 4 bytes times the hidden size for each text, or for each labelled token.
    """
    set_seed(seed)
    accelerator, _ = make_accelerator(precision)
    model = task_model(base.requires_grad_(False), outputs, train, settings, problem_type)
    model.to(accelerator.device).adapted.eval()
    scale = ScoreScale.of(train, problem_type)
    train, validation = scale.standardise(train), scale.standardise(validation)
    inputs = [_head_inputs(model, examples, settings.batch_size, accelerator) for examples in (train, validation)]
    feed = _ShuffledInputs(inputs[0], settings.batch_size, seed)
    validation_batches = [_batch(rows) for rows in in_batches(inputs[1], settings.batch_size)]
    fit_task(
        _Head(model.head, problem_type),
        feed,
        len(train),
        validation_batches,
        settings,
        accelerator,
        seed=seed,
        progress=progress,
        label=label,
    )
    scale.restore(model)
    return model


class _Head(nn.Module):
    """The head as a model of its own, for the training loop."""

    def __init__(self, head: nn.Module, problem_type: ProblemType) -> None:
        super().__init__()
        self.head = head
        self.problem_type: ProblemType = problem_type

    def forward(self, inputs: Tensor, labels: Tensor, targets: Tensor | None = None) -> Tensor:
        """(n, hidden), labels (n,) and perhaps targets (n, outputs) -> the sum of the losses: a scalar in fp32."""
        return LOSSES[self.problem_type](self.head(inputs).float(), batch_targets(labels, targets))


LabelledInputs = dict[str, Tensor]
"""Of one example, on the CPU: what the head reads of its labelled tokens, `inputs` (n, hidden), their `labels` (n,),
and their `targets` (n, outputs) if they are to learn numbers."""


def _head_inputs(
    model: TaskModel, examples: Sequence[Example], batch_size: int, accelerator: Accelerator
) -> list[LabelledInputs]:
    """Those of each example, in the order of `examples`."""
    order = sorted(range(len(examples)), key=lambda number: len(examples[number].input_ids))
    by_number: dict[int, LabelledInputs] = {}
    for numbers in in_batches(order, batch_size):
        batch = to_device(make_batch([examples[number] for number in numbers], model.layout), accelerator.device)
        with torch.no_grad(), accelerator.autocast():
            hidden = model.head_inputs(**batch).float().cpu()
        columns = {"inputs": hidden, "labels": batch["labels"][batch["labels"] != IGNORE_INDEX].cpu()}
        if "targets" in batch:
            columns["targets"] = batch["targets"].cpu()
        counts = [np.count_nonzero(np.atleast_1d(examples[number].label) != IGNORE_INDEX) for number in numbers]
        parts = {name: column.split(counts) for name, column in columns.items()}
        by_number |= {
            number: {name: part[place] for name, part in parts.items()} for place, number in enumerate(numbers)
        }
    return [by_number[number] for number in range(len(examples))]


def _batch(rows: Sequence[LabelledInputs]) -> Batch:
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


@dataclass(frozen=True)
class _ShuffledInputs:
    """Inputs of the head, epoch after epoch, each in its own order; a `Feed` that always starts at the beginning."""

    inputs: Sequence[LabelledInputs]
    batch_size: int
    seed: int

    def steps(self, start: Position | None = None) -> Iterator[Step]:
        """See `Feed`."""
        for epoch in itertools.count():
            order = np.random.default_rng((self.seed, epoch)).permutation(len(self.inputs))
            for rows in in_batches([self.inputs[number] for number in order], self.batch_size):
                batch = _batch(rows)
                yield Step([batch], len(batch["labels"]), len(batch["labels"]), {})
