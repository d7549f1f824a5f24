"""From AdapterHub's form to PEFT's."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from peft import IA3Config, PeftConfig, PeftModel
from torch import Tensor
from transformers import PreTrainedModel

from ....workspace.errors import UserError
from ...families import family_of
from ...tensors import first_line, read_tensors, refuse_pointers
from ..bottleneck.config import NAME
from ..bottleneck.fusion import within
from ..build import fusion_config
from ..files import CONFIG, put_on, put_weights
from .configs import FUSION, bottleneck_of, linear_of
from .names import HEADS, PEFT_PREFIX, to_ours

FILES = {
    "adapter": ("adapter.safetensors", "pytorch_adapter.bin"),
    "head": ("model_head.safetensors", "pytorch_model_head.bin"),
    "fusion": ("model_adapter_fusion.safetensors", "pytorch_model_adapter_fusion.bin"),
}


def import_adapterhub(
    base: PreTrainedModel, folder: Path, *, invert_before_head: bool = True, coupling: str | None = None
) -> tuple[PeftModel, list[str]]:
    """`base` with the adapter, or the fusion, in `folder`, and notes on what has no counterpart.

    A fusion's folder holds `adapter_fusion_config.json`; the adapters that it fuses lie beside it, each in a folder of
    its name, and `coupling` names the one whose coupling is used. Raises UserError for what cannot be read or built.
    """
    if (folder / "adapter_fusion_config.json").is_file():
        model, weights, notes = _fusion(base, folder, invert_before_head, coupling)
    else:
        config, weights, notes = _adapter(base, folder, invert_before_head)
        model = put_on(base, config)
    put_weights(model, weights, folder)
    return model, notes


def _adapter(base: PreTrainedModel, folder: Path, invert: bool) -> tuple[PeftConfig, dict[str, Tensor], list[str]]:
    """The configuration, PEFT's weights (heads included) and notes of one adapter."""
    about = _read_json(folder / CONFIG, folder)
    theirs, name, model_type = about.get("config"), about.get("name"), base.config.model_type
    if "peft_type" in about:
        raise UserError(
            f"{folder} is in PEFT's form already: use it as it is, or write it anew as safetensors with "
            "`lrl-adapt export-adapter --format peft`"
        )
    if not isinstance(theirs, dict) or not isinstance(name, str):
        raise UserError(f"{folder}/adapter_config.json is not AdapterHub's: it has no config and name")
    _check_base(base, about)
    linear = theirs.get("architecture") == "lora"
    if theirs.get("architecture") not in (None, "lora"):
        raise UserError(f"AdapterHub's {theirs['architecture']!r} has no counterpart here; bottlenecks and LoRA have")
    notes: list[str] = []
    try:
        config = (
            linear_of(theirs, str(about.get("version", "")), family_of(model_type))
            if linear
            else bottleneck_of(theirs, invert_before_head=invert)
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{folder}/adapter_config.json cannot be understood: {error!r}") from error
    weights: dict[str, Tensor] = {}
    for key, tensor in _read_weights(folder, "adapter").items():
        ours = to_ours(key, name, model_type, scales=isinstance(config, IA3Config))
        if ours is None:
            notes.append(f"weight without a counterpart, left out: {key}")
        else:
            weights[PEFT_PREFIX + ours] = tensor
    if not linear and cast(Any, config).coupling and not any("bottleneck_couplings" in key for key in weights):
        # task adapters of version 1 tell of a coupling that they do not have
        cast(Any, config).coupling = False
        notes.append("the configuration tells of a coupling, but no weights: none is built")
    if any((folder / file).is_file() for file in FILES["head"]):
        head, more = _head(base, folder)
        notes += more
        if head:
            config.modules_to_save = list(family_of(model_type).head_modules)  # type: ignore[attr-defined]
            weights |= head
    return config, weights, notes


def _head(base: PreTrainedModel, folder: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Dense layer and LayerNorm of a saved LM head as PEFT's weights; other heads are left out with a note."""
    names = HEADS.get(base.config.model_type)
    theirs = _read_weights(folder, "head")
    about = _read_json(folder / "head_config.json", folder) if (folder / "head_config.json").is_file() else {}
    flexible = about.get("config")
    kind = flexible.get("head_type", "masked_lm") if isinstance(flexible, dict) else "masked_lm"
    stem = f"heads.{about.get('name')}"
    if names is None or kind != "masked_lm":
        return {}, [f"the head ({kind}) has no counterpart here and was left out"]
    parts = {
        names.dense: (names.dense, f"{stem}.0"),
        names.norm: (names.norm, f"{stem}.2"),
    }
    weights = {
        f"{PEFT_PREFIX}{ours}.{last}": theirs[f"{old}.{last}"]
        for ours, olds in parts.items()
        for old in olds
        for last in ("weight", "bias")
        if f"{old}.{last}" in theirs
    }
    if len(weights) < 4:
        return {}, ["the head lacks its dense layer or LayerNorm and was left out"]
    notes = []
    bias = cast(Any, base.get_submodule(names.decoder)).bias.float()
    for key in (f"{names.decoder}.bias", f"{names.decoder.rpartition('.')[0]}.bias", f"{stem}.3.bias"):
        if key in theirs and not (theirs[key].shape == bias.shape and torch.allclose(theirs[key], bias, atol=1e-6)):
            notes.append(
                f"the head's decoder bias ({key}) differs from the base's and was left out: logits will differ"
            )
            break
    return weights, notes


def _fusion(
    base: PreTrainedModel, folder: Path, invert: bool, coupling: str | None
) -> tuple[PeftModel, dict[str, Tensor], list[str]]:
    about = _read_json(folder / "adapter_fusion_config.json", folder)
    names = _fused_names(about, folder)
    configs, weights, notes = {}, {}, []
    for name in names:
        config, own, more = _adapter(base, folder.parent / name, invert)
        configs[name] = config
        notes += [f"{name}: {note}" for note in more]
        for key, tensor in own.items():
            if ".bottleneck_adapters." in key:
                weights[within(key, name)] = tensor
            elif ".bottleneck_couplings." in key and name == coupling:
                weights[key] = tensor
    left = [name for name in names if configs[name].coupling and name != coupling]
    if left:
        notes.append(f"couplings left out: {', '.join(left)}; used: {coupling or 'none'}")
    for key, tensor in _read_weights(folder, "fusion").items():
        ours = to_ours(key, ",".join(names), base.config.model_type)
        if ours is not None:
            weights[PEFT_PREFIX + ours] = tensor
    return put_on(base, fusion_config(configs, coupling, None)), weights, notes


def _fused_names(about: Mapping[str, Any], folder: Path) -> list[str]:
    """The names of the fused adapters, in order. Raises UserError for a fusion of another form than ours."""
    names = about.get("adapter_names") or str(about.get("name", "")).split(",")
    if not isinstance(names, list) or not all(isinstance(name, str) and NAME.fullmatch(name) for name in names):
        raise UserError(f"{folder}: the fused adapters' names are to be of letters, digits, - and _; got {names}")
    if not isinstance(about.get("config"), dict):
        raise UserError(f"{folder}/adapter_fusion_config.json is not AdapterHub's: it has no config")
    wrong = [
        key for key, value in FUSION.items() if about["config"].get(key, value) != value and key != "regularization"
    ]
    if wrong:
        raise UserError(f"this fusion has parts without a counterpart here: {', '.join(wrong)}")
    return names


def _check_base(base: PreTrainedModel, about: Mapping[str, Any]) -> None:
    for key in ("model_type", "hidden_size"):
        ours = getattr(base.config, key)
        if about.get(key, ours) != ours:
            raise UserError(f"the adapter is for a base with {key} {about[key]}; this base has {ours}")


def _read_json(file: Path, folder: Path) -> dict[str, Any]:
    if not file.is_file():
        raise UserError(f"{folder} holds no AdapterHub adapter: there is no {file.name}")
    refuse_pointers([file])
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is no JSON: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} is no JSON object")
    return content


def _read_weights(folder: Path, kind: str) -> dict[str, Tensor]:
    """safetensors where there is one, else the pickle, of which only tensors are read."""
    for name in FILES[kind]:
        file = folder / name
        if not file.is_file():
            continue
        weights = {key: value.float() for key, value in read_tensors(file).items()}
        broken = [key for key, value in weights.items() if not value.isfinite().all()]
        if broken:
            raise UserError(f"{file}: {broken[0]} has values that are no numbers")
        return weights
    raise UserError(f"{folder} holds none of {', '.join(FILES[kind])}")
