"""The bottleneck, and the layer that puts it into a block.

Houlsby et al. 2019, "Parameter-Efficient Transfer Learning for NLP" (https://arxiv.org/abs/1902.00751); Pfeiffer et
al. 2020, "MAD-X" (https://arxiv.org/abs/2005.00052); He et al. 2022, "Towards a Unified View of Parameter-Efficient
Transfer Learning" (https://arxiv.org/abs/2110.04366); all as AdapterHub implements them. With f the output of the
feed-forward (or attention) before its LayerNorm and r the residual that the block adds to it:

    x   = LN(f + r)   norm_before: the block's own LayerNorm, frozen
          f           otherwise, and in pre-norm blocks, where no LayerNorm follows
          r           parallel
    a   = f + scaling * dropout(up(act(down(x))))      h -> h / reduction_factor -> h, with biases
    out = LN(a + r)                                    the same LayerNorm; the block's own way of adding r

Several active adapters are a stack: each takes the a of the one before it as its f.

`sparse_groups` (in the spirit of MoSA, "Split & Merge: Unlocking the Potential of Visual Adapters via Sparse Training",
https://arxiv.org/abs/2312.02923): the bottleneck's units are split into G groups; a forward in training uses one, drawn
at random, and multiplies its output by G, so that the whole bottleneck, used afterwards, is the mean of what was
trained and needs no further merging.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from transformers.activations import ACT2FN

from ...compat import initialise_tuner_layer
from ...families import InsertionPoint
from ...fast.joint_row import each_run
from .config import BottleneckConfig
from .fusion import Fusion

INIT_STD = 0.02  # AdapterHub's: that of BERT's weights
Stack = tuple[str, ...]
"""Names of adapters that a sample goes through, one after the other."""


class BlockState(NamedTuple):
    """What a bottleneck may see of its block; tensors are (..., seq, hidden)."""

    f: Tensor
    """Output of the wrapped module, changed by the adapters before this one."""
    parallel: Tensor
    """Input of a parallel bottleneck: the feed-forward's input."""
    norm: Callable[[Tensor], Tensor]
    """f -> LN(f + r), or f itself in pre-norm blocks."""


class Bottleneck(nn.Module):
    """One adapter in one block. Raises ValueError where the reduction leaves fewer units than there are groups."""

    def __init__(self, config: BottleneckConfig, block: int, hidden_size: int) -> None:
        super().__init__()
        reduction_factor = config.block_reduction_factor(block)
        width = int(hidden_size // reduction_factor)
        if width < config.sparse_groups:
            raise ValueError(
                f"reduction_factor {reduction_factor} leaves {width} units of {hidden_size}, "
                f"fewer than {config.sparse_groups}"
            )
        self.config = config
        self.down = nn.Linear(hidden_size, width)
        self.up = nn.Linear(width, hidden_size)
        self.act = ACT2FN[config.non_linearity]
        self.dropout = nn.Dropout(config.dropout)
        for linear in (self.down, self.up):
            nn.init.normal_(linear.weight, std=INIT_STD)
            nn.init.zeros_(linear.bias)
        if config.init == "mam":
            nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
            nn.init.zeros_(self.up.weight)

    def change(self, state: BlockState) -> Tensor:
        """scaling * up(act(down(x))), without dropout: what fusion attends over. (..., seq, hidden)."""
        inner = self.act(self.down(self.input_from(state).to(self.down.weight.dtype)))
        if self.training and self.config.sparse_groups > 1:
            inner = each_run(partial(_use_random_group, groups=self.config.sparse_groups), inner)
        return self.up(inner) * self.config.scaling

    def input_from(self, state: BlockState) -> Tensor:
        """The x of the formula, (..., seq, hidden)."""
        if self.config.parallel:
            return state.parallel
        return state.norm(state.f) if self.config.norm_before else state.f

    def forward(self, state: BlockState) -> Tensor:
        """The a of the formula, (..., seq, hidden)."""
        return state.f + self.dropout(self.change(state)).to(state.f.dtype)


class BottleneckLayer(nn.Module, BaseTunerLayer):
    """Wraps a module at an `InsertionPoint`, with any number of adapters by name."""

    adapter_layer_names = ("bottleneck_adapters",)
    other_param_names = ()

    def __init__(self, base_layer: nn.Module, point: InsertionPoint, norm: nn.Module | None, hidden_size: int) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.hidden_size = hidden_size
        self.bottleneck_adapters = nn.ModuleDict()
        self.stack_per_sample: Sequence[Stack] | None = None
        self._residual_source = point.residual
        self._norm = [norm]  # in a list, so that it is not registered: it is the block's child already
        initialise_tuner_layer(self)

    def update_layer(self, name: str, config: BottleneckConfig, block: int, experts: Sequence[str]) -> None:
        """Add an adapter: a bottleneck, or the fusion of those of its `experts` that have a bottleneck here."""
        if config.fused:
            bottlenecks = {
                expert: Bottleneck(config.fused_configs[expert], block, self.hidden_size) for expert in experts
            }
            self.bottleneck_adapters[name] = Fusion(bottlenecks, self.hidden_size)
        else:
            self.bottleneck_adapters[name] = Bottleneck(config, block, self.hidden_size)
        reference = next(self.base_layer.parameters())
        dtype = reference.dtype if reference.dtype.is_floating_point else torch.float32
        self.bottleneck_adapters[name].to(device=reference.device, dtype=dtype)

    def set_adapter(self, adapter_names: str | list[str], inference_mode: bool = False) -> None:
        """Make these active, in this order, and trainable; the adapters inside a fusion stay frozen."""
        super().set_adapter(adapter_names, inference_mode)
        for adapter in self.bottleneck_adapters.values():
            if isinstance(adapter, Fusion):
                adapter.experts.requires_grad_(False)

    def forward(self, hidden_states: Tensor, *residual: Tensor) -> Tensor:
        """(batch, seq, ...) -> (batch, seq, hidden); with residual "argument" also takes it, (batch, seq, hidden)."""
        base: Any = self.base_layer
        if self._residual_source == "argument":
            r = residual[0]
            f = base.dropout(base.dense(hidden_states))
            return base.LayerNorm(self._adapted(f, r, r, base.LayerNorm) + r)
        norm = self._norm[0]
        f, r = base(hidden_states, *residual), hidden_states if norm is not None else None
        return self._adapted(f, hidden_states, r, norm)

    def _adapted(self, f: Tensor, parallel: Tensor, residual: Tensor | None, norm: Any) -> Tensor:
        """The a of the last active adapter, or for each sample that of its own stack."""
        if self.disable_adapters:
            return f
        stacks = self.stack_per_sample
        if stacks is None:
            return self._stacked(f, parallel, residual, norm, self.active_adapters)
        if len(stacks) != len(f):
            raise ValueError(f"{len(stacks)} adapter_names for a batch of {len(f)}")
        if len(set(stacks)) == 1:
            return self._stacked(f, parallel, residual, norm, stacks[0])
        result = f.clone()
        for stack in sorted(set(stacks)):
            rows = torch.tensor([row for row, row_stack in enumerate(stacks) if row_stack == stack], device=f.device)
            row_residual = residual[rows] if residual is not None else None
            result[rows] = self._stacked(f[rows], parallel[rows], row_residual, norm, stack)
        return result

    def _stacked(self, f: Tensor, parallel: Tensor, residual: Tensor | None, norm: Any, names: Sequence[str]) -> Tensor:
        def add_and_norm(hidden: Tensor) -> Tensor:
            return hidden if residual is None else norm(hidden + residual)

        for name in names:
            if name in self.bottleneck_adapters:
                f = self.bottleneck_adapters[name](BlockState(f, parallel, add_and_norm))
        return f

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Always raises NotImplementedError: a bottleneck has a non-linearity, so no weight of the base can hold it."""
        raise NotImplementedError(
            "a bottleneck adapter cannot be merged into the base, because it has a non-linearity: keep it as an "
            "adapter, or train a LoRA"
        )

    def unmerge(self) -> None:
        """Nothing is ever merged."""


def _use_random_group(inner: Tensor, groups: int) -> Tensor:
    """(..., width) times `groups` for the units of a group drawn at random, 0 for the others."""
    width = inner.shape[-1]
    chosen = int(torch.randint(groups, ()))
    units = torch.arange(width, device=inner.device) * groups // width == chosen  # unit -> its group
    return inner * (units.to(inner.dtype) * groups)
