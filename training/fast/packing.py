"""Packing: sequences of any length side by side in one row, without padding.

A batch of 16 sentences is 40% padding, and linear layers, which do not care where a sequence ends, are nearly all of
an encoder's work. Only attention must keep sequences apart: it divides the row into groups of like lengths, and pads
within each group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..compat import register_attention, sdpa_attention
from .dropout import attention
from .joint_row import current_row

ATTENTION = "packed"  # name of `packed_attention` for transformers' `attn_implementation`
# Largest share of padding in a group: less would make more and smaller groups, each with its own calls.
GROUP_PADDING = 0.15


@dataclass(frozen=True)
class Group:
    """Neighbouring sequences of like length, padded to the longest within attention alone.

    `pad` and `unpad` copy tokens by index: `pad_index` says for each element of the padded form which token it takes
    (padding takes the group's first, and is masked), `unpad_index` where in the padded form each token is.
    """

    tokens: int
    sequences: int
    longest: int
    pad_index: Tensor | None
    """(sequences * longest,); None, like the others, when all sequences are equally long and nothing is padded."""
    unpad_index: Tensor | None
    """(tokens,)."""
    mask: Tensor | None
    """(sequences, 1, 1, longest), true for tokens and false for padding."""

    @classmethod
    def from_lengths(cls, lengths: np.ndarray) -> "Group":
        """The group of sequences of these lengths."""
        sequences, longest, tokens = len(lengths), int(lengths.max()), int(lengths.sum())
        if sequences * longest == tokens:
            return cls(tokens, sequences, longest, None, None, None)
        is_token = np.arange(longest)[None] < lengths[:, None]
        # Counting the tokens in reading order gives each its number in the packed row.
        token_number = np.cumsum(is_token.ravel()).reshape(is_token.shape) - 1
        return cls(
            tokens,
            sequences,
            longest,
            torch.from_numpy(np.where(is_token, token_number, 0).ravel()),
            torch.from_numpy(np.flatnonzero(is_token)),
            torch.from_numpy(is_token)[:, None, None],
        )

    def lengths(self, device: torch.device) -> Tensor:
        """(sequences,): the number of tokens of each."""
        if self.mask is None:
            return torch.full((self.sequences,), self.longest, device=device)
        return self.mask.sum((1, 2, 3))

    def attention_mask(self, window: int | None, device: torch.device) -> Tensor | None:
        """Where a token may attend to another of its sequence; None where it may to all of the padded form.

        (sequences, 1, 1, longest), or (sequences, 1, longest, longest) where `window` keeps it to positions nearer than
        that.
        """
        if window is None or window >= self.longest:
            return self.mask
        positions = torch.arange(self.longest, device=device)
        is_near = ((positions[:, None] - positions).abs() < window)[None, None]
        if self.mask is None:
            return is_near.expand(self.sequences, -1, -1, -1)
        # Padding attends to every token: with none in its window it would be NaN, and so would the tokens' gradients.
        is_padding = ~self.mask.transpose(-1, -2)
        return self.mask & (is_near | is_padding)

    def to(self, device: torch.device) -> "Group":
        """The same on another device."""
        tensors = (self.pad_index, self.unpad_index, self.mask)
        moved = [tensor if tensor is None else tensor.to(device, non_blocking=True) for tensor in tensors]
        return Group(self.tokens, self.sequences, self.longest, *moved)

    def pad(self, packed: Tensor) -> Tensor:
        """(tokens of the group, heads, size) -> (sequences, heads, longest, size)."""
        if self.pad_index is not None:
            packed = packed.index_select(0, self.pad_index)
        return packed.unflatten(0, (self.sequences, self.longest)).transpose(1, 2)

    def unpad(self, padded: Tensor) -> Tensor:
        """(sequences, heads, longest, size) -> (tokens of the group, heads, size)."""
        flat = padded.transpose(1, 2).flatten(0, 1)
        return flat if self.unpad_index is None else flat.index_select(0, self.unpad_index)


@dataclass(frozen=True)
class Packing:
    """How a row of tokens divides into groups of sequences."""

    groups: tuple[Group, ...]

    @classmethod
    def from_lengths(cls, lengths: Sequence[int]) -> "Packing":
        """For sequences of these lengths, in this order; ascending order makes the fewest groups."""
        groups, first = [], 0
        sizes = np.asarray(lengths)
        for end in range(1, len(sizes) + 1):
            # the group with one sequence more; at the end of the row there is none
            larger = sizes[first : end + 1]
            if end == len(sizes) or larger.sum() < (1 - GROUP_PADDING) * len(larger) * larger.max():
                groups.append(Group.from_lengths(sizes[first:end]))
                first = end
        return cls(tuple(groups))

    def to(self, device: torch.device, **_: Any) -> "Packing":
        """The same on another device; takes and ignores the options of `Tensor.to`."""
        return Packing(tuple(group.to(device) for group in self.groups))


def encode(
    encoder: Any,
    input_ids: Tensor,
    attention_mask: Tensor | None = None,
    position_ids: Tensor | None = None,
    packing: Packing | None = None,
    token_type_ids: Tensor | None = None,
) -> Tensor:
    """Last hidden states, (batch, seq, hidden): of padded sequences with a mask, or of a packed row, (1, tokens)."""
    inputs = {"input_ids": input_ids} | ({} if token_type_ids is None else {"token_type_ids": token_type_ids})
    if packing is None:
        return encoder(**inputs, attention_mask=attention_mask).last_hidden_state
    # A row needs no mask. ModernBERT makes one of (tokens, tokens) for its windows, unless it is given a mask for each
    # type of layer: None.
    layer_types = getattr(encoder.config, "layer_types", None)
    no_mask = dict.fromkeys(layer_types) if layer_types else None
    # transformers passes keyword arguments that it does not know on to the attention function
    return encoder(**inputs, attention_mask=no_mask, position_ids=position_ids, packing=packing).last_hidden_state


def sequence_means(hidden: Tensor, attention_mask: Tensor | None = None, packing: Packing | None = None) -> Tensor:
    """The mean hidden state of each sequence in fp32, (sequences, hidden), from what `encode` gives."""
    hidden = hidden.float()
    if packing is None:
        if attention_mask is None:
            return hidden.mean(1)
        weights = attention_mask.unsqueeze(-1).to(hidden)
        return (hidden * weights).sum(1) / weights.sum(1)
    lengths = torch.cat([group.lengths(hidden.device) for group in packing.groups])
    sequence_of_token = torch.repeat_interleave(lengths, output_size=hidden.shape[1])
    sums = hidden.new_zeros(len(lengths), hidden.shape[-1]).index_add(0, sequence_of_token, hidden[0])
    return sums / lengths.unsqueeze(-1)


def packed_attention(  # noqa: PLR0913
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    packing: Packing | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention within each sequence of a packed row: (1, heads, tokens, size) each -> (1, tokens, heads, size).

    An attention function of transformers; without `packing` it is "sdpa". ModernBERT's layers with a window set
    `sliding_window`: a token attends to those less than this many positions before and after it. (Padded batches have
    that in their `attention_mask`.)
    """
    if packing is None:
        return sdpa_attention(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    attend = partial(_attend, dropout=dropout, scale=scale, window=sliding_window)
    tensors = [tensor[0].transpose(0, 1) for tensor in (query, key, value)]
    if row := current_row():
        return row.each([partial(attend, packing=packing) for packing in row.packings], *tensors, dim=0)[None], None
    return attend(*tensors, packing=packing)[None], None


def _attend(
    query: Tensor, key: Tensor, value: Tensor, *, packing: Packing, dropout: float, scale: float, window: int | None
) -> Tensor:
    """Attention within each sequence: (tokens, heads, size) each -> the same."""
    sizes = [group.tokens for group in packing.groups]
    # split, for its gradient is one concatenation; the gradient of each slice would be a tensor of zeros of full size
    queries, keys, values = (tensor.split(sizes) for tensor in (query, key, value))
    outputs = [
        group.unpad(
            attention(
                group.pad(q),
                group.pad(k),
                group.pad(v),
                group.attention_mask(window, query.device),
                dropout,
                scale,
            )
        )
        for q, k, v, group in zip(queries, keys, values, packing.groups, strict=True)
    ]
    return torch.cat(outputs)


register_attention(ATTENTION, packed_attention)
