"""Prepared text, tokenised once into memory-mapped Arrow."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.ipc
import pyarrow.parquet
from datasets import Dataset

from ..workspace.artifacts import Artifact, Draft
from ..workspace.progress import QUIET, Progress

ROWS = 1000  # texts tokenised at a time, in parallel by the tokenizer itself
SPLITS = ("train", "validation")


def read_texts(sources: Sequence[Artifact], split: str) -> Iterator[str]:
    """Every text of a split of prepared artifacts, in order."""
    return (text for _, text in _read_lines(sources, split))


def tokenise(
    artifact: Artifact, tokenizer: Any, progress: Progress = QUIET, facts: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Write train.arrow and validation.arrow of a tokens artifact, and `facts` into its manifest, unless it exists.

    Each row's `input_ids` is one sequence with special tokens, at most `max_length` long. Line by line each text is
    one, the rest of it cut off; else the lines of a document are joined and cut, so that all text is used.
    """
    length, by_line = artifact.section["max_length"], artifact.section["line_by_line"]
    schema = pyarrow.schema({"input_ids": pyarrow.list_(pyarrow.int32())})
    before, behind = special_tokens(tokenizer, islice(read_texts(artifact.parents, "train"), ROWS))
    room = length - len(before) - len(behind)
    between = line_break(tokenizer)

    def make(draft: Draft) -> None:
        draft.facts |= facts
        for split in SPLITS:
            counts = {"sequences": 0, "tokens": 0, "words": 0, "pieces": 0, "unknown_pieces": 0}
            lines = progress.track(_read_lines(artifact.parents, split), f"tokenise {split}, lines")
            pieces = _counted(_pieces(lines, tokenizer), tokenizer.unk_token_id, counts)
            cut = (ids[:room] for _, ids in pieces) if by_line else _joined(pieces, room, between)
            with pyarrow.ipc.new_stream(draft.folder / f"{split}.arrow", schema) as writer:
                for some in _chunks(cut, ROWS):
                    whole = [[*before, *ids, *behind] for ids in some]
                    writer.write_batch(pyarrow.record_batch({"input_ids": whole}, schema=schema))
                    counts["sequences"] += len(whole)
                    counts["tokens"] += sum(map(len, whole))
            draft.facts[split] = counts

    artifact.build(make, progress)


def line_break(tokenizer: Any) -> list[int]:
    """The ids that keep two lines of a document apart; none where words have a mark of their own.

    WordPiece and SentencePiece mark where words begin or go on. The byte-level and byte-fallback BPE of ModernBERT and
    mmBERT mark only the space before a word: the first word of a line would be glued to the last of the line before.
    """
    word, newline, space = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("a", "\n", " "))
    for between in ([], newline, space):
        if len(tokenizer.decode([*word, *between, *word]).split()) > 1:
            return between
    return []  # this tokenizer keeps no white space at all


def special_tokens(tokenizer: Any, texts: Iterable[str]) -> tuple[list[int], list[int]]:
    """The ids that a tokenizer puts before and behind a text, seen on the first that it reads."""
    for text in texts:
        bare, whole = (tokenizer(text, add_special_tokens=special)["input_ids"] for special in (False, True))
        if bare:
            before = next(n for n in range(len(whole)) if whole[n : n + len(bare)] == bare)
            return whole[:before], whole[before + len(bare) :]
    return [], []  # there is nothing to put them around


class Sequences:
    """Tokenised sequences on disk, memory-mapped."""

    def __init__(self, file: Path) -> None:
        self._data = Dataset.from_file(str(file)).with_format("arrow")
        # from Arrow's offsets: as Python lists the ids of 1 GB of text would take 10 GB
        lengths = pyarrow.compute.call_function("list_value_length", [self._data.data.column("input_ids")])
        self.lengths: np.ndarray = lengths.to_numpy().astype(np.int64)

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self, numbers: np.ndarray) -> list[np.ndarray]:
        """The ids of the sequences with these numbers, each int64 (length,)."""
        column = self._data[numbers.tolist()].column("input_ids")
        return [row.values.to_numpy().astype(np.int64) for row in column]


def _read_lines(sources: Sequence[Artifact], split: str) -> Iterator[tuple[str, str]]:
    """(document, text) of every line of a split."""
    for source in sources:
        with pyarrow.parquet.ParquetFile(source.folder / f"{split}.parquet") as file:
            for rows in file.iter_batches(ROWS, columns=["document", "text"]):
                yield from zip(rows.column("document").to_pylist(), rows.column("text").to_pylist(), strict=True)


def _pieces(lines: Iterable[tuple[str, str]], tokenizer: Any) -> Iterator[tuple[str, str, list[int]]]:
    """(document, text, ids without special tokens) of each line."""
    for some in _chunks(lines, ROWS):
        texts = [text for _, text in some]
        encoded = tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
        yield from ((document, text, ids) for (document, text), ids in zip(some, encoded, strict=True))


def _counted(
    pieces: Iterable[tuple[str, str, list[int]]], unknown: int | None, facts: dict[str, int]
) -> Iterator[tuple[str, list[int]]]:
    """(document, ids), with words (split at white space), pieces and unknown pieces counted into `facts`."""
    for document, text, ids in pieces:
        facts["words"] += len(text.split())
        facts["pieces"] += len(ids)
        facts["unknown_pieces"] += ids.count(unknown) if unknown is not None else 0
        if ids:
            yield document, ids


def _joined(pieces: Iterable[tuple[str, list[int]]], size: int, between: list[int]) -> Iterator[list[int]]:
    """The pieces of each document with `between` two lines, cut every `size`."""
    for _, lines in groupby(pieces, key=lambda piece: piece[0]):
        apart = ([*between, *ids] if number else ids for number, (_, ids) in enumerate(lines))
        yield from _chunks(chain.from_iterable(apart), size)


def _chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
