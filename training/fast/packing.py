"""Sequences of any length side by side in one row, without padding: what every layer but attention can take as it is.

A batch of 16 sentences is 40 % padding, and the linear layers are nearly all of an encoder's work. Attention alone must
keep sequences apart: it cuts the row into groups of like lengths and pads within each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from .dropout import attention

ATTENTION = "packed"
GROUP_PADDING = 0.15  # share of a group's places; with less there are more and smaller groups


@dataclass(frozen=True)
class Group:
    """Neighbours of like length: `rows` sequences, padded to `longest` within attention alone."""

    size: int
    """Tokens."""
    rows: int
    longest: int
    places: Tensor | None
    """(rows * longest,) which token of the group stands there; None when all are equally long."""
    tokens: Tensor | None
    """(size,) where in the padded form each token stands."""
    mask: Tensor | None
    """(rows, 1, 1, longest) true where there is a token."""

    @classmethod
    def of(cls, lengths: np.ndarray) -> "Group":
        """The group of sequences of these lengths."""
        rows, longest, size = len(lengths), int(lengths.max()), int(lengths.sum())
        if rows * longest == size:
            return cls(size, rows, longest, None, None, None)
        there = np.arange(longest)[None] < lengths[:, None]
        places = np.where(there, np.cumsum(there.ravel()).reshape(there.shape) - 1, 0)
        return cls(
            size,
            rows,
            longest,
            torch.from_numpy(places.ravel()),
            torch.from_numpy(np.flatnonzero(there)),
            torch.from_numpy(there)[:, None, None],
        )

    def to(self, device: torch.device) -> "Group":
        """The same on another device."""
        moved = [x if x is None else x.to(device, non_blocking=True) for x in (self.places, self.tokens, self.mask)]
        return Group(self.size, self.rows, self.longest, *moved)

    def padded(self, packed: Tensor) -> Tensor:
        """(tokens of the group, heads, size) -> (rows, heads, longest, size)."""
        if self.places is not None:
            packed = packed.index_select(0, self.places)
        return packed.unflatten(0, (self.rows, self.longest)).transpose(1, 2)

    def packed(self, padded: Tensor) -> Tensor:
        """(rows, heads, longest, size) -> (tokens of the group, heads, size)."""
        flat = padded.transpose(1, 2).flatten(0, 1)
        return flat if self.tokens is None else flat.index_select(0, self.tokens)


@dataclass(frozen=True)
class Packing:
    """How a row of tokens divides into sequences, and these into groups for attention."""

    groups: tuple[Group, ...]

    @classmethod
    def of(cls, lengths: Sequence[int]) -> "Packing":
        """For sequences of these lengths, in this order; ascending order makes the fewest groups."""
        groups, first = [], 0
        sizes = np.asarray(lengths)
        for end in range(1, len(sizes) + 1):
            some = sizes[first : end + 1]
            if end == len(sizes) or some.sum() < (1 - GROUP_PADDING) * len(some) * some.max():
                groups.append(Group.of(sizes[first:end]))
                first = end
        return cls(tuple(groups))

    def to(self, device: torch.device, **_: Any) -> "Packing":
        """The same on another device."""
        return Packing(tuple(group.to(device) for group in self.groups))


def encode(
    encoder: nn.Module,
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    position_ids: Tensor | None = None,
    packing: Packing | None = None,
) -> Tensor:
    """Last hidden states, (batch, seq, hidden): of padded sequences with a mask, or of a packed row, (1, tokens)."""
    padded, packed = {"attention_mask": attention_mask}, {"position_ids": position_ids, "packing": packing}
    return encoder(input_ids=input_ids, **(padded if packing is None else packed)).last_hidden_state


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    packing: Packing | None = None,
    **rest: Any,
) -> tuple[Tensor, None]:
    """Attention within each sequence of a packed row: (1, heads, tokens, size) each -> (1, tokens, heads, size).

    Without `packing` the same as transformers' own.
    """
    if packing is None:
        given = {"dropout": dropout, "scaling": scaling, **rest}
        return sdpa_attention_forward(module, query, key, value, attention_mask, **given)  # type: ignore[return-value]
    sizes = [group.size for group in packing.groups]
    # cut by split, whose gradient is one concatenation; that of slices would be a tensor of zeros for each
    queries, keys, values = (x[0].transpose(0, 1).split(sizes) for x in (query, key, value))
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    found = [
        group.packed(attention(group.padded(q), group.padded(k), group.padded(v), group.mask, dropout, scale))
        for q, k, v, group in zip(queries, keys, values, packing.groups, strict=True)
    ]
    return torch.cat(found)[None], None


AttentionInterface.register(ATTENTION, packed_attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
