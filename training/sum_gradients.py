"""Adding up gradients over processes, without DistributedDataParallel."""

from collections.abc import Sequence
from typing import cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

# Values sent at a time: 64 MB in fp32. Every parameter by itself would wait for the network often; all at once would
# need a second copy of all gradients.
BUCKET_VALUES = 2**24


def sum_gradients(parameters: Sequence[nn.Parameter], scalars: Tensor, accelerator: Accelerator) -> Tensor:
    """Replace gradients by their sums over all processes; the same sums of `scalars`, (n,).

    DistributedDataParallel would want the same number of forwards in every process, and every parameter used in each;
    a process may have no sequence in a small step. A missing gradient counts as zero.
    """
    if accelerator.num_processes == 1:
        return scalars
    for bucket in _buckets(parameters):
        flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in bucket])
        flat = cast(Tensor, accelerator.reduce(flat, "sum"))
        for parameter, gradient in zip(bucket, flat.split([p.numel() for p in bucket]), strict=True):
            parameter.grad = gradient.view_as(parameter)
    return cast(Tensor, accelerator.reduce(scalars, "sum"))


def _buckets(parameters: Sequence[nn.Parameter]) -> list[list[nn.Parameter]]:
    """The parameters in groups of at most BUCKET_VALUES values, or of one parameter."""
    buckets: list[list[nn.Parameter]] = []
    room = 0
    for parameter in parameters:
        if parameter.numel() > room:
            buckets.append([])
            room = max(BUCKET_VALUES, parameter.numel())
        buckets[-1].append(parameter)
        room -= parameter.numel()
    return buckets
