"""nn.Linear by oneDNN, on processors where the library that PyTorch takes leaves AVX-512 unused.

PyTorch computes fp32 products with Intel's MKL, which does not use AVX-512 on processors of other makers: on an AMD
EPYC oneDNN, which PyTorch includes too, is twice as fast (docs/performance.md). On all other devices, in other
precisions and under autocast PyTorch's own function is called.
"""

import platform
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.flop_counter import flop_registry, register_flop_formula

from ..compat import linear_kernel
from .joint_row import current_row

KERNEL = linear_kernel()


def _is_faster() -> bool:
    """True for AMD's processors with AVX-512, where PyTorch has both libraries and the kernel."""
    cpuinfo = Path("/proc/cpuinfo")
    processor = cpuinfo.read_text(encoding="utf-8") if cpuinfo.is_file() else platform.processor()
    has_both_libraries = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    return (
        has_both_libraries
        and KERNEL is not None
        and "AuthenticAMD" in processor
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
    )


IS_FASTER = _is_faster()


class Linear(nn.Linear):
    """A layer with the parameters of `layer`, computed by `linear`."""

    def __init__(self, layer: nn.Linear) -> None:
        # on the meta device: no memory is needed for weights that are replaced
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.train(layer.training)

    def reset_parameters(self) -> None:
        """Nothing to do: no random numbers are drawn, so that those drawn later do not change."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., in) -> (..., out); in a joint row with each run's own weights, if they are trained."""
        if self.weight.requires_grad and (row := current_row()):
            return row.linear(self, input)
        return linear(input, self.weight, self.bias)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias: (..., in), (out, in), (out,) -> (..., out)."""
    # a graph that is exported, to ONNX say, must not hold the kernel
    if not IS_FASTER or torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"):
        return nn.functional.linear(input, weight, bias)
    if not _kernel_takes(input, weight, bias):
        return nn.functional.linear(input, weight, bias)
    if torch.is_grad_enabled():
        return cast(Tensor, _Linear.apply(input, weight, bias))
    return _product(input, weight, bias)


def _kernel_takes(input: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether the kernel computes these right: it checks no shapes, and reads a bias as if it were contiguous."""
    are_fp32_on_cpu = all(
        tensor.device.type == "cpu" and tensor.dtype == torch.float32 and tensor.numel() > 0
        for tensor in (input, weight, *([] if bias is None else [bias]))
    )
    shapes_match = are_fp32_on_cpu and weight.dim() == 2 and input.shape[-1] == weight.shape[1]
    return shapes_match and (bias is None or (bias.shape == weight.shape[:1] and bias.is_contiguous()))


def _product(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return cast(Any, KERNEL)(input, weight, bias, "none", [], "")  # no activation fused after it


class _Linear(torch.autograd.Function):
    """The kernel has no derivative in PyTorch; this gives it the one of a linear layer, by the same kernel."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        needs_input, needs_weight, _ = ctx.needs_input_grad
        # A frozen weight needs no input kept: most of a base's activations.
        ctx.save_for_backward(input if needs_weight else None, weight if needs_input else None)
        return _product(input, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        input, weight = ctx.saved_tensors
        gradient = grad_outputs[0]
        rows = gradient.reshape(-1, gradient.shape[-1])
        needs_input, needs_weight, needs_bias = ctx.needs_input_grad
        grad_input = _product(gradient, weight.T) if needs_input else None
        grad_weight = _product(rows.T, input.reshape(-1, input.shape[-1]).T) if needs_weight else None
        return grad_input, grad_weight, rows.sum(0) if needs_bias else None


def _flops(input: torch.Size, weight: torch.Size, *_: Any, **__: Any) -> int:
    return 2 * input.numel() * weight[0]  # one multiplication and one addition for each input and output


# FlopCounterMode knows PyTorch's operators; it would count this one as nothing.
if KERNEL is not None and KERNEL not in flop_registry:
    register_flop_formula(KERNEL)(_flops)
