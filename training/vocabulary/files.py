"""New pieces in an adapter's folder: trained rows in `vocabulary.safetensors`, beside the longer tokenizer's files."""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from ...workspace.errors import UserError
from ..artifacts import OWN_READING_FILES, TRAINED_ROWS
from ..base import load_tokenizer
from ..tensors import refuse_pointers
from ..transliterate import TRANSLITERATION, recorded_transliteration
from .extend import vocabulary_size
from .layers import append_rows, set_trained_rows, split_vocabulary, trained_rows

TOKENIZER = "tokenizer.json"
FILES = (TRAINED_ROWS, TOKENIZER, "tokenizer_config.json", TRANSLITERATION)
"""What may say in an adapter's folder how it reads text."""
OWN_PIECES = "own_pieces"
"""Key of the file's metadata: how many pieces the base's own tokenizer has."""


def has_trained_rows(folder: Path | None) -> bool:
    """Whether an adapter's folder has embeddings of new pieces or of the base's own; None, the bare base, has none."""
    return folder is not None and (folder / TRAINED_ROWS).is_file()


def reads_differently(folder: Path | None) -> bool:
    """Whether the adapter in a folder reads text in another way than its base: with trained rows, or romanised."""
    return folder is not None and any((folder / name).is_file() for name in OWN_READING_FILES)


def save_new_pieces(model: nn.Module, tokenizer: Any, folder: Path) -> None:
    """Write the trained rows of a model with a split vocabulary, and its tokenizer; nothing for another model."""
    tensors = trained_rows(model)
    if not tensors:
        return
    size = vocabulary_size(tokenizer) - _new_count(tensors)
    save_file(
        {
            name: (tensor.float() if tensor.is_floating_point() else tensor).contiguous().cpu()
            for name, tensor in tensors.items()
        },
        folder / TRAINED_ROWS,
        {OWN_PIECES: str(size)},
    )
    tokenizer.save_pretrained(str(folder))


def read_trained_rows(folder: Path) -> tuple[int, dict[str, Tensor]]:
    """The number of pieces of the base's tokenizer, and the `trained_rows`. Raises UserError if they are damaged."""
    file = folder / TRAINED_ROWS
    refuse_pointers([file])
    try:
        with safe_open(file, framework="pt") as opened:
            size = int(opened.metadata()[OWN_PIECES])
            return size, {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"cannot read {file} ({error}): copy the adapter's folder again") from error


def _new_count(tensors: dict[str, Tensor]) -> int:
    """How many of the rows are of new pieces, not the base's own."""
    return len(tensors["rows"]) - len(tensors.get("base_ids", ()))


def add_new_pieces(base: PreTrainedModel, folder: Path, *, separate: bool = False) -> None:
    """Lengthen the base's vocabulary by the pieces of the adapter in `folder`, if that brings any it has not yet.

    With `separate`, their rows are modules of their own, so that the base's rows are neither copied nor changed. Raises
    UserError if they do not fit the base, or if the base has new pieces of another adapter: two adapters with pieces of
    their own give other meanings to the same ids.
    """
    if not has_trained_rows(folder):
        return
    size, tensors = read_trained_rows(folder)
    if present := trained_rows(base):
        if all(torch.equal(present[name].cpu(), tensor) for name, tensor in tensors.items() if name in present):
            return
        raise UserError(f"{folder} brings new pieces, but the base has those of another adapter: load it anew for each")
    embedding: Any = base.get_input_embeddings()
    known, width = embedding.weight.shape
    if known < size or width != tensors["rows"].shape[1]:
        raise UserError(
            f"{folder}: its new pieces are for a base with {size} pieces of width {tensors['rows'].shape[1]}, but this "
            f"one has {known} of width {width}: name the base that it was trained on"
        )
    if separate:
        base_ids = tensors.get("base_ids")
        new = tensors["rows"][len(tensors["rows"]) - _new_count(tensors) :]
        split_vocabulary(base, size, new, trained=False, base_ids=base_ids)
        set_trained_rows(base, {"decoder_rows": tensors["rows"], **tensors})
    else:
        append_rows(base, size, tensors)


def tokenizer_of(folder: Path | None, tokenizer: Any) -> Any:
    """The tokenizer of the adapter in `folder`: its own if it brings new pieces, else the base's `tokenizer`.

    For an adapter that was trained on romanised text, it is a copy that romanises.
    """
    if folder is None:
        return tokenizer
    if not has_trained_rows(folder):
        return recorded_transliteration(tokenizer, folder)
    if not (folder / TOKENIZER).is_file():
        raise UserError(f"{folder} brings new pieces, but {TOKENIZER} is missing: copy the whole folder")
    own = load_tokenizer(str(folder), None, "adapter")
    own.name_or_path = tokenizer.name_or_path
    return own
