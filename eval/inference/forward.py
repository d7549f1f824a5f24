"""Forward passes of task models: inputs in batches of similar length, those of several tasks side by side."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from ...training.batches import collate
from ...training.fast.packing import encode
from ...training.task_model import ACTIVATIONS, TaskModel
from ..compat import adapters_by_sample

BATCH_SIZE = 32


@dataclass(frozen=True)
class Inputs:
    """What a task model is to read."""

    model: TaskModel
    ids: Sequence[list[int]]
    """Token ids of each input, special tokens included."""
    token_types: Sequence[list[int]] | None = None
    """Of pairs of texts."""


@dataclass(frozen=True)
class _Row:
    """One input, and its place among all."""

    model: TaskModel
    ids: list[int]
    token_types: list[int]
    task: int
    number: int


def outputs_of(tasks: Sequence[Inputs], pad_token_id: int) -> list[list[Tensor]]:
    """Probabilities or scores for each input of each task: (outputs,), or (seq, classes) per token.

    The models of several tasks must share one encoder, and have a `stack` of adapters in it each.
    """
    rows = [
        _Row(inputs.model, ids, types, task, number)
        for task, inputs in enumerate(tasks)
        for number, (ids, types) in enumerate(
            zip(inputs.ids, inputs.token_types or [[0] * len(ids) for ids in inputs.ids], strict=True)
        )
    ]
    rows.sort(key=lambda row: len(row.ids))
    outputs: list[dict[int, Tensor]] = [{} for _ in tasks]
    for first in range(0, len(rows), BATCH_SIZE):
        _forward(rows[first : first + BATCH_SIZE], pad_token_id, outputs)
    return [[of_task[number] for number in range(len(of_task))] for of_task in outputs]


@torch.no_grad()
def _forward(rows: Sequence[_Row], pad_token_id: int, outputs: list[dict[int, Tensor]]) -> None:
    """One forward pass through the encoder, and one through the head of each task; fills `outputs`."""
    model = rows[0].model
    device = next(model.parameters()).device
    batch = {name: column.to(device) for name, column in collate([row.ids for row in rows], pad_token_id).items()}
    types = None
    if model.layout.token_types:
        types = collate([row.token_types for row in rows], 0)["input_ids"].to(device)
    stacks = [row.model.stack for row in rows if row.model.stack is not None]
    with adapters_by_sample(model.adapted, stacks) if stacks else nullcontext():
        hidden = encode(model.encoder, batch["input_ids"], batch["attention_mask"], token_type_ids=types)
    for task in {row.task for row in rows}:
        places = [place for place, row in enumerate(rows) if row.task == task]
        head = rows[places[0]].model
        logits = head.head_logits(hidden[places], batch["attention_mask"][places])
        answers = ACTIVATIONS[head.problem_type](logits.float()).cpu()
        outputs[task].update(zip((rows[place].number for place in places), answers, strict=True))
