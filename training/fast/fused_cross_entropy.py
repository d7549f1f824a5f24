"""The LM head's last layer and its cross-entropy in one function, so that the logits are never kept.

A row of logits is 119,547 (mBERT) or 250,002 (XLM-R) numbers. Autograd would write them about six times (logits, fp32
copy, log-softmax, its gradient, ...) and keep them from forward to backward. Here the gradient is computed in forward,
in the memory of the logits, a chunk of rows at a time, as in Liger Kernel (Hsu et al. 2024,
https://arxiv.org/abs/2410.10989).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from .linear import linear as fast_linear

# fp32 logits held at once: 256 MiB are 561 rows of mBERT's vocabulary, 268 of XLM-R's.
LOGITS_BYTES = 2**28


class _LinearCrossEntropy(torch.autograd.Function):
    """Sum over rows of the cross-entropy of `hidden @ weight.T + bias`."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
        """(rows, hidden), (classes, hidden), (classes,), (rows,) -> a scalar in fp32."""
        needs_hidden, needs_weight, needs_bias, _ = ctx.needs_input_grad
        grad_hidden = torch.empty_like(hidden) if needs_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if needs_weight else None
        grad_bias = torch.zeros_like(bias, dtype=torch.float32) if bias is not None and needs_bias else None
        total = hidden.new_zeros((), dtype=torch.float32)
        chunk_rows = max(1, LOGITS_BYTES // (4 * len(weight)))
        for start in range(0, len(hidden), chunk_rows):
            rows = slice(start, start + chunk_rows)
            target = targets[rows, None]
            logits = fast_linear(hidden[rows], weight, bias).float()
            # Cross-entropy is log(sum(exp(z))) - z[target]; the largest z is subtracted first, so that exp cannot
            # overflow.
            logits -= logits.amax(-1, keepdim=True)
            total -= logits.gather(-1, target).sum()
            # From here on the memory of the logits holds, in turn, exp(z), softmax(z) and the gradient.
            gradient = logits.exp_()
            normalizer = gradient.sum(-1, keepdim=True)
            total += normalizer.log().sum()
            if not any(ctx.needs_input_grad):
                continue
            gradient /= normalizer
            # The gradient with respect to z is softmax(z), minus 1 at the target.
            gradient.scatter_add_(-1, target, torch.full_like(target, -1, dtype=gradient.dtype))
            if grad_bias is not None:
                grad_bias += gradient.sum(0)
            gradient = gradient.to(weight.dtype)
            if grad_hidden is not None:
                grad_hidden[rows] = fast_linear(gradient, weight.T)
            if grad_weight is not None:
                grad_weight += fast_linear(gradient.T, hidden[rows].T)
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Any, ...]:
        """The gradients computed in forward, times the gradient of the sum."""
        return (*(saved if saved is None else saved * grad_outputs[0] for saved in ctx.saved_tensors), None)


def linear_cross_entropy(hidden: Tensor, layer: nn.Linear, targets: Tensor) -> Tensor:
    """Sum over rows of the cross-entropy of `layer(hidden)` with the class ids `targets`.

    (rows, width), (rows,) -> a scalar in fp32. At most `LOGITS_BYTES` of logits are held at a time. Under autocast the
    matrix products have its precision.
    """
    weight, bias, device = layer.weight, layer.bias, hidden.device.type
    if not torch.is_grad_enabled():  # a Function's needs_input_grad is true even under no_grad
        weight, bias = weight.detach(), bias if bias is None else bias.detach()
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
    bias = None if bias is None else bias.to(dtype)
    with torch.autocast(device, enabled=False):
        return cast(Tensor, _LinearCrossEntropy.apply(hidden.to(dtype), weight.to(dtype), bias, targets))


@contextmanager
def identity_forward(layer: nn.Module) -> Iterator[None]:
    """Inside `with`, `layer` returns its input; its hooks still run.

    A head of transformers applies its last layer itself. This gives the last layer's input without building logits,
    after the hook that undoes an invertible adapter there.
    """
    layer.forward = lambda hidden: hidden  # shadows the class's method, on this instance alone
    try:
        yield
    finally:
        del layer.forward
