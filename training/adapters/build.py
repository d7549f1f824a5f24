"""Putting adapters onto a base model: a new language adapter, a saved one, a task adapter on top of either."""

from pathlib import Path
from typing import Any, cast

from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel

from ...recipes.schema import Adapter
from ..families import family_of
from .seq_bn import SeqBnConfig

LANGUAGE = "language"
TASK = "task"


def language_adapter(base: PreTrainedModel, settings: Adapter) -> PeftModel:
    """`base` frozen, with a new trainable language adapter (and the LM head's transform if `train_head`)."""
    family = family_of(base.config.model_type)
    heads = list(family.head_modules) if settings.train_head else None
    if settings.type == "lora":
        # query and value of every block, as the paper's presets have it
        config: PeftConfig = LoraConfig(
            r=settings.rank, lora_alpha=settings.alpha, target_modules=["query", "value"], modules_to_save=heads
        )
    else:
        config = SeqBnConfig(
            reduction_factor=settings.reduction_factor, target_modules=family.outputs, modules_to_save=heads
        )
    return get_peft_model(base, config, adapter_name=LANGUAGE)


def load_adapter(base: PreTrainedModel, folder: Path) -> PeftModel:
    """`base` with a saved language adapter, frozen."""
    return PeftModel.from_pretrained(base, folder, adapter_name=LANGUAGE)


def stack_task_adapter(base: PreTrainedModel, folder: Path | None, reduction_factor: int) -> PeftModel:
    """`base` with a new trainable seq_bn task adapter, on top of the frozen language adapter in `folder` if given.

    A LoRA language adapter is merged into the base first, for PEFT cannot hold two types at once; a bottleneck is
    stacked (MAD-X, Pfeiffer et al. 2020). The language adapter's LM head is left out.
    """
    config = SeqBnConfig(reduction_factor=reduction_factor, target_modules=family_of(base.config.model_type).outputs)
    if folder is None:
        return get_peft_model(base, config, adapter_name=TASK)
    model = load_adapter(base, folder)
    if model.peft_config[LANGUAGE].peft_type == "LORA":
        return get_peft_model(model.merge_and_unload(), config, adapter_name=TASK)
    model.add_adapter(TASK, config)
    cast(Any, model.base_model).set_adapter([LANGUAGE, TASK])  # in this order: PEFT's own method takes one name
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(f".{TASK}." in name)
    return model
