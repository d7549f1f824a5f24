"""The last layer of the LM head and its loss in one piece, so that no logits outlive it.

A row of logits is 119,547 or 250,002 numbers. Left to autograd they are written about six times (logits, fp32 copy,
log-softmax, its gradient, ...) and kept from forward to backward. Here the gradient is made in the place of the logits
as soon as they are there (as in Liger Kernel, Hsu et al. 2024, https://arxiv.org/abs/2410.10989), some rows at a time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from .linear import linear as product

LOGITS_BYTES = 2**28  # of fp32 logits held at once


class _LinearCrossEntropy(torch.autograd.Function):
    """Sum over rows of the cross-entropy of `hidden @ weight.T + bias`."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
        """(rows, hidden), (classes, hidden), (classes,), (rows,) -> a scalar in fp32."""
        wanted = ctx.needs_input_grad
        gradient = torch.empty_like(hidden) if wanted[0] else None
        for_weight = torch.zeros_like(weight, dtype=torch.float32) if wanted[1] else None
        for_bias = torch.zeros_like(bias, dtype=torch.float32) if bias is not None and wanted[2] else None
        total = hidden.new_zeros((), dtype=torch.float32)
        rows = max(1, LOGITS_BYTES // (4 * len(weight)))
        for start in range(0, len(hidden), rows):
            some, true = hidden[start : start + rows], targets[start : start + rows, None]
            logits = product(some, weight, bias).float()
            logits -= logits.amax(-1, keepdim=True)
            total -= logits.gather(-1, true).sum()
            slope = logits.exp_()
            norm = slope.sum(-1, keepdim=True)
            total += norm.log().sum()
            if gradient is None and for_weight is None and for_bias is None:
                continue
            slope /= norm  # softmax, in the place of the logits
            slope.scatter_add_(-1, true, torch.full_like(true, -1, dtype=slope.dtype))
            if for_bias is not None:
                for_bias += slope.sum(0)
            slope = slope.to(weight.dtype)
            if gradient is not None:
                gradient[start : start + rows] = product(slope, weight.T)
            if for_weight is not None:
                for_weight += product(slope.T, some.T)
        ctx.save_for_backward(gradient, for_weight, for_bias)
        return total

    @staticmethod
    def backward(ctx: Any, *slopes: Any) -> tuple[Any, ...]:
        """The gradients made in forward, times that of the sum."""
        return (*(x if x is None else x * slopes[0] for x in ctx.saved_tensors), None)


def linear_cross_entropy(hidden: Tensor, linear: nn.Linear, targets: Tensor) -> Tensor:
    """Sum over rows of the cross-entropy of `linear(hidden)`, (rows, width), with `targets`, (rows,): fp32, a scalar.

    At most `LOGITS_BYTES` of logits are held at a time. Under autocast the products are taken in its precision.
    """
    weight, bias, device = linear.weight, linear.bias, hidden.device.type
    if not torch.is_grad_enabled():  # a Function asks for gradients all the same
        weight, bias = weight.detach(), bias if bias is None else bias.detach()
    kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    bias = None if bias is None else bias.to(kind)
    with torch.autocast(device, enabled=False):
        return cast(Tensor, _LinearCrossEntropy.apply(hidden.to(kind), weight.to(kind), bias, targets))


@contextmanager
def passed_by(linear: nn.Module) -> Iterator[None]:
    """Inside, `linear` gives back what it is given; its hooks still see it."""
    linear.forward = lambda hidden: hidden
    try:
        yield
    finally:
        del linear.forward
