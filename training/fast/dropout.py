"""Dropout on a CPU in a third of the time, and attention with dropout that keeps no (length, length) matrix.

PyTorch draws a random number for each element; here 64 random bits serve four elements, so that a probability is
rounded to a multiple of 1/65,536. On other devices, and where nothing is dropped, PyTorch's own functions are called.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from .joint_row import each_run

LEVELS = 2**16  # 16 random bits decide for an element
# Attention weights held at once: 8 MB in fp32, so that they stay in the processor's cache between operations.
CHUNK_ELEMENTS = 2**21


class Dropout(nn.Dropout):
    """nn.Dropout with `dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape; in training zeroes elements with probability `p` and scales the others up."""
        return each_run(partial(dropout, probability=self.p), input) if self.training and self.p else input


def dropout(input: Tensor, probability: float) -> Tensor:
    """Zero elements with this probability and divide the others by the probability of being kept."""
    if input.device.type != "cpu" or probability in {0.0, 1.0}:
        return nn.functional.dropout(input, probability)
    return cast(Tensor, _Dropout.apply(input, _dropped_levels(probability)))


def attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, probability: float, scale: float
) -> Tensor:
    """Scaled dot-product attention with dropout on the weights.

    (rows, heads, length, size) each -> the same; `mask`, (rows, 1, 1 or length, length), is true where a query may
    attend to a key.
    """
    if query.device.type != "cpu" or probability == 0.0:
        return nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, dropout_p=probability, scale=scale
        )
    seed = int(torch.randint(2**62, ()))
    return cast(Tensor, _Attention.apply(query, key, value, mask, _dropped_levels(probability), scale, seed))


def _dropped_levels(probability: float) -> int:
    """How many of LEVELS mean "drop"; never all, for the kept elements are divided by their share."""
    return min(round(probability * LEVELS), LEVELS - 1)


def _keep_mask(shape: torch.Size, dropped_levels: int, generator: torch.Generator | None = None) -> Tensor:
    """Booleans of this shape that are false with probability dropped_levels / LEVELS.

    Each 64-bit random integer is read as four signed 16-bit ones, uniform in [-LEVELS / 2, LEVELS / 2), which are
    compared with a threshold.
    """
    elements = shape.numel()
    bits = torch.empty(-(-elements // 4), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    return bits.view(torch.int16)[:elements].view(shape) >= dropped_levels - LEVELS // 2


class _Dropout(torch.autograd.Function):
    """Keeps one boolean for each element for the gradient."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, dropped_levels: int) -> Tensor:
        kept = _keep_mask(input.shape, dropped_levels)
        ctx.save_for_backward(kept)
        ctx.scale = LEVELS / (LEVELS - dropped_levels)
        return (input * kept).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Any, ...]:
        return (grad_outputs[0] * ctx.saved_tensors[0]).mul_(ctx.scale), None


class _Attention(torch.autograd.Function):
    """Attention of a few rows at a time; for the gradient the weights are computed again, with the same random bits.

    With w = softmax(scores), m the kept elements' mask over their probability (so that E[m] = 1), o = (w * m) v, and g
    the gradient of o:

        dv = (w * m)^T g,  dw = (g v^T) * m,  dscores = w * (dw - sum(dw * w))
    """

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        query, key, value, mask, dropped_levels, scale, seed = inputs
        ctx.save_for_backward(query, key, value, mask)
        ctx.settings = dropped_levels, scale, seed
        kept_scale = LEVELS / (LEVELS - dropped_levels)
        return torch.cat(
            [
                torch.matmul((weights * kept).mul_(kept_scale), value[rows])
                for rows, weights, kept in _weights(query, key, mask, *ctx.settings)
            ]
        )

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Any, ...]:
        query, key, value, mask = ctx.saved_tensors
        dropped_levels, scale, _ = ctx.settings
        kept_scale = LEVELS / (LEVELS - dropped_levels)
        grad_query, grad_key, grad_value = [], [], []
        for rows, weights, kept in _weights(query, key, mask, *ctx.settings):
            gradient = grad_outputs[0][rows]
            grad_value.append(torch.matmul((weights * kept).mul_(kept_scale).transpose(-1, -2), gradient))
            grad_weights = torch.matmul(gradient, value[rows].transpose(-1, -2)).mul_(kept).mul_(kept_scale)
            # in place: grad_weights becomes the gradient of the unscaled scores
            weighted_sum = (grad_weights * weights).sum(-1, keepdim=True)
            grad_scores = grad_weights.sub_(weighted_sum).mul_(weights).mul_(scale)
            grad_query.append(torch.matmul(grad_scores, key[rows]))
            grad_key.append(torch.matmul(grad_scores.transpose(-1, -2), query[rows]))
        return torch.cat(grad_query), torch.cat(grad_key), torch.cat(grad_value), None, None, None, None


def _weights(
    query: Tensor, key: Tensor, mask: Tensor | None, dropped_levels: int, scale: float, seed: int
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Chunks of rows, their attention weights (rows, heads, length, length), and which of these are kept."""
    rows, heads, length, _ = query.shape
    chunk_rows = max(1, CHUNK_ELEMENTS // (heads * length * key.shape[2]))
    for start in range(0, rows, chunk_rows):
        chunk = slice(start, start + chunk_rows)
        scores = torch.matmul(query[chunk] * scale, key[chunk].transpose(-1, -2))
        if mask is not None:
            scores.masked_fill_(~mask[chunk], float("-inf"))
        weights = scores.softmax(-1)
        # A seed for each chunk, so that backward draws the same bits whatever happened in between.
        yield chunk, weights, _keep_mask(weights.shape, dropped_levels, torch.Generator().manual_seed(seed + start))
