"""From tokenised sequences to training steps: which sequences, on which device, in what shape."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from .families import family_of
from .fast.packing import ATTENTION, Packing
from .masking import IGNORE_INDEX, Masking, random_for
from .tokens import Sequences

# Batches whose sequences are sorted by length together: enough that a batch holds like lengths (3% padding, see
# tests/training/test_batches.py), few enough that the order stays random.
SORT_WINDOW = 64

Batch = dict[str, Any]
"""Keyword arguments of a model's forward."""
Position = dict[str, Any]
"""A position in the data, JSON-ready, for checkpoints."""


class Step(NamedTuple):
    """The data of one optimizer step."""

    batches: list[Batch]
    """This process's share, one forward each; may be empty."""
    labelled_tokens: int
    """Tokens with a label in the whole step, over all processes: what the mean loss is divided by."""
    tokens: int
    """Tokens in the whole step, padding not counted."""
    position: Position
    """Where the next step begins."""


class Feed(Protocol):
    """An endless supply of steps that can start anywhere."""

    def steps(self, start: Position | None = None) -> Iterator[Step]:
        """Steps from a position, the `Step.position` of an earlier step; None: from the beginning."""
        ...


@dataclass(frozen=True)
class Layout:
    """How a model takes its sequences: packed side by side in one row, or padded."""

    pad_id: int
    packed: bool
    first_position: int = 0
    """Position id of a sequence's first token."""
    token_types: bool = False
    """Whether the model tells the two texts of a pair apart by token types."""

    def batch(
        self, ids: Sequence[np.ndarray], labels: Sequence[np.ndarray], token_types: Sequence[np.ndarray] = ()
    ) -> Batch:
        """A batch of sequences of token ids, their labels and perhaps token types, each (length,).

        Packed: `input_ids`, `position_ids` and `labels`, (1, tokens), and `packing`. Padded: `input_ids`,
        `attention_mask` and `labels`, (batch, longest). Where the model reads them also `token_type_ids`.
        """
        batch: Batch
        if self.packed:
            batch = {
                "input_ids": _in_a_row(ids),
                "position_ids": _in_a_row([np.arange(len(row)) for row in ids]) + self.first_position,
                "labels": _in_a_row(labels),
                "packing": Packing.from_lengths([len(row) for row in ids]),
            }
        else:
            batch = {**collate(ids, self.pad_id), "labels": collate(labels, IGNORE_INDEX)["input_ids"]}
        if token_types and self.token_types:
            batch["token_type_ids"] = _in_a_row(token_types) if self.packed else collate(token_types, 0)["input_ids"]
        return batch


def _in_a_row(sequences: Sequence[np.ndarray]) -> Tensor:
    """Sequences side by side, (1, tokens)."""
    return torch.from_numpy(np.concatenate(sequences))[None]


def use_layout(model: Any) -> Layout:
    """The layout of a transformers model; where its family supports packing, its attention is set to the packed one."""
    family = family_of(model.config.model_type)
    if family.supports_packing:
        model.set_attn_implementation(ATTENTION)
    token_types = (getattr(model.config, "type_vocab_size", None) or 0) > 1
    first_position = family.first_position(model.config)
    return Layout(model.config.pad_token_id or 0, family.supports_packing, first_position, token_types)


@dataclass
class Sampler:
    """Batches of one data set, epoch after epoch; their content and order depend on seed and epoch alone."""

    data: Sequences
    batch_tokens: int
    batch_sequences: int | None
    seed: int
    epoch: int = 0
    batch_number: int = 0
    """The next batch's number within the epoch."""
    _plan: list[np.ndarray] = field(default_factory=list)
    _planned_epoch: int = -1

    @property
    def tokens_per_batch(self) -> float:
        """Mean over the first epoch."""
        plan = plan_batches(self.data.lengths, self.batch_tokens, random_for(self.seed, 0), self.batch_sequences)
        return float(self.data.lengths.sum()) / len(plan)

    def next_batch(self) -> tuple[list[np.ndarray], tuple[int, int]]:
        """The ids of the next batch's sequences, shortest first, and its (epoch, number)."""
        if self._planned_epoch != self.epoch:
            rng = random_for(self.seed, self.epoch)
            self._plan = plan_batches(self.data.lengths, self.batch_tokens, rng, self.batch_sequences)
            self._planned_epoch = self.epoch
        drawn = self.epoch, self.batch_number
        sequences = self.data.rows(self._plan[self.batch_number])
        self.batch_number += 1
        if self.batch_number == len(self._plan):
            self.epoch, self.batch_number = self.epoch + 1, 0
        return sequences, drawn


@dataclass
class MaskedSteps:
    """Steps of masked language modelling from one or several data sets at once; a `Feed`.

    The masks depend on (seed, data set, epoch, batch number) alone: neither the number of processes nor the way a step
    is cut into forwards changes them.
    """

    samplers: list[Sampler]
    masking: Masking
    layout: Layout
    device_tokens: int
    """Maximum number of tokens in one forward."""
    processes: int = 1
    process: int = 0
    anchored: bool = False
    """Whether batches hold the `sequence_weight` of `Anchored`."""

    def steps(self, start: Position | None = None) -> Iterator[Step]:
        """See `Feed`."""
        starts = start["samplers"] if start else [(0, 0)] * len(self.samplers)
        for sampler, (epoch, batch_number) in zip(self.samplers, starts, strict=True):
            sampler.epoch, sampler.batch_number = epoch, batch_number
        while True:
            yield self._step()

    def _step(self) -> Step:
        ids: list[np.ndarray] = []
        labels: list[np.ndarray] = []
        for data_set, sampler in enumerate(self.samplers):
            sequences, drawn = sampler.next_batch()
            rng = random_for(sampler.seed, data_set, *drawn)
            # One call for the whole batch is faster than one a sequence.
            masked, batch_labels = self.masking.apply(np.concatenate(sequences), rng)
            boundaries = np.cumsum([len(sequence) for sequence in sequences])[:-1]
            ids += np.split(masked, boundaries)
            labels += np.split(batch_labels, boundaries)
        labelled_tokens = sum(int((row != IGNORE_INDEX).sum()) for row in labels)
        lengths = np.array([len(row) for row in ids])
        forwards = split_between_processes(lengths, self.processes, self.device_tokens)[self.process]
        batches = [self.layout.batch([ids[n] for n in rows], [labels[n] for n in rows]) for rows in forwards]
        if self.anchored:
            weight = torch.tensor(labelled_tokens / len(ids))
            batches = [{**batch, "sequence_weight": weight} for batch in batches]
        position = {"samplers": [[sampler.epoch, sampler.batch_number] for sampler in self.samplers]}
        return Step(batches, labelled_tokens, int(lengths.sum()), position)


def collate(sequences: Sequence[Sequence[int] | np.ndarray], pad_id: int) -> dict[str, Tensor]:
    """`input_ids` and `attention_mask`, both (batch, longest), padded on the right."""
    longest = max(map(len, sequences))
    ids = torch.full((len(sequences), longest), pad_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.as_tensor(sequence)
        mask[row, : len(sequence)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def plan_batches(
    lengths: np.ndarray, batch_tokens: int, rng: np.random.Generator, batch_sequences: int | None = None
) -> list[np.ndarray]:
    """Group sequence numbers into batches in random order: of `batch_sequences`, else of at most `batch_tokens`.

    Each sequence counts as if it were as long as the longest of its batch. Sequences of like length go together, sorted
    within windows only, so that an epoch's order stays random. A sequence longer than the budget is a batch by itself.
    """
    if not len(lengths):
        return []
    order = rng.permutation(len(lengths))
    window_size = SORT_WINDOW * (batch_sequences or max(1, int(batch_tokens / float(lengths.mean()))))
    batches: list[np.ndarray] = []
    for start in range(0, len(order), window_size):
        window = order[start : start + window_size]
        window = window[np.argsort(lengths[window], kind="stable")]
        if batch_sequences:
            batches += [window[first : first + batch_sequences] for first in range(0, len(window), batch_sequences)]
        else:
            batches += _cut_by_tokens(window, lengths, batch_tokens)
    return [batches[number] for number in rng.permutation(len(batches))]


def split_between_processes(lengths: np.ndarray, processes: int, device_tokens: int) -> list[list[np.ndarray]]:
    """For each process the sequence numbers of its forwards, of at most `device_tokens` each; about equal work for all.

    Sequences are dealt out from the longest on, in alternating direction like the picks of a draft: in one direction
    the first process would get the longest of every round.
    """
    order = np.argsort(lengths, kind="stable")
    rounds = [order[start : start + processes] for start in range(0, len(order), processes)]
    picks = [row if number % 2 else row[::-1] for number, row in enumerate(reversed(rounds))]
    shares = []
    for process in range(processes):
        numbers = np.array([row[process] for row in picks if process < len(row)], dtype=np.int64)
        ascending = numbers[np.argsort(lengths[numbers], kind="stable")]
        shares.append(_cut_by_tokens(ascending, lengths, device_tokens))
    return shares


def prefetch(steps: Iterator[Step]) -> Iterator[Step]:
    """The same steps, each made in a thread while the one before it is trained on."""
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(next, steps)
        while True:
            step = pending.result()
            pending = pool.submit(next, steps)
            yield step


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with everything on `device`."""
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}


def _cut_by_tokens(order: np.ndarray, lengths: np.ndarray, max_tokens: int) -> list[np.ndarray]:
    """Cut sequence numbers, ascending in length, into batches whose padded size is at most `max_tokens`."""
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        # order[end] would be the longest of the batch order[start : end + 1]
        if end == len(order) or (end + 1 - start) * lengths[order[end]] > max_tokens:
            batches.append(order[start:end])
            start = end
    return batches
