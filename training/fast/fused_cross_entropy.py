"""The LM head's last layer and its cross-entropy in one function, so that the logits are never kept.

A row of logits is 119,547 (mBERT) or 250,002 (XLM-R) numbers. Autograd would write them about six times (logits, fp32
copy, log-softmax, its gradient, ...) and keep them from forward to backward. Here the gradient is computed in forward,
a chunk of rows at a time, as in Liger Kernel (Hsu et al. 2024, https://arxiv.org/abs/2410.10989). On a CPU the
vocabulary is cut into blocks too, so that a block's logits stay in the cache (Wijmans et al. 2024,
https://arxiv.org/abs/2411.09009): the softmax's sum is built up block by block, relative to the largest logit so far
(Milakov and Gimelshein 2018, https://arxiv.org/abs/1805.02867).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from .linear import linear as fast_linear

# fp32 logits held at once: 256 MiB are 561 rows of mBERT's vocabulary, 268 of XLM-R's.
LOGITS_BYTES = 2**28
# On a CPU, where a block of logits should fit into a core's cache (1 to 16 MiB were equally fast). Each chunk of rows
# reads all weights once.
CPU_ROWS, CPU_LOGITS_BYTES = 512, 2**22


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
        trains_layer = needs_weight or needs_bias
        chunk_rows, block_classes = _chunk_sizes(hidden, weight, keep=trains_layer)
        for start in range(0, len(hidden), chunk_rows):
            rows = hidden[start : start + chunk_rows]
            target = targets[start : start + chunk_rows]
            softmax = _Softmax(rows, weight, bias, block_classes)
            mean_weight = softmax.normalize(with_mean=needs_hidden, keep=trains_layer)
            # Cross-entropy is log(sum(exp(z))) - z[target]. Its gradient with respect to z is softmax(z), minus 1 at
            # the target.
            target_weight = weight[target]
            target_logits = (rows.float() * target_weight.float()).sum(-1)
            total += (softmax.log_normalizer[:, 0] - target_logits).sum()
            if bias is not None:
                total -= bias[target].float().sum()
            if grad_hidden is not None:
                grad_hidden[start : start + chunk_rows] = mean_weight - target_weight
            for block, probabilities in softmax.blocks():
                if grad_bias is not None:
                    grad_bias[block] += probabilities.sum(0)
                if grad_weight is not None:
                    grad_weight[block] += fast_linear(probabilities.to(weight.dtype).T, rows.T)
            if grad_bias is not None:
                grad_bias.index_add_(0, target, -torch.ones_like(target_logits))
            if grad_weight is not None:
                grad_weight.index_add_(0, target, -rows.float())
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Any, ...]:
        """The gradients computed in forward, times the gradient of the sum."""
        return (*(saved if saved is None else saved * grad_outputs[0] for saved in ctx.saved_tensors), None)


class _Softmax:
    """softmax(hidden @ weight.T + bias) of some rows, (rows, classes) in fp32, a block of classes at a time."""

    def __init__(self, hidden: Tensor, weight: Tensor, bias: Tensor | None, block_classes: int) -> None:
        self.hidden, self.weight, self.bias = hidden, weight, bias
        self._blocks = [slice(start, start + block_classes) for start in range(0, len(weight), block_classes)]
        self._kept: list[tuple[slice, Tensor, Tensor]] = []
        """Blocks with exp(z - m) in the weights' precision and m, the largest logit of each row so far."""
        self._normalizer = hidden.new_zeros((len(hidden), 1), dtype=torch.float32)
        self.log_normalizer = self._normalizer
        """log(sum(exp(z))), (rows, 1); known once `normalize` has run."""

    def normalize(self, *, with_mean: bool, keep: bool) -> Tensor:
        """Go over all classes once; returns softmax(z) @ weight, (rows, hidden), if that is asked for, else zeros."""
        mean_weight = torch.zeros_like(self.hidden, dtype=torch.float32)
        largest = torch.full_like(self._normalizer, -torch.inf)
        for block in self._blocks:
            logits = self._logits(block)
            previous, largest = largest, torch.maximum(largest, logits.amax(-1, keepdim=True))
            # The largest logit so far is subtracted, so that exp cannot overflow. Where it has grown, what was summed
            # up is scaled down to it.
            scale = (previous - largest).exp_()
            exponentials = logits.sub_(largest).exp_()
            self._normalizer = self._normalizer * scale + exponentials.sum(-1, keepdim=True)
            exponentials = exponentials.to(self.weight.dtype)
            if with_mean:
                mean_weight.mul_(scale).add_(fast_linear(exponentials, self.weight[block].T))
            if keep:
                self._kept.append((block, exponentials, largest))
        self.log_normalizer = largest + self._normalizer.log()
        return mean_weight.div_(self._normalizer)

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Each block of classes with its probabilities, (rows, block), if `normalize` was told to keep them."""
        for block, exponentials, largest in self._kept:
            yield block, exponentials * (largest - self.log_normalizer).exp_()

    def _logits(self, block: slice) -> Tensor:
        bias = None if self.bias is None else self.bias[block]
        return fast_linear(self.hidden, self.weight[block], bias).float()


def _chunk_sizes(hidden: Tensor, weight: Tensor, *, keep: bool) -> tuple[int, int]:
    """How many rows, and how many classes of them, have their logits computed at once."""
    most_rows = max(1, LOGITS_BYTES // (4 * len(weight)))
    if hidden.device.type != "cpu":
        return most_rows, len(weight)
    rows = max(1, min(len(hidden), most_rows if keep else CPU_ROWS))
    return rows, max(1, CPU_LOGITS_BYTES // (4 * rows))


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
