"""Reading adapters in AdapterHub's format."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from peft import IA3Config, PeftConfig, PeftModel
from torch import Tensor
from transformers import PreTrainedModel

from ....workspace.errors import UserError, first_line, shown
from ...families import family_of
from ...tensors import read_tensors, refuse_pointers
from ..bottleneck.config import ADAPTER_NAME
from ..bottleneck.fusion import expert_key
from ..build import fusion_config
from ..files import CONFIG, add_adapter, load_adapter_weights
from .configs import FUSION, bottleneck_from_adapterhub, linear_from_adapterhub
from .names import HEADS, PEFT_PREFIX, peft_name

# Files of weights, the preferred one first.
FILES = {
    "adapter": ("adapter.safetensors", "pytorch_adapter.bin"),
    "head": ("model_head.safetensors", "pytorch_model_head.bin"),
    "fusion": ("model_adapter_fusion.safetensors", "pytorch_model_adapter_fusion.bin"),
}


def import_adapterhub(
    base: PreTrainedModel, folder: Path, *, invert_before_head: bool = True, coupling: str | None = None
) -> tuple[PeftModel, list[str]]:
    """`base` with the adapter, or the fusion, in `folder`, and notes on what could not be imported.

    A fusion's folder holds `adapter_fusion_config.json`; the adapters that it fuses are in folders of their names next
    to it, and `coupling` names the one whose coupling is used. Raises UserError for what cannot be read or is not
    supported.
    """
    if (folder / "adapter_fusion_config.json").is_file():
        model, weights, notes = _fusion(base, folder, invert_before_head, coupling)
    else:
        config, weights, notes = _adapter(base, folder, invert_before_head)
        model = add_adapter(base, config)
    load_adapter_weights(model, weights, folder)
    return model, notes


def _adapter(base: PreTrainedModel, folder: Path, invert: bool) -> tuple[PeftConfig, dict[str, Tensor], list[str]]:
    """The configuration, PEFT's weights (heads included) and notes of one adapter."""
    about = _read_json(folder / CONFIG, folder)
    theirs, name, model_type = about.get("config"), about.get("name"), base.config.model_type
    if "peft_type" in about:
        raise UserError(
            f"{folder} is already in PEFT's format: use it as it is, or convert it to safetensors with "
            "`lrl-adapt export --format peft`"
        )
    if not isinstance(theirs, dict) or not isinstance(name, str):
        raise UserError(f"{folder}/adapter_config.json is not AdapterHub's: it lacks `config` or `name`")
    _check_base(base, about)
    is_linear = theirs.get("architecture") == "lora"  # LoRA or (IA)³
    if theirs.get("architecture") not in (None, "lora"):
        raise UserError(
            f"AdapterHub's {shown(theirs['architecture'])} is not supported, only bottlenecks, LoRA and (IA)³ are"
        )
    notes: list[str] = []
    try:
        config = (
            linear_from_adapterhub(theirs, str(about.get("version", "")), family_of(model_type))
            if is_linear
            else bottleneck_from_adapterhub(theirs, invert_before_head=invert)
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{folder}/adapter_config.json is not valid: {shown(error)}") from error
    weights: dict[str, Tensor] = {}
    for key, tensor in _read_weights(folder, "adapter").items():
        new_key = peft_name(key, name, model_type, is_ia3=isinstance(config, IA3Config))
        if new_key is None:
            notes.append(f"skipped a weight that is not part of the adapter: {key}")
        else:
            weights[PEFT_PREFIX + new_key] = tensor
    if not is_linear and cast(Any, config).coupling and not any("bottleneck_couplings" in key for key in weights):
        # the configuration of task adapters of version 1 has a coupling, though they have none
        cast(Any, config).coupling = False
        notes.append("the configuration has a coupling, but there are no weights for it: imported without it")
    if any((folder / file).is_file() for file in FILES["head"]):
        head, more = _head(base, folder)
        notes += more
        if head:
            config.modules_to_save = list(family_of(model_type).head_modules)  # type: ignore[attr-defined]
            weights |= head
    return config, weights, notes


def _head(base: PreTrainedModel, folder: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Dense layer and LayerNorm of a saved LM head as PEFT's weights, and notes; other heads are skipped."""
    names = HEADS.get(base.config.model_type)
    theirs = _read_weights(folder, "head")
    about = _read_json(folder / "head_config.json", folder) if (folder / "head_config.json").is_file() else {}
    flexible = about.get("config")
    kind = flexible.get("head_type", "masked_lm") if isinstance(flexible, dict) else "masked_lm"
    stem = f"heads.{about.get('name')}"
    if names is None or kind != "masked_lm":
        return {}, [f"skipped the head: type {kind} is not supported"]
    weights = {}
    for module, flexible_name in ((names.dense, f"{stem}.0"), (names.norm, f"{stem}.2")):
        for old_module, parameter in itertools.product((module, flexible_name), ("weight", "bias")):
            if f"{old_module}.{parameter}" in theirs:
                weights[f"{PEFT_PREFIX}{module}.{parameter}"] = theirs[f"{old_module}.{parameter}"]
    if len(weights) < 4:
        return {}, ["skipped the head: its dense layer or LayerNorm is missing"]
    notes = []
    bias = cast(Any, base.get_submodule(names.decoder)).bias.float()
    for key in (f"{names.decoder}.bias", f"{names.decoder.rpartition('.')[0]}.bias", f"{stem}.3.bias"):
        if key in theirs and not (theirs[key].shape == bias.shape and torch.allclose(theirs[key], bias, atol=1e-6)):
            notes.append(f"skipped the head's decoder bias ({key}), which differs from the base's: logits will differ")
            break
    return weights, notes


def _fusion(
    base: PreTrainedModel, folder: Path, invert: bool, coupling: str | None
) -> tuple[PeftModel, dict[str, Tensor], list[str]]:
    about = _read_json(folder / "adapter_fusion_config.json", folder)
    names = _fused_names(about, folder)
    configs, weights, notes = {}, {}, []
    for name in names:
        configs[name], adapter_weights, adapter_notes = _adapter(base, folder.parent / name, invert)
        notes += [f"{name}: {note}" for note in adapter_notes]
        for key, tensor in adapter_weights.items():
            if ".bottleneck_adapters." in key:
                weights[expert_key(key, name)] = tensor
            elif ".bottleneck_couplings." in key and name == coupling:
                weights[key] = tensor
    unused = [name for name in names if configs[name].coupling and name != coupling]
    if unused:
        notes.append(f"skipped the couplings of {', '.join(unused)}; used: {coupling or 'none'}")
    for key, tensor in _read_weights(folder, "fusion").items():
        new_key = peft_name(key, ",".join(names), base.config.model_type)
        if new_key is not None:
            weights[PEFT_PREFIX + new_key] = tensor
    return add_adapter(base, fusion_config(configs, coupling, None)), weights, notes


def _fused_names(about: Mapping[str, Any], folder: Path) -> list[str]:
    """The names of the fused adapters, in order. Raises UserError for a kind of fusion that is not supported."""
    names = about.get("adapter_names") or str(about.get("name", "")).split(",")
    if not isinstance(names, list) or not all(isinstance(name, str) and ADAPTER_NAME.fullmatch(name) for name in names):
        raise UserError(
            f"{folder}: names of fused adapters must consist of letters, digits, - and _; got {shown(names)}"
        )
    if not isinstance(about.get("config"), dict):
        raise UserError(f"{folder}/adapter_fusion_config.json is not AdapterHub's: it lacks `config`")
    unsupported = [
        key for key, value in FUSION.items() if about["config"].get(key, value) != value and key != "regularization"
    ]
    if unsupported:
        raise UserError(f"this fusion has settings that are not supported: {', '.join(unsupported)}")
    return names


def _check_base(base: PreTrainedModel, about: Mapping[str, Any]) -> None:
    for key in ("model_type", "hidden_size"):
        ours = getattr(base.config, key)
        if about.get(key, ours) != ours:
            raise UserError(f"the adapter is for a base with {key} {shown(about[key])}; this base has {shown(ours)}")


def _read_json(file: Path, folder: Path) -> dict[str, Any]:
    if not file.is_file():
        raise UserError(f"{folder} contains no AdapterHub adapter: {file.name} is missing")
    refuse_pointers([file])
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file} is not valid JSON: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise UserError(f"{file} does not hold a JSON object")
    return content


def _read_weights(folder: Path, kind: str) -> dict[str, Tensor]:
    """The weights in a folder, in fp32: of the safetensors file, or the pickle, of which only tensors are loaded."""
    for name in FILES[kind]:
        file = folder / name
        if not file.is_file():
            continue
        weights = {key: value.float() for key, value in read_tensors(file).items()}
        not_finite = [key for key, value in weights.items() if not value.isfinite().all()]
        if not_finite:
            raise UserError(f"{file}: {shown(not_finite[0])} has NaN or infinite values")
        return weights
    raise UserError(f"{folder} contains no weights: {' and '.join(FILES[kind])} are missing")
