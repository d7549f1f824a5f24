"""The invertible adapter: a NICE coupling on the embeddings' output, undone before the LM head's decoder.

Dinh et al. 2015, "NICE" (https://arxiv.org/abs/1410.8516), as Pfeiffer et al. 2020 use it in "MAD-X"
(https://arxiv.org/abs/2005.00052, section 3.3). The embedding is cut into halves x1 | x2:

    y1 = x1 + F(x2),  y2 = x2 + G(y1)             F, G: h/2 -> h/2 / reduction_factor -> h/2, act between, with biases
    x2 = y2 - G(y1),  x1 = y1 - F(x2)             the inverse

The paper that this project follows trained without the inverse and evaluated with it; here `invert_before_head` is part
of the adapter and every path obeys it. Of several active adapters the first alone couples, as in AdapterHub.
"""

from collections.abc import Sequence
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from transformers.activations import ACT2FN

from .config import BottleneckConfig

INIT_STD = 0.02


class Coupling(nn.Module):
    """(..., width) -> (..., width), invertible. Raises ValueError where the reduction leaves no unit."""

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__()
        self.first = width // 2
        rest = width - self.first
        self.F = _subnet(rest, self.first, config)
        self.G = _subnet(self.first, rest, config)
        self.invert_before_head = config.invert_before_head
        self.of_fusion = bool(config.fused)

    def forward(self, hidden: Tensor) -> Tensor:
        """x -> y of the formula."""
        x1, x2 = self._halves(hidden)
        y1 = x1 + self.F(x2)
        return torch.cat([y1, x2 + self.G(y1)], dim=-1).to(hidden.dtype)

    def inverse(self, hidden: Tensor) -> Tensor:
        """y -> x of the formula."""
        y1, y2 = self._halves(hidden)
        x2 = y2 - self.G(y1)
        return torch.cat([y1 - self.F(x2), x2], dim=-1).to(hidden.dtype)

    def _halves(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Both halves in the coupling's own precision: fp32, where the base is in bf16."""
        hidden = hidden.to(next(self.parameters()).dtype)
        return hidden[..., : self.first], hidden[..., self.first :]


class CouplingLayer(nn.Module, BaseTunerLayer):
    """Stands inside the embeddings module, which keeps its name, and acts by hooks on it and on the decoder."""

    adapter_layer_names = ("bottleneck_couplings",)
    other_param_names = ()

    def __init__(self, embeddings: nn.Module, decoder: nn.Module | None) -> None:
        super().__init__()
        self.bottleneck_couplings = nn.ModuleDict()
        self.sample_names: Sequence[str] | None = None
        self._disable_adapters = False
        self.merged_adapters = []
        self._active_adapter = []
        # bound methods, so that a deep copy of the model hooks its own layer
        self._hooks = [embeddings.register_forward_hook(self._couple)]
        if decoder is not None:
            self._hooks.append(decoder.register_forward_pre_hook(self._invert))

    def update_layer(self, name: str, coupling: Coupling, like: Tensor) -> None:
        """Add a coupling, on the device and of the type of `like`."""
        self.bottleneck_couplings[name] = coupling.to(device=like.device, dtype=like.dtype)

    def set_adapter(self, adapter_names: str | list[str], inference_mode: bool = False) -> None:
        """Make these active and trainable; the coupling of a fusion, like all that it fuses, stays frozen."""
        super().set_adapter(adapter_names, inference_mode)
        for coupling in self.bottleneck_couplings.values():
            if coupling.of_fusion:
                coupling.requires_grad_(False)

    def remove(self) -> None:
        """Take the hooks away."""
        for hook in self._hooks:
            hook.remove()

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Always raises, as the bottlenecks' `merge`."""
        raise NotImplementedError("an invertible adapter cannot be merged: its non-linearity fits into no weight")

    def _couple(self, module: nn.Module, given: Any, output: Tensor) -> Tensor:
        return self._each(output, lambda coupling, hidden: coupling(hidden))

    def _invert(self, module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        def undo(coupling: Any, hidden: Tensor) -> Tensor:
            return coupling.inverse(hidden) if coupling.invert_before_head else hidden

        return (self._each(given[0], undo), *given[1:])

    def _each(self, hidden: Tensor, act: Any) -> Tensor:
        if self.disable_adapters:
            return hidden
        if self.sample_names is None:
            first = self.active_adapters[0] if self.active_adapters else ""
            return act(self.bottleneck_couplings[first], hidden) if first in self.bottleneck_couplings else hidden
        if len(self.sample_names) != len(hidden):
            raise ValueError(f"{len(self.sample_names)} adapter_names for a batch of {len(hidden)}")
        parts = [
            act(self.bottleneck_couplings[name], row) if name in self.bottleneck_couplings else row
            for name, row in zip(self.sample_names, hidden, strict=True)
        ]
        return torch.stack(parts)


def _subnet(inputs: int, outputs: int, config: BottleneckConfig) -> nn.Sequential:
    width = int(inputs // config.coupling_reduction_factor)
    if width < 1:
        raise ValueError(f"coupling_reduction_factor {config.coupling_reduction_factor} leaves no unit of {inputs}")
    layers = nn.Sequential(nn.Linear(inputs, width), ACT2FN[config.non_linearity], nn.Linear(width, outputs))
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=INIT_STD)
            nn.init.zeros_(layer.bias)
    return layers
