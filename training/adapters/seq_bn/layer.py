"""The sequential bottleneck after a feed-forward block.

Pfeiffer et al. 2021, "AdapterFusion: Non-Destructive Task Composition for Transfer Learning"
(https://aclanthology.org/2021.eacl-main.39), in the form of AdapterHub's `seq_bn`. With f the feed-forward's output
before its LayerNorm and r the block's input:

    x   = LN(f + r)                         the block's own LayerNorm, frozen
    a   = f + up(relu(down(x)))             h -> h / reduction_factor -> h, with biases
    out = LN(a + r)                         the same LayerNorm

Several active adapters are a stack: each takes the a of the one before it as its f.
"""

from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

INIT_STD = 0.02


class SeqBnLayer(nn.Module, BaseTunerLayer):
    """Wraps a block's output module (`dense`, `dropout`, `LayerNorm`) as BERT and RoBERTa have it."""

    adapter_layer_names = ("seq_bn_down", "seq_bn_up")
    other_param_names = ()

    def __init__(self, base_layer: nn.Module, adapter_name: str, reduction_factor: int) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.hidden_size: int = base_layer.get_submodule("dense").out_features  # type: ignore[assignment]
        self.seq_bn_down = nn.ModuleDict()
        self.seq_bn_up = nn.ModuleDict()
        self._disable_adapters = False
        self.merged_adapters = []
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, reduction_factor)

    def update_layer(self, adapter_name: str, reduction_factor: int) -> None:
        """Add a bottleneck named `adapter_name`; raises ValueError if it would have no unit."""
        width = self.hidden_size // reduction_factor
        if width < 1:
            raise ValueError(f"reduction_factor {reduction_factor} leaves no unit of {self.hidden_size}")
        self.seq_bn_down[adapter_name] = _linear(self.hidden_size, width)
        self.seq_bn_up[adapter_name] = _linear(width, self.hidden_size)
        dense = self.get_base_layer().get_submodule("dense")
        self._move_adapter_to_device_of_base_layer(adapter_name, device=dense.weight.device)  # type: ignore[arg-type]
        self.set_adapter(self.active_adapters)

    def forward(self, hidden_states: Tensor, input_tensor: Tensor) -> Tensor:
        """(batch, seq, intermediate) and the block's input (batch, seq, hidden) -> (batch, seq, hidden)."""
        output: Any = self.get_base_layer()
        hidden = output.dropout(output.dense(hidden_states))
        if not self.disable_adapters:
            for name in self.active_adapters:
                if name in self.seq_bn_down:
                    normed = output.LayerNorm(hidden + input_tensor)
                    hidden = hidden + self.seq_bn_up[name](torch.relu(self.seq_bn_down[name](normed)))
        return output.LayerNorm(hidden + input_tensor)

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Always raises: a bottleneck has a non-linearity, so no weight of the base can hold it."""
        raise NotImplementedError(
            "a seq_bn adapter cannot be merged: its non-linearity fits into no weight of the base"
        )

    def unmerge(self) -> None:
        """Nothing is ever merged."""


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=INIT_STD)
    nn.init.zeros_(layer.bias)
    return layer
