"""The invertible adapter: a NICE coupling on the embeddings' output, inverted before the LM head's decoder.

Dinh et al. 2015, "NICE" (https://arxiv.org/abs/1410.8516), as Pfeiffer et al. 2020 use it in "MAD-X"
(https://arxiv.org/abs/2005.00052, section 3.3). The embedding is split into halves x1 | x2:

    y1 = x1 + F(x2),  y2 = x2 + G(y1)             F, G: h/2 -> h/2 / reduction_factor -> h/2, act between, with biases
    x2 = y2 - G(y1),  x1 = y1 - F(x2)             the inverse

The paper that this project follows trained without the inverse and evaluated with it; here `invert_before_head` is part
of the adapter, the same in training and evaluation. Of several active adapters only the first one's coupling is used,
as in AdapterHub.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from transformers.activations import ACT2FN

from ...compat import initialise_tuner_layer
from .config import BottleneckConfig
from .layer import Stack

INIT_STD = 0.02  # of BERT's weights, as in AdapterHub


class Coupling(nn.Module):
    """(..., width) -> (..., width), invertible. Raises ValueError if the reduction leaves no unit."""

    def __init__(self, config: BottleneckConfig, width: int) -> None:
        super().__init__()
        self.first_width = width // 2
        second_width = width - self.first_width
        self.F = _subnet(second_width, self.first_width, config)
        self.G = _subnet(self.first_width, second_width, config)
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
        return hidden[..., : self.first_width], hidden[..., self.first_width :]


class CouplingLayer(nn.Module, BaseTunerLayer):
    """A child of the embeddings module that changes its output, and the decoder's input, by hooks.

    Hooks, because a wrapper would change the names of the embeddings' weights.
    """

    adapter_layer_names = ("bottleneck_couplings",)
    other_param_names = ()

    def __init__(self, embeddings: nn.Module, decoder: nn.Module | None) -> None:
        super().__init__()
        self.bottleneck_couplings = nn.ModuleDict()
        self.stack_per_sample: Sequence[Stack] | None = None
        initialise_tuner_layer(self)
        # bound methods, not closures: a deep copy of the model copies them, bound to its own layer
        self._hooks = [embeddings.register_forward_hook(self._couple)]
        if decoder is not None:
            self._hooks.append(decoder.register_forward_pre_hook(self._invert))

    def update_layer(self, name: str, coupling: Coupling, like: Tensor) -> None:
        """Add a coupling, on the device and of the type of `like`."""
        self.bottleneck_couplings[name] = coupling.to(device=like.device, dtype=like.dtype)

    def set_adapter(self, adapter_names: str | list[str], inference_mode: bool = False) -> None:
        """Make these active and trainable; the coupling of a fusion, like the adapters inside it, stays frozen."""
        super().set_adapter(adapter_names, inference_mode)
        for coupling in self.bottleneck_couplings.values():
            if coupling.of_fusion:
                coupling.requires_grad_(False)

    def remove(self) -> None:
        """Remove the hooks."""
        for hook in self._hooks:
            hook.remove()

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Always raises NotImplementedError: it has a non-linearity, so no weight of the base can hold it."""
        raise NotImplementedError("an invertible adapter cannot be merged into the base: it has a non-linearity")

    def _couple(self, embeddings: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        def couple(coupling: Any, hidden: Tensor) -> Tensor:
            return coupling(hidden)

        return self._apply_active(couple, output)

    def _invert(self, decoder: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        def invert(coupling: Any, hidden: Tensor) -> Tensor:
            return coupling.inverse(hidden) if coupling.invert_before_head else hidden

        return (self._apply_active(invert, inputs[0]), *inputs[1:])

    def _apply_active(self, function: Callable[[Any, Tensor], Tensor], hidden: Tensor) -> Tensor:
        """`function` of the active adapter's coupling and `hidden`, or for each sample of its lowest adapter's."""
        if self.disable_adapters:
            return hidden
        couplings, stacks = self.bottleneck_couplings, self.stack_per_sample
        if stacks is None:
            first = self.active_adapters[0] if self.active_adapters else ""
            return function(couplings[first], hidden) if first in couplings else hidden
        if len(stacks) != len(hidden):
            raise ValueError(f"{len(stacks)} adapter_names for a batch of {len(hidden)}")
        rows = [
            function(couplings[lowest], row) if lowest in couplings else row
            for (lowest, *_), row in zip(stacks, hidden, strict=True)
        ]
        return torch.stack(rows)


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
