"""Writing adapters in AdapterHub's format."""

import json
from pathlib import Path
from typing import Any, cast

import torch
from peft import PeftModel, get_peft_model_state_dict
from torch import Tensor

from ....workspace.errors import UserError
from ...families import family_of
from ..bottleneck import BottleneckConfig
from ..bottleneck.fusion import EXPERT_PREFIX
from ..build import LANGUAGE
from .configs import FUSION, bottleneck_to_adapterhub, linear_to_adapterhub
from .names import HEADS, PEFT_PREFIX, adapterhub_name

VERSION = "adapters.1.3.0"  # the version whose format is written


def export_adapterhub(model: PeftModel, name: str, folder: Path) -> list[str]:
    """Write the language adapter of `model` into `folder` as `adapters` 1.3.0 saves it; gives notes on what is lost.

    A fusion becomes subfolders: one for each fused adapter, and `fusion` for `load_adapter_fusion`. Raises UserError
    for what AdapterHub does not support.
    """
    config = model.peft_config[LANGUAGE]
    base: Any = model.get_base_model()
    if base.config.model_type not in HEADS:
        raise UserError(
            f"export in AdapterHub's format supports {', '.join(HEADS)}; this base is a {base.config.model_type}"
        )
    prefix = len(PEFT_PREFIX)
    weights = {key[prefix:]: value for key, value in get_peft_model_state_dict(model, adapter_name=LANGUAGE).items()}
    if not isinstance(config, BottleneckConfig):
        _write(base, name, linear_to_adapterhub(config, family_of(base.config.model_type)), weights, folder)
        return []
    if not config.fused:
        notes = [
            "AdapterHub inverts the coupling before a flexible head (AutoAdapterModel), never before the model's own; "
            f"this adapter was trained {'with' if config.invert_before_head else 'without'} the inverse"
        ]
        _write(base, name, bottleneck_to_adapterhub(config), weights, folder)
        return notes if config.coupling else []
    return _write_fusion_with_adapters(base, config, weights, folder)


def _write_fusion_with_adapters(
    base: Any, config: BottleneckConfig, weights: dict[str, Tensor], folder: Path
) -> list[str]:
    if "fusion" in config.fused_configs:
        raise UserError("an adapter named fusion would overwrite the fusion's own folder: train it under another name")
    names = list(config.fused_configs)
    notes = _write_fusion(base, names, weights, folder / "fusion")
    for name, fused in config.fused_configs.items():
        prefix = f".bottleneck_adapters.experts.{EXPERT_PREFIX}{name}."
        own_weights = {
            key.replace(prefix, ".bottleneck_adapters."): value for key, value in weights.items() if prefix in key
        }
        if fused.coupling:
            if name != names[0]:
                notes.append(
                    f"AdapterHub uses the coupling of the first adapter only, so it will not use that of {name}"
                )
            own_weights |= {key: value for key, value in weights.items() if ".bottleneck_couplings." in key}
        _write(base, name, bottleneck_to_adapterhub(fused), own_weights, folder / name)
    return notes


def _write(base: Any, name: str, theirs: dict[str, Any], weights: dict[str, Tensor], folder: Path) -> None:
    """Write one adapter, and its head if it has one."""
    folder.mkdir(parents=True, exist_ok=True)
    model_type = base.config.model_type
    adapter, head = {}, {}
    for key, value in weights.items():
        new_key = adapterhub_name(key, name, model_type)
        if new_key is None:
            head[key] = value.cpu().clone()
        else:
            adapter[new_key] = value.cpu().clone()
    torch.save(adapter, folder / "pytorch_adapter.bin")
    _write_json(folder / "adapter_config.json", _base_facts(base) | {"name": name, "config": theirs})
    if not head:
        return
    # with the decoder's bias, which AdapterHub's flexible heads would set to zero
    decoder = HEADS[model_type].decoder
    head[f"{decoder}.bias"] = cast(Any, base.get_submodule(decoder)).bias.detach().clone()
    torch.save(head, folder / "pytorch_model_head.bin")
    labels = {"num_labels": 2, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}
    _write_json(folder / "head_config.json", _base_facts(base) | {"name": None, "config": None} | labels)


def _write_fusion(base: Any, names: list[str], weights: dict[str, Tensor], folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    joined = ",".join(names)
    fusion_weights = {
        adapterhub_name(key, joined, base.config.model_type): value.cpu().clone()
        for key, value in weights.items()
        if ".bottleneck_adapters." in key and ".experts." not in key
    }
    torch.save(fusion_weights, folder / "pytorch_model_adapter_fusion.bin")
    _write_json(
        folder / "adapter_fusion_config.json",
        _base_facts(base) | {"name": joined, "config": FUSION, "adapter_names": names},
    )
    has_head = any(".bottleneck" not in key for key in weights)
    note = "the LM head trained with the fusion is not exported: AdapterHub saves no head with a fusion"
    return [note] if has_head else []


def _base_facts(base: Any) -> dict[str, Any]:
    return {
        "model_type": base.config.model_type,
        "model_name": base.config.name_or_path,
        "model_class": HEADS[base.config.model_type].model_class,
        "hidden_size": base.config.hidden_size,
        "version": VERSION,
    }


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
