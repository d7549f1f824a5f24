"""Which modules a bottleneck adapter changes."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTuner
from peft.utils import ModulesToSaveWrapper
from torch import Tensor, nn

from ...families import Family, Place, block_number, family_of
from .config import BottleneckConfig
from .coupling import Coupling, CouplingLayer
from .fusion import FUSED
from .layer import BottleneckLayer

COUPLING = "coupling"  # name of the CouplingLayer inside the embeddings module
# PEFT saves an adapter without the weights in whose names the name of another stands
RESERVED = {"down", "up", "query", "key", "value", "experts", "F", "G", "0", "1", "2", "weight", "bias", COUPLING}
NO_ADAPTER = "__base__"  # PEFT's name for a sample without adapter


class BottleneckModel(BaseTuner):
    """Puts bottlenecks into the blocks, and a coupling onto the embeddings. See layer.py and coupling.py."""

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
        if adapter_name in RESERVED or adapter_name.startswith(FUSED):
            raise ValueError(f"an adapter cannot be named {adapter_name!r}: a part of adapters has that name")
        config: BottleneckConfig = peft_config
        family = family_of(self.model.config.model_type)
        if re.fullmatch(family.embeddings, current_key):
            if config.coupling:
                coupling = Coupling(config, getattr(self.model.config, family.embedding_size))
                layer = _coupling_layer(self.model, target)
                layer.update_layer(adapter_name, coupling, next(target.parameters()))
                self._freeze_unless_active(layer, adapter_name)
            return
        place = next(place for place in _places(family) if re.fullmatch(place.modules, current_key))
        block = block_number(current_key)
        experts = [name for name, one in config.within.items() if _has_place(one, place, family, block)]
        if not experts and (config.fused or not _has_place(config, place, family, block)):
            return
        if isinstance(target, BottleneckLayer):
            layer = target
        else:
            norm = getattr(parent, place.norm) if place.kind == "sibling" else None
            layer = BottleneckLayer(target, place, norm, self.model.config.hidden_size)
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
            several = [*peft_config.within.values()] or [peft_config]
            names = [
                place.modules
                for place, wanted in (
                    (family.feed_forward, any(one.feed_forward for one in several)),
                    (family.attention, any(one.attention for one in several)),
                )
                if wanted
            ]
            peft_config.target_modules = "|".join([*names, *([family.embeddings] if peft_config.coupling else [])])
        return peft_config

    @classmethod
    def _remove_adapter_name_from_key(cls, key: str, adapter_name: str) -> str:
        """PEFT looks for the name just before the last part; ours stands after the container."""
        return re.sub(rf"(\.bottleneck_(?:adapters|couplings))\.{re.escape(adapter_name)}\.", r"\1.", key, count=1)

    @contextmanager
    def _enable_peft_forward_hooks(self, *args: Any, **kwargs: Any) -> Iterator[None]:
        """Give each sample of a batch its own adapter: PEFT's `adapter_names`."""
        names = kwargs.pop("adapter_names", None)
        if names is None:
            yield
            return
        if self.training:
            raise ValueError("adapter_names is for evaluation: call eval() first")
        unknown = set(names) - set(self.peft_config) - {NO_ADAPTER}
        if unknown:
            raise ValueError(f"no adapter named {', '.join(sorted(unknown))}; there: {', '.join(self.peft_config)}")
        layers: list[Any] = [module for module in self.modules() if isinstance(module, self.tuner_layer_cls)]
        wrappers = [module for module in self.modules() if isinstance(module, ModulesToSaveWrapper)]
        hooks = [wrapper.register_forward_hook(partial(_own_heads, names=names)) for wrapper in wrappers]
        for layer in layers:
            layer.sample_names = names
        try:
            yield
        finally:
            for layer in layers:
                layer.sample_names = None
            for hook in hooks:
                hook.remove()

    def _replace_module(self, parent: nn.Module, child_name: str, new_module: nn.Module, child: nn.Module) -> None:
        """Put the base's module back; PEFT's own wants a weight, which whole blocks do not have."""
        setattr(parent, child_name, new_module)

    def unload(self) -> nn.Module:
        """The base model without adapters and hooks; a trained LM head stays in it, as with PEFT's own."""
        for module in list(self.model.modules()):
            if isinstance(getattr(module, COUPLING, None), CouplingLayer):
                module.get_submodule(COUPLING).remove()  # type: ignore[operator]
                delattr(module, COUPLING)
        return super().unload()

    def merge_and_unload(self, *args: Any, **kwargs: Any) -> nn.Module:
        """Always raises: a bottleneck cannot be merged. See `BottleneckLayer.merge`."""
        layer = next(module for module in self.model.modules() if isinstance(module, self.tuner_layer_cls))
        layer.merge()  # type: ignore[operator]
        raise AssertionError


def _places(family: Family) -> tuple[Place, Place]:
    return family.feed_forward, family.attention


def _has_place(config: BottleneckConfig, place: Place, family: Family, block: int) -> bool:
    wanted = config.feed_forward if place is family.feed_forward else config.attention
    if wanted and config.attention and config.norm_before and place.kind == "plain" and place is family.attention:
        raise ValueError("norm_before after attention is not to be had in this family; only double_seq_bn's form is")
    return wanted and block not in config.leave_out


def _coupling_layer(model: Any, embeddings: nn.Module) -> CouplingLayer:
    """The layer inside `embeddings`, made at the first call."""
    if not hasattr(embeddings, COUPLING):
        setattr(embeddings, COUPLING, CouplingLayer(embeddings, model.get_output_embeddings()))
    return embeddings.get_submodule(COUPLING)  # type: ignore[return-value]


def _own_heads(wrapper: Any, given: tuple[Tensor, ...], output: Tensor, names: Sequence[str]) -> Tensor:
    """What each sample's own copy of a trained module makes of it; PEFT's mixing knows single layers only."""
    copies = wrapper.modules_to_save
    parts = [
        (copies[name] if name in copies else wrapper.original_module)(row.unsqueeze(0))  # noqa: SIM401 - a ModuleDict
        for name, row in zip(names, given[0], strict=True)
    ]
    return torch.cat(parts)
