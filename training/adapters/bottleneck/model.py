"""The PEFT tuner of bottleneck adapters: which modules of a base it changes."""

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTuner
from peft.utils import ModulesToSaveWrapper
from torch import Tensor, nn

from ...families import Family, InsertionPoint, block_number, family_of
from .config import BottleneckConfig
from .coupling import Coupling, CouplingLayer
from .fusion import EXPERT_PREFIX
from .layer import BottleneckLayer, Stack

COUPLING = "coupling"  # name of the CouplingLayer inside the embeddings module
# PEFT leaves out of a saved adapter each weight whose name contains the name of another adapter, so no adapter may be
# named like a part of one.
RESERVED_NAMES = {"down", "up", "query", "key", "value", "experts", "F", "G", "0", "1", "2", "weight", "bias", COUPLING}
NO_ADAPTER = "__base__"  # PEFT's name, in `adapter_names`, for a sample without adapter


class BottleneckModel(BaseTuner):
    """Puts bottlenecks into the blocks, and a coupling onto the embeddings. See layer.py and coupling.py.

    tests/training/test_compat.py checks that the private methods that it overrides are those of the installed PEFT.
    """

    prefix = "bottleneck_"
    tuner_layer_cls = (BottleneckLayer, CouplingLayer)  # type: ignore[assignment]  # for isinstance
    target_module_mapping: dict[str, Any] = {}  # noqa: RUF012 - BaseTuner's contract; the family table is ours

    def _create_and_replace(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        peft_config: Any,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        **optional: Any,
    ) -> None:
        if adapter_name in RESERVED_NAMES or adapter_name.startswith(EXPERT_PREFIX):
            raise ValueError(f"an adapter cannot be named {adapter_name!r}, which is the name of a part of adapters")
        config: BottleneckConfig = peft_config
        family = family_of(self.model.config.model_type)
        if re.fullmatch(family.embeddings, current_key):
            if config.coupling:
                coupling = Coupling(config, getattr(self.model.config, family.embedding_size))
                layer = _coupling_layer(self.model, target)
                layer.update_layer(adapter_name, coupling, next(target.parameters()))
                self._freeze_unless_active(layer, adapter_name)
            return
        point = next(
            point for point in (family.feed_forward, family.attention) if re.fullmatch(point.modules, current_key)
        )
        block = block_number(current_key)
        experts = [name for name, expert in config.fused_configs.items() if _is_used(point, expert, family, block)]
        if not experts and (config.fused or not _is_used(point, config, family, block)):
            return
        if isinstance(target, BottleneckLayer):
            layer = target
        else:
            norm = getattr(parent, point.norm) if point.residual == "input" else None
            layer = BottleneckLayer(target, point, norm, self.model.config.hidden_size)
            setattr(parent, target_name, layer)
        layer.update_layer(adapter_name, config, block, experts)
        self._freeze_unless_active(layer, adapter_name)

    def _freeze_unless_active(self, layer: Any, adapter_name: str) -> None:
        layer.set_adapter(self.active_adapters)
        if adapter_name not in self.active_adapters:
            for container in layer.adapter_layer_names:
                getattr(layer, container)[adapter_name].requires_grad_(False)

    def _prepare_adapter_config(self, peft_config: Any, model_config: dict[str, Any]) -> Any:
        if peft_config.target_modules is None:
            family = family_of(model_config["model_type"])
            configs = [*peft_config.fused_configs.values()] or [peft_config]
            patterns = []
            if any(config.feed_forward for config in configs):
                patterns.append(family.feed_forward.modules)
            if any(config.attention for config in configs):
                patterns.append(family.attention.modules)
            if peft_config.coupling:
                patterns.append(family.embeddings)
            peft_config.target_modules = "|".join(patterns)
        return peft_config

    @classmethod
    def _remove_adapter_name_from_key(cls, key: str, adapter_name: str) -> str:
        """Remove the adapter's name after its container; PEFT's own looks for it before the last part of the key."""
        return re.sub(rf"(\.bottleneck_(?:adapters|couplings))\.{re.escape(adapter_name)}\.", r"\1.", key, count=1)

    @contextmanager
    def _enable_peft_forward_hooks(self, *args: Any, **kwargs: Any) -> Iterator[None]:
        """Give each sample of a batch its own adapter, for PEFT's argument `adapter_names` of forward.

        Instead of a name, a sample may have a stack: a tuple of names, the first the lowest.
        """
        names = kwargs.pop("adapter_names", None)
        if names is None:
            yield
            return
        if self.training:
            raise ValueError("adapter_names works in evaluation mode only: call eval() first")
        stacks: list[Stack] = [(name,) if isinstance(name, str) else tuple(name) for name in names]
        unknown = set(itertools.chain(*stacks)) - set(self.peft_config) - {NO_ADAPTER}
        if unknown:
            raise ValueError(f"no adapter named {', '.join(sorted(unknown))}; loaded: {', '.join(self.peft_config)}")
        layers: list[Any] = [module for module in self.modules() if isinstance(module, self.tuner_layer_cls)]
        wrappers = [module for module in self.modules() if isinstance(module, ModulesToSaveWrapper)]
        hooks = [wrapper.register_forward_hook(partial(_apply_per_sample, stacks=stacks)) for wrapper in wrappers]
        for layer in layers:
            layer.stack_per_sample = stacks
        try:
            yield
        finally:
            for layer in layers:
                layer.stack_per_sample = None
            for hook in hooks:
                hook.remove()

    def _replace_module(self, parent: nn.Module, child_name: str, new_module: nn.Module, child: nn.Module) -> None:
        """Put the base's module back; PEFT's own method needs a weight, which whole blocks do not have."""
        setattr(parent, child_name, new_module)

    def unload(self) -> nn.Module:
        """The base model without adapters and their hooks; a trained LM head stays in it, as with PEFT's own tuners."""
        for module in list(self.model.modules()):
            if isinstance(getattr(module, COUPLING, None), CouplingLayer):
                module.get_submodule(COUPLING).remove()  # type: ignore[operator]
                delattr(module, COUPLING)
        return super().unload()

    def merge_and_unload(self, *args: Any, **kwargs: Any) -> nn.Module:
        """Always raises NotImplementedError: a bottleneck cannot be merged. See `BottleneckLayer.merge`."""
        layer = next(module for module in self.model.modules() if isinstance(module, self.tuner_layer_cls))
        layer.merge()  # type: ignore[operator]
        raise AssertionError


def _is_used(point: InsertionPoint, config: BottleneckConfig, family: Family, block: int) -> bool:
    """Whether an adapter of this configuration has a bottleneck there."""
    is_attention = point is family.attention
    if is_attention and config.attention and config.norm_before and point.residual == "unavailable":
        raise ValueError(
            "norm_before is not possible after the attention of this model type: set it to false, as double_seq_bn does"
        )
    return (config.attention if is_attention else config.feed_forward) and block not in config.leave_out


def _coupling_layer(model: Any, embeddings: nn.Module) -> CouplingLayer:
    """The layer inside `embeddings`, created at the first call."""
    if not hasattr(embeddings, COUPLING):
        setattr(embeddings, COUPLING, CouplingLayer(embeddings, model.get_output_embeddings()))
    return embeddings.get_submodule(COUPLING)  # type: ignore[return-value]


def _apply_per_sample(wrapper: Any, inputs: tuple[Tensor, ...], output: Tensor, stacks: Sequence[Stack]) -> Tensor:
    """The output of a module in `modules_to_save`, by the copy of each sample's lowest adapter.

    PEFT's own way with `adapter_names` works for single layers only, and heads have several.
    """
    copies = wrapper.modules_to_save
    outputs = [
        (copies[lowest] if lowest in copies else wrapper.original_module)(row.unsqueeze(0))  # noqa: SIM401 - a ModuleDict
        for (lowest, *_), row in zip(stacks, inputs[0], strict=True)
    ]
    return torch.cat(outputs)
