"""Prepared text, tokenised once into memory-mapped Arrow files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.ipc
import pyarrow.parquet
from datasets import Dataset

from ..workspace.artifacts import Artifact, Draft
from ..workspace.parquet import artifact_file
from ..workspace.progress import QUIET, Progress

BATCH_ROWS = 1000  # texts tokenised at a time, by the tokenizer's own threads
SPLITS = ("train", "validation")


class Line(NamedTuple):
    """A line of a document."""

    document: str
    text: str


class Reading(NamedTuple):
    """How a tokenizer reads some text: counts of words, which end at white space, and of pieces."""

    words: int
    pieces: int
    unknown_pieces: int

    @property
    def tokens_per_word(self) -> float:
        """Pieces per word."""
        return self.pieces / max(1, self.words)

    @property
    def unknown_share(self) -> float:
        """The share of the pieces that are unknown."""
        return self.unknown_pieces / max(1, self.pieces)


def read_texts(sources: Sequence[Artifact], split: str) -> Iterator[str]:
    """Every text of a split of prepared artifacts, in order."""
    return (line.text for line in _read_lines(sources, split))


def sample_texts(sources: Sequence[Artifact], most: int) -> Iterator[str]:
    """At most `most` training texts of prepared artifacts, at equal distances."""
    lines = 0
    for source in sources:
        with artifact_file(source.folder / "train.parquet") as path, pyarrow.parquet.ParquetFile(path) as file:
            lines += file.metadata.num_rows
    return islice(read_texts(sources, "train"), 0, None, -(-lines // most) or 1)


def count_pieces(tokenizer: Any, texts: Iterable[str]) -> Reading:
    """How a tokenizer reads texts."""
    encoder = _LineEncoder(tokenizer)
    for _ in encoder.encode(Line("", text) for text in texts):
        pass  # it counts
    return Reading(encoder.words, encoder.pieces, encoder.unknown_pieces)


def tokenise(
    artifact: Artifact, tokenizer: Any, progress: Progress = QUIET, facts: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Write `train.arrow` and `validation.arrow` of a tokens artifact, and `facts` into its manifest, unless it exists.

    Each row's `input_ids` is one sequence with special tokens, at most `max_length` long. Line by line each line is a
    sequence, and the end of a longer one is dropped; otherwise the lines of a document are joined and cut into
    sequences, so that all text is used.
    """
    max_length, line_by_line = artifact.section["max_length"], artifact.section["line_by_line"]
    schema = pyarrow.schema({"input_ids": pyarrow.list_(pyarrow.int32())})
    prefix, suffix = special_tokens(tokenizer, islice(read_texts(artifact.parents, "train"), BATCH_ROWS))
    room = max_length - len(prefix) - len(suffix)
    separator = line_break(tokenizer)

    def write(draft: Draft) -> None:
        draft.facts |= facts
        for split in SPLITS:
            sequence_count = token_count = 0
            encoder = _LineEncoder(tokenizer)
            lines = encoder.encode(progress.track(_read_lines(artifact.parents, split), f"tokenise {split}, lines"))
            bodies = (ids[:room] for _, ids in lines) if line_by_line else _join_and_cut(lines, room, separator)
            with pyarrow.ipc.new_stream(draft.folder / f"{split}.arrow", schema) as writer:
                for batch in chunks(bodies, BATCH_ROWS):
                    sequences = [[*prefix, *ids, *suffix] for ids in batch]
                    writer.write_batch(pyarrow.record_batch({"input_ids": sequences}, schema=schema))
                    sequence_count += len(sequences)
                    token_count += sum(map(len, sequences))
            draft.facts[split] = {
                "sequences": sequence_count,
                "tokens": token_count,
                "words": encoder.words,
                "pieces": encoder.pieces,
                "unknown_pieces": encoder.unknown_pieces,
            }

    artifact.build(write, progress)


def line_break(tokenizer: Any) -> list[int]:
    """The ids to put between two lines of a document; none where the tokenizer marks words.

    WordPiece and SentencePiece mark where words begin or continue. The byte-level and byte-fallback BPE of ModernBERT
    and mmBERT mark only the space before a word: without a separator the first word of a line would be glued to the
    last of the line before.
    """
    word, newline, space = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("a", "\n", " "))
    for separator in ([], newline, space):
        if len(tokenizer.decode([*word, *separator, *word]).split()) > 1:
            return separator
    return []  # this tokenizer keeps no white space at all


def special_tokens(tokenizer: Any, texts: Iterable[str]) -> tuple[list[int], list[int]]:
    """The ids that a tokenizer puts before and after a text, taken from the first text with tokens."""
    for text in texts:
        body, sequence = (tokenizer(text, add_special_tokens=special)["input_ids"] for special in (False, True))
        if body:
            start = next(n for n in range(len(sequence)) if sequence[n : n + len(body)] == body)
            return sequence[:start], sequence[start + len(body) :]
    return [], []  # no text has any token


class Sequences:
    """Tokenised sequences on disk, memory-mapped."""

    def __init__(self, file: Path) -> None:
        with artifact_file(file):
            self._data = Dataset.from_file(str(file)).with_format("arrow")
        # from Arrow's offsets: as Python lists the ids of 1 GB of text would take 10 GB
        lengths = pyarrow.compute.call_function("list_value_length", [self._data.data.column("input_ids")])
        self.lengths: np.ndarray = lengths.to_numpy().astype(np.int64)

    def __len__(self) -> int:
        return len(self.lengths)

    def pieces(self) -> np.ndarray:
        """The ids that occur, ascending, int64 (pieces,)."""
        occurs = np.zeros(0, dtype=bool)
        for chunk in self._data.data.column("input_ids").chunks:
            counts = np.bincount(chunk.flatten().to_numpy(), minlength=len(occurs))
            occurs = np.pad(occurs, (0, len(counts) - len(occurs))) | (counts > 0)
        return occurs.nonzero()[0]

    def rows(self, numbers: np.ndarray) -> list[np.ndarray]:
        """The ids of the sequences with these numbers, each int64 (length,)."""
        column = self._data[numbers.tolist()].column("input_ids")
        return [row.values.to_numpy().astype(np.int64) for row in column]


def _read_lines(sources: Sequence[Artifact], split: str) -> Iterator[Line]:
    for source in sources:
        with artifact_file(source.folder / f"{split}.parquet") as path, pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=["document", "text"]):
                columns = (batch.column(name).to_pylist() for name in ("document", "text"))
                yield from map(Line, *columns)


class _LineEncoder:
    """Tokenises the lines of a split, and counts words and pieces on the way."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.words = self.pieces = self.unknown_pieces = 0

    def encode(self, lines: Iterable[Line]) -> Iterator[tuple[str, list[int]]]:
        """(document, ids without special tokens) of each line that has tokens."""
        for batch in chunks(lines, BATCH_ROWS):
            texts = [line.text for line in batch]
            encoded = self._tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)
            for line, ids in zip(batch, encoded["input_ids"], strict=True):
                self._count(line.text, ids)
                if ids:
                    yield line.document, ids

    def _count(self, text: str, ids: list[int]) -> None:
        self.words += len(text.split())  # at white space
        self.pieces += len(ids)
        if self._tokenizer.unk_token_id is not None:
            self.unknown_pieces += ids.count(self._tokenizer.unk_token_id)


def _join_and_cut(encoded: Iterable[tuple[str, list[int]]], size: int, separator: list[int]) -> Iterator[list[int]]:
    """The lines of each document joined with `separator`, cut every `size` ids."""
    for _, lines in groupby(encoded, key=lambda line: line[0]):
        separated = ([*separator, *ids] if number else ids for number, (_, ids) in enumerate(lines))
        yield from chunks(chain.from_iterable(separated), size)


def chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """The items in lists of `size`, the last of which may be shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
