"""The first embeddings of new pieces, from what the base's own embeddings say."""

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from ...recipes.training import Initialisation
from .byte_level import decode_piece, is_byte_level
from .splitter import bare

FEWEST_OF_A_SCRIPT = 20  # pieces; with fewer, their mean and spread say little


def initial_rows(
    embeddings: Tensor,
    tokenizer: Any,
    pieces: Sequence[str],
    initialisation: Initialisation,
    seed: int,
    known_rows: Mapping[str, Tensor] = MappingProxyType({}),
) -> Tensor:
    """Rows (pieces, width) in fp32 for new pieces, from the embeddings (vocabulary, width) of the base's `tokenizer`.

    decompose: the mean of the rows of the pieces that the base splits a new piece into; script_mean where it cannot
    read it.
    focus: those of `known_rows`, by piece (`focus_rows`); decompose for pieces that are too rare to be among them.
    script_mean: random, with the mean and standard deviation, dimension by dimension, of the pieces of the same script;
    of all pieces where the base has fewer than `FEWEST_OF_A_SCRIPT` (Downey et al. 2023,
    https://arxiv.org/abs/2309.04679, reinitialise embeddings by script in this way).
    random: the same from all pieces, whatever the script.
    """
    embeddings = embeddings.detach().float()
    known = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    of_script: defaultdict[str, list[int]] = defaultdict(list)
    spelled = decode_piece if is_byte_level(tokenizer) else bare
    for number, piece in enumerate(known):
        of_script[script_of(spelled(piece or ""))].append(number)  # None where an id is not used
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(pieces), embeddings.shape[1], generator=generator)
    everything = _spread(embeddings[: len(known)])
    by_script = {
        script: _spread(embeddings[numbers])
        for script, numbers in of_script.items()
        if script and len(numbers) >= FEWEST_OF_A_SCRIPT
    }
    rows = torch.empty_like(noise)
    for row, piece in enumerate(pieces):
        if piece in known_rows:
            rows[row] = known_rows[piece]
            continue
        parts = _parts(tokenizer, piece) if initialisation in ("decompose", "focus") else []
        if parts:
            rows[row] = embeddings[parts].mean(0)
            continue
        script = "" if initialisation == "random" else script_of(spelled(piece))
        mean, deviation = by_script.get(script, everything)
        rows[row] = mean + deviation * noise[row]
    return rows


def script_of(text: str) -> str:
    """The script of a text's first letter or mark, as Unicode names it (TIBETAN); "" if it has neither."""
    for character in text:
        if unicodedata.category(character)[0] in "LM":
            return unicodedata.name(character, "").split(" ")[0]
    return ""


def _spread(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of (rows, width), (width,) each."""
    return rows.mean(0), rows.std(0)


def _parts(tokenizer: Any, piece: str) -> list[int]:
    """The ids that the base splits a new piece into; none if one of them is unknown."""
    if is_byte_level(tokenizer):
        return [token.id for token in tokenizer.backend_tokenizer.model.tokenize(piece)]
    ids = tokenizer(bare(piece), add_special_tokens=False)["input_ids"]
    return [] if tokenizer.unk_token_id in ids else ids
