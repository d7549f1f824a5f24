"""Adding adapters to a base model: a new or saved language adapter, a fusion, and a task adapter on top of each."""

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
from ...workspace.errors import UserError, first_line
from ..compat import set_active_adapters
from ..families import Family, block_number, family_of
from ..tensors import refuse_pointers
from ..vocabulary.files import add_new_pieces, reads_differently
from ..weights import load_weights
from .bottleneck import PRESETS, BottleneckConfig
from .bottleneck.fusion import expert_key
from .files import CONFIG, LANGUAGE, TASK, add_adapter, load_adapter_weights, read_config, read_weights

# Settings of a recipe's adapter that override its preset.
PRESET_OVERRIDES = ("reduction_factor", "leave_out", "non_linearity", "dropout", "scaling", "sparse_groups")


def language_adapter(base: PreTrainedModel, settings: Adapter) -> PeftModel | PreTrainedModel:
    """`base` frozen, with a new trainable language adapter (and the LM head's transform if `train_head`).

    For `full` it is `base` itself, all of it trainable. Raises UserError for settings that do not fit the base.
    """
    if settings.type == "full":
        base.requires_grad_(True)
        _freeze_parts(base, settings.freeze)
        return base
    try:
        return get_peft_model(base, adapter_config(settings, family_of(base.config.model_type)), adapter_name=LANGUAGE)
    except ValueError as error:
        raise UserError(f"adapter: {error}") from error


def _freeze_parts(base: PreTrainedModel, parts: Sequence[str | int]) -> None:
    """Freeze "embeddings" (and with them the decoder's matrix, which is tied to them) or blocks, by number."""
    embeddings = family_of(base.config.model_type).embeddings
    for name, module in base.named_modules():
        if "embeddings" in parts and re.fullmatch(embeddings, name):
            module.requires_grad_(False)
    for name, parameter in base.named_parameters():
        with suppress(ValueError):  # raised for parameters outside the blocks
            if block_number(name) in parts:
                parameter.requires_grad_(False)


def adapter_config(settings: Adapter, family: Family) -> PeftConfig:
    """PEFT's configuration of a language adapter. Raises ValueError for settings that the family cannot have."""
    heads = list(family.head_modules) if settings.train_head else None
    if settings.type == "lora":
        # query and value of every block, as in AdapterHub's preset, which the paper used
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
            raise ValueError("ia3 needs separate key, value and intermediate layers, which this model type lacks")
        # As in AdapterHub the intermediate layer's output is scaled before the activation; in the paper (Liu et al.
        # 2022, https://arxiv.org/abs/2205.05638) after it.
        targets = [family.linears[name] for name in ("key", "value", "intermediate")]
        return IA3Config(target_modules=targets, feedforward_modules=[], modules_to_save=heads)
    chosen = {name: getattr(settings, name) for name in PRESET_OVERRIDES if getattr(settings, name) is not None}
    if settings.type == "seq_bn_inv":
        chosen |= {name: getattr(settings, name) for name in ("coupling_reduction_factor", "invert_before_head")}
    return BottleneckConfig(**{**PRESETS[settings.type], **chosen}, modules_to_save=heads)


def load_adapter(base: PreTrainedModel, folder: Path) -> PeftModel | PreTrainedModel:
    """`base` with a saved language adapter, frozen; quantised ones and whole models (`full`) too.

    Raises UserError if the folder holds no adapter, or one for another base.
    """
    if (folder / "config.json").is_file() and not (folder / CONFIG).is_file():
        refuse_pointers(folder.iterdir())
        add_new_pieces(base, folder)
        try:
            base.load_state_dict(load_weights(str(folder), None, "adapter", type(base)).state_dict())
        except (OSError, ValueError, RuntimeError) as error:
            raise UserError(f"{folder}: this model does not fit the base: {first_line(error)}") from error
        return base.requires_grad_(False)
    return load_adapters(base, {LANGUAGE: folder})


def load_adapters(base: PreTrainedModel, folders: Mapping[str, Path]) -> PeftModel:
    """`base` with several saved bottleneck adapters, frozen; PEFT's `adapter_names` chooses one for each sample.

    Raises UserError if a folder holds no adapter, or one for another base.
    """
    model: Any = base
    for name, folder in folders.items():
        if reads_differently(folder) and len(folders) > 1:
            raise UserError(
                f"{folder} has trained embeddings or reads romanised text, so it cannot share a base with others"
            )
        add_new_pieces(base, folder)
        model = add_saved_adapter(model, folder, name)
    return model


def add_saved_adapter(model: PreTrainedModel | PeftModel, folder: Path, name: str) -> PeftModel:
    """`model` with the adapter saved in `folder`, called `name`, next to those that it has; all of it frozen.

    Raises UserError if the folder holds no adapter, or one for another base; `model` is then as it was before.
    """
    config, weights = read_config(folder), read_weights(folder)
    adapted = add_adapter(model, config, name)
    try:
        load_adapter_weights(adapted, weights, folder, name=name)
    except UserError:
        adapted.delete_adapter(name)
        raise
    return adapted.requires_grad_(False).eval()


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
    model = add_adapter(base, fusion_config(configs, coupling, list(family.head_modules) if train_head else None))
    head_source = next(iter(weights)) if train_head else None
    fusion_weights: dict[str, Tensor] = {}
    for name, tensors in weights.items():
        for key, tensor in tensors.items():
            if ".bottleneck_adapters." in key:
                fusion_weights[expert_key(key, name)] = tensor
            elif name == (coupling if ".bottleneck_couplings." in key else head_source):
                fusion_weights[key] = tensor
    # query, key and value are new, and a head is new where the first adapter has none
    copied = (".experts.", ".bottleneck_couplings.")
    load_adapter_weights(
        model, fusion_weights, "fusion", is_optional=lambda name: not any(part in name for part in copied)
    )
    return model


def fusion_config(configs: Mapping[str, PeftConfig], coupling: str | None, heads: list[str] | None) -> BottleneckConfig:
    """The configuration of a fusion of these adapters, by name; `heads` are trained with it.

    Raises UserError for adapters of another type, and where `coupling` names an adapter without a coupling.
    """
    others = [name for name, config in configs.items() if not isinstance(config, BottleneckConfig) or config.fused]
    if others:
        raise UserError(f"only bottleneck adapters can be fused, but not: {', '.join(others)}")
    coupling_settings = {}
    if coupling is not None:
        if not getattr(configs.get(coupling), "coupling", False):
            raise UserError(f"fusion: there is no adapter {coupling} with a coupling among {', '.join(configs)}")
        names = ("coupling", "coupling_reduction_factor", "invert_before_head", "non_linearity")
        coupling_settings = {name: getattr(configs[coupling], name) for name in names}
    # Of each adapter the fields of BottleneckConfig, without PEFT's, which name the base and the version.
    kept = {field.name for field in fields(BottleneckConfig)} - {field.name for field in fields(PeftConfig)}
    kept -= {"target_modules", "modules_to_save", "fused"}
    fused = [
        {"name": name, **{key: getattr(config, key) for key in kept}, "coupling": name == coupling}
        for name, config in configs.items()
    ]
    try:
        return BottleneckConfig(fused=fused, modules_to_save=heads, **coupling_settings)
    except ValueError as error:
        raise UserError(f"fusion: {error}") from error


def stack_task_adapter(base: PreTrainedModel, folder: Path | None, reduction_factor: int) -> PeftModel:
    """`base` with a new trainable seq_bn task adapter, on top of the frozen language adapter in `folder` if given.

    LoRA and (IA)³ are merged into the base first, for PEFT cannot hold two types at once; bottlenecks and their fusion
    are stacked (MAD-X, Pfeiffer et al. 2020). The language adapter's LM head is not used.
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
    """The base with a LoRA or (IA)³ merged into its weights, and the trained LM head in the place of its own.

    Raises NotImplementedError for bottlenecks, which have a non-linearity, and UserError for weights that are NaN.
    """
    base = cast(Any, model.get_base_model())
    for name, module in list(base.named_modules()):
        if isinstance(module, ModulesToSaveWrapper):  # with (IA)³ PEFT's own merging fails on modules of several layers
            parent, _, child = name.rpartition(".")
            setattr(base.get_submodule(parent), child, module.modules_to_save[LANGUAGE])
    try:
        # not in place: other models may share the base's weights
        return cast(PreTrainedModel, model.merge_and_unload(safe_merge=True))
    except ValueError as error:
        raise UserError("this adapter cannot be merged: some of its weights are NaN or infinite") from error


def activate_stack(model: PeftModel) -> None:
    """Activate the task adapter on top of the language adapter; only the task adapter is trainable."""
    set_active_adapters(model, [LANGUAGE, TASK])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(f".{TASK}." in name)
