"""The LM head's last layer and its cross-entropy in one function, so that the logits are never kept.

A row of logits is 119,547 (mBERT) or 250,002 (XLM-R) numbers. Autograd would write them about six times (logits, fp32
copy, log-softmax, its gradient, ...) and keep them from forward to backward. Here the gradient is computed in forward,
a chunk of rows at a time, as in Liger Kernel (Hsu et al. 2024, https://arxiv.org/abs/2410.10989). On a CPU the
vocabulary is cut into blocks too, so that a block's logits stay in the cache (Wijmans et al. 2024,
https://arxiv.org/abs/2411.09009): the softmax's sum is built up block by block, relative to the largest logit so far
(Milakov and Gimelshein 2018, https://arxiv.org/abs/1805.02867).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from .linear import linear as fast_linear

# fp32 logits held at once: 256 MiB are 561 rows of mBERT's vocabulary, 268 of XLM-R's.
LOGITS_BYTES = 2**28
# On a CPU, where a block of logits should fit into a core's cache (1 to 16 MiB were equally fast). Each chunk of rows
# reads all weights once.
CPU_ROWS, CPU_LOGITS_BYTES = 512, 2**22


class OutputRows(NamedTuple):
    """Some rows of a layer that gives logits: (classes, width) and (classes,)."""

    weight: Tensor
    bias: Tensor | None


class _Block(NamedTuple):
    """Classes whose logits are computed at once: some rows of one of the layers."""

    weight: Tensor
    bias: Tensor | None
    first: int
    """The number of its first class."""
    layer: int
    rows: slice
    """Its rows within the layer."""
    is_trained: bool


class _LinearCrossEntropy(torch.autograd.Function):
    """Sum over rows of the cross-entropy of `hidden @ weight.T + bias`, for layers whose classes follow each other."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, targets: Tensor, *layers: Tensor | None) -> Tensor:
        """(rows, hidden), (rows,), and of each layer (classes, hidden) and (classes,) or None -> a scalar in fp32."""
        needs_hidden, _, *needs = ctx.needs_input_grad
        weights, biases = cast(list[Tensor], list(layers[::2])), list(layers[1::2])
        grad_hidden = torch.empty_like(hidden) if needs_hidden else None
        grads = [
            torch.zeros_like(tensor, dtype=torch.float32) if tensor is not None and needed else None
            for tensor, needed in zip(layers, needs, strict=True)
        ]
        total = hidden.new_zeros((), dtype=torch.float32)
        trained = [any(needs[2 * number : 2 * number + 2]) for number in range(len(weights))]
        classes = sum(map(len, weights))
        # a new vocabulary's rows are few, and may be read again for each chunk; the base's may not
        chunk_rows, block_classes = _chunk_sizes(hidden, classes, keep=trained[0])
        blocks = list(_blocks(weights, biases, trained, block_classes))
        for start in range(0, len(hidden), chunk_rows):
            rows = hidden[start : start + chunk_rows]
            target = targets[start : start + chunk_rows, None]
            others = _OtherClasses(rows, blocks, target, mean=needs_hidden)
            # Cross-entropy is log(sum(exp(z))) - z[target] = softplus(log(sum of the others' exp(z)) - z[target]). Its
            # gradient with respect to z is softmax(z), minus 1 at the target: there it is -sigmoid of the same.
            margin = others.log_sum - others.target_logits
            total += nn.functional.softplus(margin).sum()
            log_normalizer, at_target = others.target_logits + nn.functional.softplus(margin), -margin.sigmoid()
            if grad_hidden is not None:
                mean_weight = others.sum_of_weights * (others.largest - log_normalizer).exp_()
                grad_hidden[start : start + chunk_rows] = mean_weight + at_target * _take(weights, target[:, 0])
            for block, gradient in others.gradients(log_normalizer, at_target):
                grad_weight, grad_bias = grads[2 * block.layer : 2 * block.layer + 2]
                if grad_bias is not None:
                    grad_bias[block.rows] += gradient.sum(0)
                if grad_weight is not None:
                    grad_weight[block.rows] += fast_linear(gradient.to(block.weight.dtype).T, rows.T)
        ctx.save_for_backward(grad_hidden, *grads)
        return total

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Any, ...]:
        """The gradients computed in forward, times the gradient of the sum."""
        hidden, *layers = (saved if saved is None else saved * grad_outputs[0] for saved in ctx.saved_tensors)
        return (hidden, None, *layers)


class _OtherClasses:
    """What the loss of some rows needs of all classes but each row's target, computed a block of classes at a time.

    The target is left out, so that its gradient is not the small difference of two rounded numbers near 1 where the
    model is sure of it. Exponentials are relative to the largest logit so far, so that they cannot overflow; where that
    has grown, what was summed up is scaled down to it.
    """

    def __init__(self, hidden: Tensor, blocks: Sequence[_Block], target: Tensor, *, mean: bool) -> None:
        """`target` is (rows, 1). `mean` asks for `sum_of_weights`; `gradients` has the blocks that are trained."""
        self._target = target
        self._kept: list[tuple[_Block, Tensor, Tensor]] = []
        """Blocks with their exponentials, in the weights' precision, and `largest` at that time."""
        column = torch.zeros_like(target, dtype=torch.float32)
        self.target_logits = torch.full_like(column, -torch.inf)
        self.largest = torch.full_like(column, torch.finfo(torch.float32).min)
        """Largest logit of each row, (rows, 1); lower than that of the other classes only if all are -inf."""
        self.sum_of_weights = torch.zeros_like(hidden, dtype=torch.float32)
        """Sum over the other classes of exp(z - largest) times the class's weights, (rows, hidden)."""
        total = torch.zeros_like(column)
        for block in blocks:
            logits = fast_linear(hidden, block.weight, block.bias).float()
            places, is_here = self._places(block, logits)
            at_places = logits.gather(-1, places)
            self.target_logits = torch.where(is_here, at_places, self.target_logits)
            logits.scatter_(-1, places, torch.where(is_here, -torch.inf, at_places))
            previous, self.largest = self.largest, torch.maximum(self.largest, logits.amax(-1, keepdim=True))
            scale = (previous - self.largest).exp_()
            exponentials = logits.sub_(self.largest).exp_()
            total = total * scale + exponentials.sum(-1, keepdim=True)
            exponentials = exponentials.to(block.weight.dtype)
            if mean:
                self.sum_of_weights.mul_(scale).add_(fast_linear(exponentials, block.weight.T))
            if block.is_trained:
                self._kept.append((block, exponentials, self.largest))
        self.log_sum = self.largest + total.log()
        """log of the sum of the other classes' exp(z), (rows, 1)."""

    def gradients(self, log_normalizer: Tensor, at_target: Tensor) -> Iterator[tuple[_Block, Tensor]]:
        """Each trained block with the loss's gradient with respect to its logits, (rows, block); once."""
        while self._kept:
            block, exponentials, largest = self._kept.pop()
            gradient = exponentials * (largest - log_normalizer).exp_()
            places, is_here = self._places(block, gradient)
            yield block, gradient.scatter_(-1, places, torch.where(is_here, at_target, gradient.gather(-1, places)))

    def _places(self, block: _Block, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Each target's column in a block, any if it is in another one, and whether it is in this block; (rows, 1)."""
        places = self._target - block.first
        return places.clamp(0, logits.shape[-1] - 1), (places >= 0) & (places < logits.shape[-1])


def _blocks(
    weights: Sequence[Tensor], biases: Sequence[Tensor | None], trained: Sequence[bool], block_classes: int
) -> Iterator[_Block]:
    """The classes of all layers, at most `block_classes` at a time."""
    first = 0
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        for start in range(0, len(weight), block_classes):
            rows = slice(start, min(start + block_classes, len(weight)))
            block_bias = None if bias is None else bias[rows]
            yield _Block(weight[rows], block_bias, first + start, layer, rows, trained[layer])
        first += len(weight)


def _take(weights: Sequence[Tensor], classes: Tensor) -> Tensor:
    """The rows (n, hidden) of the classes (n,), which are numbered through all layers."""
    first, rows = 0, weights[0][classes.clamp(max=len(weights[0]) - 1)]
    for weight, following in pairwise(weights):
        first += len(weight)
        of_following = following[(classes - first).clamp(0, len(following) - 1)]
        rows = torch.where((classes >= first)[:, None], of_following, rows)
    return rows


def _chunk_sizes(hidden: Tensor, classes: int, *, keep: bool) -> tuple[int, int]:
    """How many rows, and how many classes of them, have their logits computed at once."""
    most_rows = max(1, LOGITS_BYTES // (4 * classes))
    if hidden.device.type != "cpu":
        return most_rows, classes
    rows = max(1, min(len(hidden), most_rows if keep else CPU_ROWS))
    return rows, max(1, CPU_LOGITS_BYTES // (4 * rows))


def linear_cross_entropy(hidden: Tensor, layers: Sequence[OutputRows | nn.Linear], targets: Tensor) -> Tensor:
    """Sum over rows of the cross-entropy of the layers' outputs side by side with the class ids `targets`.

    (rows, width), (rows,) -> a scalar in fp32. At most `LOGITS_BYTES` of logits are held at a time. Under autocast the
    matrix products have its precision. Of layers that are frozen no gradient is computed.
    """
    device = hidden.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else layers[0].weight.dtype
    tensors = [
        tensor if tensor is None else tensor.to(dtype) for layer in layers for tensor in (layer.weight, layer.bias)
    ]
    if not torch.is_grad_enabled():  # a Function's needs_input_grad is true even under no_grad
        tensors = [tensor if tensor is None else tensor.detach() for tensor in tensors]
    with torch.autocast(device, enabled=False):
        return cast(Tensor, _LinearCrossEntropy.apply(hidden.to(dtype), targets, *tensors))


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
