"""From PEFT's form to AdapterHub's."""

import json
from pathlib import Path
from typing import Any, cast

import torch
from peft import PeftModel, get_peft_model_state_dict
from torch import Tensor

from ....workspace.errors import UserError
from ...families import family_of
from ..bottleneck import BottleneckConfig
from ..bottleneck.fusion import FUSED
from ..build import LANGUAGE
from .configs import FUSION, bottleneck_to, linear_to
from .names import HEADS, PEFT_PREFIX, to_theirs

VERSION = "adapters.1.3.0"


def export_adapterhub(model: PeftModel, name: str, folder: Path) -> list[str]:
    """Write the language adapter of `model` into `folder` as `adapters` 1.3.0 saves it; gives notes on what is lost.

    A fusion becomes folders within: one per fused adapter, and `fusion`, for `load_adapter_fusion`. Raises UserError
    for what AdapterHub has no counterpart of.
    """
    config = model.peft_config[LANGUAGE]
    base: Any = model.get_base_model()
    if base.config.model_type not in HEADS:
        raise UserError(f"AdapterHub's form is written for {', '.join(HEADS)}; the base is a {base.config.model_type}")
    prefix = len(PEFT_PREFIX)
    weights = {key[prefix:]: value for key, value in get_peft_model_state_dict(model, adapter_name=LANGUAGE).items()}
    if not isinstance(config, BottleneckConfig):
        theirs = linear_to(config, family_of(base.config.model_type))
        _write(base, name, theirs, weights, folder)
        return []
    if not config.fused:
        notes = [
            "AdapterHub undoes the coupling before a flexible head (AutoAdapterModel), never before the model's own; "
            f"this adapter was trained {'with' if config.invert_before_head else 'without'} that"
        ]
        _write(base, name, bottleneck_to(config), weights, folder)
        return notes if config.coupling else []
    if "fusion" in config.within:
        raise UserError("an adapter named fusion would lie where the fusion itself is written")
    notes = _write_fusion(base, list(config.within), weights, folder / "fusion")
    for part, own in config.within.items():
        mark = f".bottleneck_adapters.experts.{FUSED}{part}."
        chosen = {key.replace(mark, ".bottleneck_adapters."): value for key, value in weights.items() if mark in key}
        if own.coupling:
            if part != next(iter(config.within)):
                notes.append(
                    f"the coupling is that of {part}; AdapterHub uses the first adapter's alone, so none there"
                )
            chosen |= {key: value for key, value in weights.items() if ".bottleneck_couplings." in key}
        _write(base, part, bottleneck_to(own), chosen, folder / part)
    return notes


def _write(base: Any, name: str, theirs: dict[str, Any], weights: dict[str, Tensor], folder: Path) -> None:
    """One adapter, and its head where it has one."""
    folder.mkdir(parents=True, exist_ok=True)
    model_type = base.config.model_type
    named = {to_theirs(key, name, model_type): value.cpu().clone() for key, value in weights.items()}
    adapter = {key: value for key, value in named.items() if key is not None}
    torch.save(adapter, folder / "pytorch_adapter.bin")
    about = _about(base) | {"name": name, "config": theirs}
    _write_json(folder / "adapter_config.json", about)
    head = {key: value.cpu().clone() for key, value in weights.items() if to_theirs(key, name, model_type) is None}
    if not head:
        return
    # the decoder's bias goes along: AdapterHub's flexible heads would start it at zero
    decoder = HEADS[model_type].decoder
    head[f"{decoder}.bias"] = cast(Any, base.get_submodule(decoder)).bias.detach().clone()
    torch.save(head, folder / "pytorch_model_head.bin")
    labels = {"num_labels": 2, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}
    _write_json(folder / "head_config.json", _about(base) | {"name": None, "config": None} | labels)


def _write_fusion(base: Any, names: list[str], weights: dict[str, Tensor], folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    joined = ",".join(names)
    own = {
        to_theirs(key, joined, base.config.model_type): value.cpu().clone()
        for key, value in weights.items()
        if ".bottleneck_adapters." in key and ".experts." not in key
    }
    torch.save(own, folder / "pytorch_model_adapter_fusion.bin")
    _write_json(
        folder / "adapter_fusion_config.json", _about(base) | {"name": joined, "config": FUSION, "adapter_names": names}
    )
    head = any(".bottleneck" not in key for key in weights)
    return ["the LM head trained with the fusion is not written: AdapterHub keeps none with a fusion"] if head else []


def _about(base: Any) -> dict[str, Any]:
    return {
        "model_type": base.config.model_type,
        "model_name": base.config.name_or_path,
        "model_class": HEADS[base.config.model_type].model_class,
        "hidden_size": base.config.hidden_size,
        "version": VERSION,
    }


def _write_json(file: Path, content: dict[str, Any]) -> None:
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
