"""nn.Linear by oneDNN where MKL does not use what the processor can.

PyTorch gives fp32 products to Intel's MKL, which on processors of other makers leaves AVX-512 alone: on an AMD EPYC
oneDNN, which PyTorch has too, is twice as fast (docs/performance.md). On all other devices, in other precisions and
under autocast PyTorch's own function is called. The kernel is the one that PyTorch's compiler makes its code from.
"""

import platform
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.flop_counter import flop_registry, register_flop_formula

KERNEL = getattr(torch.ops.mkldnn, "_linear_pointwise", None)


def _pays() -> bool:
    """True for AMD's processors with AVX-512, where PyTorch has both libraries and the kernel."""
    information = Path("/proc/cpuinfo")
    maker = information.read_text(encoding="utf-8") if information.is_file() else platform.processor()
    libraries = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    return (
        libraries
        and KERNEL is not None
        and "AuthenticAMD" in maker
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
    )


PAYS = _pays()


class Linear(nn.Linear):
    """nn.Linear with `linear`."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return linear(input, self.weight, self.bias)


def linear(given: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """given @ weight.T + bias: (..., in), (out, in), (out,) -> (..., out)."""
    if not PAYS or torch.is_autocast_enabled("cpu") or not _fits(given, weight, bias):
        return nn.functional.linear(given, weight, bias)
    if torch.is_grad_enabled():
        return cast(Tensor, _Linear.apply(given, weight, bias))
    return _product(given, weight, bias)


def _fits(given: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether the kernel takes them; it does not look at shapes, nor at how a bias lies in memory."""
    plain = all(
        tensor.device.type == "cpu" and tensor.dtype == torch.float32 and tensor.numel() > 0
        for tensor in (given, weight, *([] if bias is None else [bias]))
    )
    shaped = plain and weight.dim() == 2 and given.shape[-1] == weight.shape[1]
    return shaped and (bias is None or (bias.shape == weight.shape[:1] and bias.is_contiguous()))


def _product(given: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return cast(Any, KERNEL)(given, weight, bias, "none", [], "")


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        wanted = ctx.needs_input_grad
        ctx.save_for_backward(given if wanted[1] else None, weight if wanted[0] else None)
        return _product(given, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Any) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        given, weight = ctx.saved_tensors
        slope = slopes[0]
        rows = slope.reshape(-1, slope.shape[-1])
        wanted = ctx.needs_input_grad
        for_given = _product(slope, weight.T) if wanted[0] else None
        for_weight = _product(rows.T, given.reshape(-1, given.shape[-1]).T) if wanted[1] else None
        return for_given, for_weight, rows.sum(0) if wanted[2] else None


def _flops(given: torch.Size, weight: torch.Size, *_: Any, **__: Any) -> int:
    return 2 * given.numel() * weight[0]


if KERNEL is not None and KERNEL not in flop_registry:
    register_flop_formula(KERNEL)(_flops)
