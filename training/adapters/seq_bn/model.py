"""Which modules a sequential bottleneck wraps."""

from typing import Any

from peft.tuners.tuners_utils import BaseTuner
from torch import nn

from ...families import family_of
from .layer import SeqBnLayer


class SeqBnModel(BaseTuner):
    """Puts a `SeqBnLayer` around each block's feed-forward output. See `SeqBnLayer` for the formula."""

    prefix = "seq_bn_"
    tuner_layer_cls = SeqBnLayer
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
        if isinstance(target, SeqBnLayer):
            target.update_layer(adapter_name, peft_config.reduction_factor)
            return
        layer = SeqBnLayer(target, adapter_name, peft_config.reduction_factor)
        if adapter_name not in self.active_adapters:
            layer.requires_grad_(False)
        setattr(parent, target_name, layer)

    def _prepare_adapter_config(self, peft_config: Any, model_config: dict[str, Any]) -> Any:
        if peft_config.target_modules is None:
            peft_config.target_modules = family_of(model_config["model_type"]).outputs
        return peft_config
