"""A task's head trained alone on the frozen base: what a task scores without any adapter.

The hidden states are computed once, without dropout, so that this takes little longer than one pass over the data.
"""

from collections.abc import Sequence

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ..recipes.task_kinds import ProblemType
from .batches import Batch, to_device
from .masking import IGNORE_INDEX
from .task_model import LOSSES, Example, TaskModel, batch_targets, make_batch, numbers_by_length


class Head(nn.Module):
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


def head_inputs(
    model: TaskModel, examples: Sequence[Example], batch_size: int, accelerator: Accelerator
) -> list[LabelledInputs]:
    """Those of each example, in the order of `examples`."""
    by_number: dict[int, LabelledInputs] = {}
    for numbers in numbers_by_length(examples, batch_size):
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


def join_inputs(rows: Sequence[LabelledInputs]) -> Batch:
    """A batch for `Head`."""
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
