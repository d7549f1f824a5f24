"""From tokenised sequences to the steps of training: which sequences, on which device, in what shape."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from .families import family_of
from .fast.packing import ATTENTION, Packing
from .masking import IGNORED, Masking, random_for
from .tokens import Sequences

WINDOW = 64  # batches whose sequences are sorted by length together: short enough to keep the order random

Batch = dict[str, Any]
Place = dict[str, Any]


class Step(NamedTuple):
    """What one optimiser step is made from."""

    batches: list[Batch]
    """This process's share, as keyword arguments of the model, one forward each; may be empty."""
    places: int
    """Labelled places in the whole step, over all processes."""
    tokens: int
    """Tokens in the whole step, padding not counted."""
    after: Place
    """Where to go on after it; JSON."""


class Feed(Protocol):
    """An endless supply of steps that can be taken up anywhere."""

    def steps(self, after: Place | None = None) -> Iterator[Step]:
        """From the start, or from where a step's `after` says."""
        ...


@dataclass(frozen=True)
class Layout:
    """How a model wants its sequences: side by side in one row, or padded."""

    pad_id: int
    packs: bool
    first_position: int = 0

    def batch(self, ids: Sequence[np.ndarray], labels: Sequence[np.ndarray]) -> Batch:
        """`input_ids` and `labels` of one shape: (1, tokens) with `position_ids` and `packing`, or (batch, longest)
        with `attention_mask`."""
        if not self.packs:
            batch = collate(ids, self.pad_id)
            return {**batch, "labels": collate(labels, IGNORED)["input_ids"]}
        positions = np.concatenate([np.arange(len(row)) for row in ids]) + self.first_position
        row = (np.concatenate(ids), positions, np.concatenate(labels))
        ids_, positions_, labels_ = (torch.from_numpy(some)[None] for some in row)
        packing = Packing.of([len(one) for one in ids])
        return {"input_ids": ids_, "position_ids": positions_, "labels": labels_, "packing": packing}


def lay_out(model: Any) -> Layout:
    """How this transformers model wants its sequences; where its family packs, its attention becomes one that does."""
    family = family_of(model.config.model_type)
    if family.packs:
        model.set_attn_implementation(ATTENTION)
    return Layout(model.config.pad_token_id or 0, family.packs, family.first_position(model.config))


@dataclass
class Sampler:
    """Batches of one set of sequences, epoch after epoch; which and in what order depends on seed and epoch alone."""

    data: Sequences
    batch_tokens: int
    batch_sequences: int | None
    seed: int
    epoch: int = 0
    number: int = 0
    _plan: list[np.ndarray] = field(default_factory=list)
    _planned: int = -1

    @property
    def tokens_per_batch(self) -> float:
        """Mean over the first epoch."""
        plan = plan_batches(self.data.lengths, self.batch_tokens, random_for(self.seed, 0), self.batch_sequences)
        return float(self.data.lengths.sum()) / len(plan)

    def draw(self) -> tuple[list[np.ndarray], tuple[int, int]]:
        """The ids of the next batch's sequences, shortest first, and its (epoch, number)."""
        if self._planned != self.epoch:
            random = random_for(self.seed, self.epoch)
            self._plan = plan_batches(self.data.lengths, self.batch_tokens, random, self.batch_sequences)
            self._planned = self.epoch
        where = self.epoch, self.number
        rows = self._plan[self.number]
        self.number += 1
        if self.number == len(self._plan):
            self.epoch, self.number = self.epoch + 1, 0
        return self.data.rows(rows), where


@dataclass
class MaskedSteps:
    """Steps of masked language modelling from one or several sets at once; a `Feed`.

    The masks depend on (seed, set, epoch, number) alone: not on how many processes there are, nor how a step is cut.
    """

    samplers: list[Sampler]
    masking: Masking
    layout: Layout
    device_tokens: int
    """Most tokens in one forward."""
    processes: int = 1
    process: int = 0

    def steps(self, after: Place | None = None) -> Iterator[Step]:
        """See `Feed`."""
        places = after["samplers"] if after else [(0, 0)] * len(self.samplers)
        for sampler, (epoch, number) in zip(self.samplers, places, strict=True):
            sampler.epoch, sampler.number = epoch, number
        while True:
            yield self._step()

    def _step(self) -> Step:
        ids: list[np.ndarray] = []
        labels: list[np.ndarray] = []
        for which, sampler in enumerate(self.samplers):
            rows, where = sampler.draw()
            random = random_for(sampler.seed, which, *where)
            masked, asked = self.masking.apply(np.concatenate(rows), random)
            cuts = np.cumsum([len(row) for row in rows])[:-1]
            ids += np.split(masked, cuts)
            labels += np.split(asked, cuts)
        places = sum(int((row != IGNORED).sum()) for row in labels)
        lengths = np.array([len(row) for row in ids])
        shares = share(lengths, self.processes, self.device_tokens)[self.process]
        batches = [self.layout.batch([ids[n] for n in rows], [labels[n] for n in rows]) for rows in shares]
        after = {"samplers": [[sampler.epoch, sampler.number] for sampler in self.samplers]}
        return Step(batches, places, int(lengths.sum()), after)


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

    Tokens are counted as if all were as long as the longest. Sequences of like length go together, sorted within
    windows only, so that an epoch's order stays random. A sequence longer than the budget is a batch of its own.
    """
    if not len(lengths):
        return []
    order = rng.permutation(len(lengths))
    window = WINDOW * (batch_sequences or max(1, int(batch_tokens / float(lengths.mean()))))
    batches: list[np.ndarray] = []
    for start in range(0, len(order), window):
        some = order[start : start + window]
        some = some[np.argsort(lengths[some], kind="stable")]
        if batch_sequences:
            batches += [some[first : first + batch_sequences] for first in range(0, len(some), batch_sequences)]
        else:
            batches += _fill(some, lengths, batch_tokens)
    return [batches[number] for number in rng.permutation(len(batches))]


def share(lengths: np.ndarray, processes: int, device_tokens: int) -> list[list[np.ndarray]]:
    """Sequence numbers for each process, about the same work for all, cut into forwards of at most `device_tokens`."""
    order = np.argsort(lengths, kind="stable")
    # dealt out back and forth, so that nobody gets all the longer ones of each round
    rounds = [order[start : start + processes] for start in range(0, len(order), processes)]
    dealt = [row if number % 2 else row[::-1] for number, row in enumerate(reversed(rounds))]
    shares = []
    for process in range(processes):
        mine = np.array([row[process] for row in dealt if process < len(row)], dtype=np.int64)
        shares.append(_fill(mine[np.argsort(lengths[mine], kind="stable")], lengths, device_tokens))
    return shares


def ahead(steps: Iterator[Step]) -> Iterator[Step]:
    """The same steps, each made in a thread while the one before it is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, steps)
        while True:
            step = coming.result()
            coming = pool.submit(next, steps)
            yield step


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with everything on `device`."""
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}


def _fill(order: np.ndarray, lengths: np.ndarray, most: int) -> list[np.ndarray]:
    """Cut `order` (ascending in length) into batches under the budget."""
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * lengths[order[end]] > most:
            batches.append(order[start:end])
            start = end
    return batches
