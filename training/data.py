"""From prepared text to batches: tokenised once into Arrow, grouped by length under a token budget."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.ipc
import pyarrow.parquet
import torch
from datasets import Dataset
from torch import Tensor

from ..recipes.artifacts import Artifact, Draft
from ..recipes.progress import QUIET, Progress

ROWS = 1000  # texts tokenised at a time
WINDOW = 64  # batches whose sequences are sorted by length together: short enough to keep the order random
IGNORED = -100  # the label of a place where nothing is asked

Batch = dict[str, Tensor]


def read_texts(sources: Sequence[Artifact], split: str) -> Iterator[str]:
    """Every text of a split of prepared artifacts, in order."""
    for source in sources:
        with pyarrow.parquet.ParquetFile(source.folder / f"{split}.parquet") as file:
            for rows in file.iter_batches(ROWS, columns=["text"]):
                yield from rows.column("text").to_pylist()


def tokens_artifact(sources: Sequence[Artifact], tokenizer_key: str, max_length: int, root: Path) -> Artifact:
    """Where the tokenised form of `sources` lies; its hash covers data, tokenizer content, length and code version."""
    section = {"tokenizer": tokenizer_key, "max_length": max_length, "code": 1}
    name = "+".join(source.name for source in sources)
    return Artifact(root, name, "tokens", section, parents=tuple(sources))


def tokenise(artifact: Artifact, tokenizer: Any, max_length: int, progress: Progress = QUIET) -> None:
    """Write train.arrow and validation.arrow of a tokens artifact, unless they are there.

    Each row's `input_ids` is one sequence with special tokens; a text longer than `max_length` tokens becomes several.
    """
    schema = pyarrow.schema({"input_ids": pyarrow.list_(pyarrow.int32())})

    def make(draft: Draft) -> None:
        for split in ("train", "validation"):
            sequences = tokens = 0
            with pyarrow.ipc.new_stream(draft.folder / f"{split}.arrow", schema) as writer:
                texts = progress.track(read_texts(artifact.parents, split), f"tokenise {split}")
                for some in _chunks(texts, ROWS):
                    encoded = tokenizer(some, truncation=True, max_length=max_length, return_overflowing_tokens=True)
                    ids = encoded["input_ids"]
                    writer.write_batch(pyarrow.record_batch({"input_ids": ids}, schema=schema))
                    sequences += len(ids)
                    tokens += sum(map(len, ids))
            draft.facts[split] = {"sequences": sequences, "tokens": tokens}

    artifact.build(make, progress)


class Sequences:
    """Tokenised sequences on disk, memory-mapped, handed out as padded batches."""

    def __init__(self, file: Path, pad_id: int) -> None:
        self._data = Dataset.from_file(str(file))
        self._pad_id = pad_id
        # from Arrow's offsets: as Python lists the ids of 1 GB of text would take 10 GB
        lengths = pyarrow.compute.call_function("list_value_length", [self._data.data.column("input_ids")])
        self.lengths: np.ndarray = lengths.to_numpy().astype(np.int64)

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, rows: np.ndarray) -> Batch:
        """The sequences with these numbers, as `collate` pads them."""
        return collate(self._data[rows.tolist()]["input_ids"], self._pad_id)


def collate(sequences: Sequence[Sequence[int]], pad_id: int) -> Batch:
    """`input_ids` and `attention_mask`, both (batch, longest), padded on the right."""
    longest = max(map(len, sequences))
    ids = torch.full((len(sequences), longest), pad_id, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def plan_batches(lengths: np.ndarray, batch_tokens: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Group sequence numbers into batches of at most `batch_tokens` tokens, padding counted, in random order.

    Sequences of like length go together, sorted within windows only, so that an epoch's order stays random. A sequence
    longer than the budget is a batch of its own.
    """
    order = rng.permutation(len(lengths))
    window = max(1, int(WINDOW * batch_tokens / max(1.0, float(lengths.mean())))) if len(lengths) else 1
    batches: list[np.ndarray] = []
    for start in range(0, len(order), window):
        some = order[start : start + window]
        batches += _fill(some[np.argsort(lengths[some], kind="stable")], lengths, batch_tokens)
    return [batches[number] for number in rng.permutation(len(batches))]


def _fill(order: np.ndarray, lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Cut `order` (ascending in length) into batches under the budget."""
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * lengths[order[end]] > batch_tokens:
            batches.append(order[start:end])
            start = end
    return batches


def _chunks(items: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
