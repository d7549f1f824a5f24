"""A whole model that keeps only the pieces of its vocabulary that the text of its language uses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from ...training.artifacts import existing_data, lacks_data
from ...training.families import family_of
from ...training.tokens import read_texts
from ...training.vocabulary.extend import read_state
from ...training.vocabulary.trim import kept_pieces, trim_rows, trim_tokenizer
from ...workspace.artifacts import MANIFEST
from ...workspace.errors import UserError
from ...workspace.formatting import format_size
from ..texts import file_texts

SPLITS = ("train", "validation", "test")
BYTES_PER_WEIGHT = 4  # fp32


@dataclass(frozen=True)
class Trimmed:
    """What is left of a model, and what there was."""

    pieces: int
    pieces_before: int
    bytes: int
    bytes_before: int
    """Of the weights."""
    text: str
    """Names of the text whose pieces were kept."""

    @property
    def kept_share(self) -> float:
        """The share of the pieces that were kept."""
        return round(self.pieces / self.pieces_before, 6)

    def describe(self) -> str:
        """For the model's card."""
        return (
            f"vocabulary: {self.pieces:,} of {self.pieces_before:,} pieces ({self.kept_share:.1%}), those that "
            f"{self.text} uses, and single characters for other text; weights: {format_size(self.bytes)} instead of "
            f"{format_size(self.bytes_before)}"
        )


def trim(model: PreTrainedModel, tokenizer: Any, source: Path, files: bool | Sequence[Path]) -> tuple[Any, Trimmed]:
    """Leave out of `model`, in place, the pieces that its language does not use; returns the shorter tokenizer.

    The text is that of `files`, or else what the adapter `source` was trained on. Raises UserError for a tokenizer that
    cannot be trimmed, and without text.
    """
    state = read_state(tokenizer, "--trim", adds=False)
    names, texts = _of_workspace(source) if isinstance(files, bool) else _of_files(files)
    first = family_of(model.config.model_type).first_position(model.config)
    kept = kept_pieces(tokenizer, state, texts, first)
    bytes_before = model.num_parameters() * BYTES_PER_WEIGHT
    trim_rows(model, kept)
    sizes = model.num_parameters() * BYTES_PER_WEIGHT, bytes_before
    return trim_tokenizer(tokenizer, state, kept), Trimmed(len(kept), len(tokenizer), *sizes, names)


def _of_workspace(source: Path) -> tuple[str, Iterator[str]]:
    """The names and the lines of the prepared text that an adapter was trained on."""
    data = existing_data(source) if (source / MANIFEST).is_file() else []
    if not data or lacks_data(source):
        raise UserError(
            f"--trim: the text that {source} was trained on is not in its workspace, or not all of it: give text in "
            "its languages with --text FILE"
        )
    return ", ".join(artifact.folder.name for artifact in data), (
        text for split in SPLITS for text in read_texts(data, split)
    )


def _of_files(files: Sequence[Path]) -> tuple[str, Iterator[str]]:
    """The names and the lines of files of text; of documents, their paragraphs."""
    return ", ".join(file.name for file in files), file_texts(files)
