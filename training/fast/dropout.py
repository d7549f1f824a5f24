"""Dropout on a CPU at a third of the time, and attention with dropout that keeps no (length, length) matrix.

PyTorch draws a number for each element; here 64 random bits serve four, so a probability is rounded to 1/65,536. On
other devices, and where nothing is dropped, PyTorch's own functions are called.
"""

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn

LEVELS = 2**16
CHUNK = 2**21  # attention weights held at once: 8 MB in fp32, near the processor


class Dropout(nn.Dropout):
    """nn.Dropout with `dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape; zeroes elements with probability `p` in training and scales the rest up."""
        return dropout(input, self.p) if self.training else input


def dropout(given: Tensor, probability: float) -> Tensor:
    """Zero elements with this probability and divide the rest by the probability of staying."""
    if given.device.type != "cpu" or probability in {0.0, 1.0}:
        return nn.functional.dropout(given, probability)
    return cast(Tensor, _Dropout.apply(given, _cut(probability)))


def attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, probability: float, scale: float
) -> Tensor:
    """Scaled dot-product attention, (rows, heads, length, size) each; `mask` (rows, 1, 1, length) says where."""
    if query.device.type != "cpu" or probability == 0.0:
        return nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=probability, scale=scale
        )
    seed = int(torch.randint(2**62, ()))
    return cast(Tensor, _Attention.apply(query, key, value, mask, _cut(probability), scale, seed))


def _cut(probability: float) -> int:
    """Of LEVELS, how many are dropped: never all."""
    return min(round(probability * LEVELS), LEVELS - 1)


def _kept(shape: torch.Size, cut: int, generator: torch.Generator | None = None) -> Tensor:
    """Booleans that are false with probability cut / LEVELS."""
    bits = torch.empty(-(-shape.numel() // 4), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    return bits.view(torch.int16)[: shape.numel()].view(shape) >= cut - LEVELS // 2


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: Tensor, cut: int) -> Tensor:
        kept = _kept(given.shape, cut)
        ctx.save_for_backward(kept)
        ctx.scale = LEVELS / (LEVELS - cut)
        return (given * kept).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *slopes: Any) -> tuple[Any, ...]:
        return (slopes[0] * ctx.saved_tensors[0]).mul_(ctx.scale), None


class _Attention(torch.autograd.Function):
    """Some rows at a time; the weights are made again, with the same random bits, for the gradient."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:
        query, key, value, mask, cut, scale, seed = given
        ctx.save_for_backward(query, key, value, mask)
        ctx.settings = cut, scale, seed
        found = [
            torch.matmul((weights * kept).mul_(LEVELS / (LEVELS - cut)), value[rows])
            for rows, weights, kept in _weights(query, key, mask, *ctx.settings)
        ]
        return torch.cat(found)

    @staticmethod
    def backward(ctx: Any, *slopes: Any) -> tuple[Any, ...]:
        query, key, value, mask = ctx.saved_tensors
        cut, scale, _ = ctx.settings
        rest = LEVELS / (LEVELS - cut)
        found = []
        for rows, weights, kept in _weights(query, key, mask, *ctx.settings):
            slope = slopes[0][rows]
            for_value = torch.matmul((weights * kept).mul_(rest).transpose(-1, -2), slope)
            inner = torch.matmul(slope, value[rows].transpose(-1, -2)).mul_(kept).mul_(rest)
            inner = inner.sub_((inner * weights).sum(-1, keepdim=True)).mul_(weights).mul_(scale)
            found.append(
                (torch.matmul(inner, key[rows]), torch.matmul(inner.transpose(-1, -2), query[rows]), for_value)
            )
        return (*map(torch.cat, zip(*found, strict=True)), None, None, None, None)


def _weights(
    query: Tensor, key: Tensor, mask: Tensor | None, cut: int, scale: float, seed: int
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Rows, their attention weights (rows, heads, length, length), and which of these are kept."""
    rows, heads, length, _ = query.shape
    step = max(1, CHUNK // (heads * length * key.shape[2]))
    for start in range(0, rows, step):
        some = slice(start, start + step)
        scores = torch.matmul(query[some] * scale, key[some].transpose(-1, -2))
        if mask is not None:
            scores.masked_fill_(~mask[some], float("-inf"))
        weights = scores.softmax(-1)
        yield some, weights, _kept(weights.shape, cut, torch.Generator().manual_seed(seed + start))
