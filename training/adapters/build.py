"""Putting adapters onto a base model: a new language adapter, a saved one, a fusion, a task adapter on top of each."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import torch
from peft import IA3Config, LoraConfig, PeftConfig, PeftModel, get_peft_model
from peft.utils import ModulesToSaveWrapper
from torch import Tensor
from transformers import PreTrainedModel

from ...recipes.schema import Adapter
from ...workspace.errors import UserError
from ..families import Family, block_number, family_of
from ..tensors import first_line, refuse_pointers
from ..weights import load_weights
from .bottleneck import PRESETS, BottleneckConfig
from .bottleneck.fusion import within as within_fusion
from .files import CONFIG, LANGUAGE, TASK, put_on, put_weights, read_config, read_weights

SETTABLE = ("reduction_factor", "leave_out", "non_linearity", "dropout", "scaling", "sparse_groups")


def language_adapter(base: PreTrainedModel, settings: Adapter) -> PeftModel | PreTrainedModel:
    """`base` frozen, with a new trainable language adapter (and the LM head's transform if `train_head`).

    For `full` it is `base` itself, all of it trainable. Raises UserError for settings that do not fit the base.
    """
    if settings.type == "full":
        return _frozen_in_part(base.requires_grad_(True), settings.freeze)
    try:
        return get_peft_model(base, adapter_config(settings, family_of(base.config.model_type)), adapter_name=LANGUAGE)
    except ValueError as error:
        raise UserError(f"adapter: {error}") from error


def _frozen_in_part(base: PreTrainedModel, parts: Sequence[str | int]) -> PreTrainedModel:
    """`base` with its embeddings (and the decoder's matrix that is tied to them) or some blocks frozen."""
    embeddings = family_of(base.config.model_type).embeddings
    for name, module in base.named_modules():
        if "embeddings" in parts and re.fullmatch(embeddings, name):
            module.requires_grad_(False)
    for name, parameter in base.named_parameters():
        with suppress(ValueError):  # raised for what lies in no block
            if block_number(name) in parts:
                parameter.requires_grad_(False)
    return base


def adapter_config(settings: Adapter, family: Family) -> PeftConfig:
    """PEFT's configuration of a language adapter. Raises ValueError for settings that make no sense."""
    heads = list(family.head_modules) if settings.train_head else None
    if settings.type == "lora":
        # query and value of every block, as the paper's presets have it
        targets = list(dict.fromkeys(family.linears[name] for name in ("query", "value")))
        return LoraConfig(
            r=settings.r,
            lora_alpha=settings.lora_alpha,
            lora_dropout=settings.dropout,
            target_modules=targets,
            modules_to_save=heads,
        )
    if settings.type == "ia3":
        if "intermediate" not in family.linears:
            raise ValueError("ia3 needs key, value and intermediate layers of their own, which this family lacks")
        # AdapterHub's places: the intermediate layer's output is scaled, before the activation (the paper: after it)
        targets = [family.linears[name] for name in ("key", "value", "intermediate")]
        return IA3Config(target_modules=targets, feedforward_modules=[], modules_to_save=heads)
    chosen = {name: getattr(settings, name) for name in SETTABLE if getattr(settings, name) is not None}
    if settings.type == "seq_bn_inv":
        chosen |= {name: getattr(settings, name) for name in ("coupling_reduction_factor", "invert_before_head")}
    return BottleneckConfig(**{**PRESETS[settings.type], **chosen}, modules_to_save=heads)


def load_adapter(base: PreTrainedModel, folder: Path) -> PeftModel | PreTrainedModel:
    """`base` with a saved language adapter, frozen; quantised ones and whole models (`full`) too.

    Raises UserError where the folder holds none, or one that is not for this base.
    """
    if (folder / "config.json").is_file() and not (folder / CONFIG).is_file():
        refuse_pointers(folder.iterdir())
        try:
            base.load_state_dict(load_weights(str(folder), None, "adapter", type(base)).state_dict())
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(f"{folder} holds no model like the base: {first_line(error)}") from error
        return base.requires_grad_(False)
    model = put_on(base, read_config(folder))
    put_weights(model, read_weights(folder), folder)
    return model.requires_grad_(False).eval()


def load_adapters(base: PreTrainedModel, folders: Mapping[str, Path]) -> PeftModel:
    """`base` with several saved bottleneck adapters, frozen, for PEFT's `adapter_names` to choose from by sample.

    Raises UserError where a folder holds none, or one that is not for this base.
    """
    model: Any = base
    for name, folder in folders.items():
        model = put_on(model, read_config(folder), name)
        put_weights(model, read_weights(folder), folder, name=name)
    return model.requires_grad_(False).eval()


def fuse_adapters(
    base: PreTrainedModel, folders: Mapping[str, Path], *, coupling: str | None = None, train_head: bool = True
) -> PeftModel:
    """`base` with a new AdapterFusion over saved bottleneck adapters, which are copied into it and frozen.

    `coupling` names the adapter whose coupling is used, None for none. The LM head starts as the first adapter's.
    Raises UserError for adapters that cannot be read or fused.
    """
    configs = {name: read_config(folder) for name, folder in folders.items()}
    weights = {name: read_weights(folder) for name, folder in folders.items()}
    family = family_of(base.config.model_type)
    model = put_on(base, fusion_config(configs, coupling, list(family.head_modules) if train_head else None))
    found: dict[str, Tensor] = {}
    for name, tensors in weights.items():
        first = name == next(iter(weights))
        for key, tensor in tensors.items():
            if ".bottleneck_adapters." in key:
                found[within_fusion(key, name)] = tensor
            elif (name == coupling) if ".bottleneck_couplings." in key else (first and train_head):
                found[key] = tensor
    fused = (".experts.", ".bottleneck_couplings.")
    put_weights(model, found, "fusion", may_miss=lambda name: not any(part in name for part in fused))
    return model


def fusion_config(within: Mapping[str, PeftConfig], coupling: str | None, heads: list[str] | None) -> BottleneckConfig:
    """The configuration of a fusion of these adapters.

    Raises UserError for adapters of another type, and where `coupling` names one that has none.
    """
    other = [name for name, config in within.items() if not isinstance(config, BottleneckConfig) or config.fused]
    if other:
        raise UserError(f"fusion takes bottleneck adapters; {', '.join(other)} is none")
    chosen = {}
    if coupling is not None:
        if not getattr(within.get(coupling), "coupling", False):
            raise UserError(f"fusion: there is no adapter {coupling} with a coupling among {', '.join(within)}")
        names = ("coupling", "coupling_reduction_factor", "invert_before_head", "non_linearity")
        chosen = {name: getattr(within[coupling], name) for name in names}
    # a stack of configurations would carry the base's name and PEFT's version along: the form alone is kept
    ours = {field.name for field in fields(BottleneckConfig)} - {field.name for field in fields(PeftConfig)}
    ours -= {"target_modules", "modules_to_save", "fused"}
    parts = [
        {"name": name, **{key: getattr(config, key) for key in ours}, "coupling": name == coupling}
        for name, config in within.items()
    ]
    try:
        return BottleneckConfig(fused=parts, modules_to_save=heads, **chosen)
    except ValueError as error:
        raise UserError(f"fusion: {error}") from error


def stack_task_adapter(base: PreTrainedModel, folder: Path | None, reduction_factor: int) -> PeftModel:
    """`base` with a new trainable seq_bn task adapter, on top of the frozen language adapter in `folder` if given.

    LoRA and (IA)³ are merged into the base first, for PEFT cannot hold two types at once; bottlenecks and their fusion
    are stacked (MAD-X, Pfeiffer et al. 2020). The language adapter's LM head is left out.
    """
    config = BottleneckConfig(reduction_factor=reduction_factor)
    model = base if folder is None else load_adapter(base, folder)
    if not isinstance(model, PeftModel):
        return get_peft_model(model, config, adapter_name=TASK)
    if not isinstance(model.peft_config[LANGUAGE], BottleneckConfig):
        return get_peft_model(merge_adapter(model), config, adapter_name=TASK)
    model.add_adapter(TASK, config)
    activate_stack(model)
    return model


def merge_adapter(model: PeftModel) -> PreTrainedModel:
    """The base with a LoRA or (IA)³ in its weights, the trained LM head in its place.

    Raises NotImplementedError for bottlenecks, whose non-linearity fits into no weight.
    """
    base = cast(Any, model.get_base_model())
    for name, module in list(base.named_modules()):
        if isinstance(module, ModulesToSaveWrapper):  # (IA)³'s own merging fails on those that are no single layer
            parent, _, child = name.rpartition(".")
            setattr(base.get_submodule(parent), child, module.modules_to_save[LANGUAGE])
    return cast(PreTrainedModel, model.merge_and_unload())


def activate_stack(model: PeftModel) -> None:
    """Make the language adapter and then the task adapter active, the latter alone trainable."""
    cast(Any, model.base_model).set_adapter([LANGUAGE, TASK])  # in this order: PEFT's own method takes one name
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(f".{TASK}." in name)
