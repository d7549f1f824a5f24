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
            target = targets[start : start + chunk_rows, None]
            others = _OtherClasses(rows, weight, bias, target, block_classes, mean=needs_hidden, keep=trains_layer)
            # Cross-entropy is log(sum(exp(z))) - z[target] = softplus(log(sum of the others' exp(z)) - z[target]). Its
            # gradient with respect to z is softmax(z), minus 1 at the target: there it is -sigmoid of the same.
            margin = others.log_sum - others.target_logits
            total += nn.functional.softplus(margin).sum()
            log_normalizer, at_target = others.target_logits + nn.functional.softplus(margin), -margin.sigmoid()
            if grad_hidden is not None:
                mean_weight = others.sum_of_weights * (others.largest - log_normalizer).exp_()
                grad_hidden[start : start + chunk_rows] = mean_weight + at_target * weight[target[:, 0]]
            for block, gradient in others.gradients(log_normalizer, at_target):
                if grad_bias is not None:
                    grad_bias[block] += gradient.sum(0)
                if grad_weight is not None:
                    grad_weight[block] += fast_linear(gradient.to(weight.dtype).T, rows.T)
        ctx.save_for_backward(grad_hidden, grad_weight, grad_bias)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Any, ...]:
        """The gradients computed in forward, times the gradient of the sum."""
        return (*(saved if saved is None else saved * grad_outputs[0] for saved in ctx.saved_tensors), None)


class _OtherClasses:
    """What the loss of some rows needs of all classes but each row's target, computed a block of classes at a time.

    The target is left out, so that its gradient is not the small difference of two rounded numbers near 1 where the
    model is sure of it. Exponentials are relative to the largest logit so far, so that they cannot overflow; where that
    has grown, what was summed up is scaled down to it.
    """

    def __init__(
        self,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        target: Tensor,
        block_classes: int,
        *,
        mean: bool,
        keep: bool,
    ) -> None:
        """`target` is (rows, 1). `mean` asks for `sum_of_weights`, `keep` for `gradients`."""
        self._target = target
        self._kept: list[tuple[slice, Tensor, Tensor]] = []
        """Blocks with their exponentials, in the weights' precision, and `largest` at that time."""
        column = torch.zeros_like(target, dtype=torch.float32)
        self.target_logits = torch.full_like(column, -torch.inf)
        self.largest = torch.full_like(column, torch.finfo(torch.float32).min)
        """Largest logit of each row, (rows, 1); lower than that of the other classes only if all are -inf."""
        self.sum_of_weights = torch.zeros_like(hidden, dtype=torch.float32)
        """Sum over the other classes of exp(z - largest) times the class's weights, (rows, hidden)."""
        total = torch.zeros_like(column)
        for start in range(0, len(weight), block_classes):
            block = slice(start, start + block_classes)
            logits = fast_linear(hidden, weight[block], None if bias is None else bias[block]).float()
            places, is_here = self._places(block, logits)
            at_places = logits.gather(-1, places)
            self.target_logits = torch.where(is_here, at_places, self.target_logits)
            logits.scatter_(-1, places, torch.where(is_here, -torch.inf, at_places))
            previous, self.largest = self.largest, torch.maximum(self.largest, logits.amax(-1, keepdim=True))
            scale = (previous - self.largest).exp_()
            exponentials = logits.sub_(self.largest).exp_()
            total = total * scale + exponentials.sum(-1, keepdim=True)
            exponentials = exponentials.to(weight.dtype)
            if mean:
                self.sum_of_weights.mul_(scale).add_(fast_linear(exponentials, weight[block].T))
            if keep:
                self._kept.append((block, exponentials, self.largest))
        self.log_sum = self.largest + total.log()
        """log of the sum of the other classes' exp(z), (rows, 1)."""

    def gradients(self, log_normalizer: Tensor, at_target: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Each block of classes with the loss's gradient with respect to its logits, (rows, block); once."""
        while self._kept:
            block, exponentials, largest = self._kept.pop()
            gradient = exponentials * (largest - log_normalizer).exp_()
            places, is_here = self._places(block, gradient)
            yield block, gradient.scatter_(-1, places, torch.where(is_here, at_target, gradient.gather(-1, places)))

    def _places(self, block: slice, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Each target's column in a block, any if it is in another one, and whether it is in this block; (rows, 1)."""
        places = self._target - block.start
        return places.clamp(0, logits.shape[-1] - 1), (places >= 0) & (places < logits.shape[-1])


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
