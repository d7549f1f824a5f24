"""Fields and values of a recipe that were renamed to match transformers and PEFT.

A former name in a recipe, an override or a grid is an error that gives the present one. The keys of artifacts still
hold the former names (see `Section.artifact_settings`), so that artifacts made before are found.
"""

from collections.abc import Mapping
from typing import Any

FORMER_FIELDS = {
    "early_stopping_patience": "patience",
    "eval_steps": "eval_every",
    "gradient_checkpointing": "activation_checkpointing",
    "logging_steps": "log_every",
    "lora_alpha": "alpha",
    "lr_scheduler_type": "schedule",
    "max_grad_norm": "clip_norm",
    "max_train_samples": "max_train",
    "mlm_probability": "mask_probability",
    "num_attention_heads": "heads",
    "num_hidden_layers": "layers",
    "num_train_epochs": "epochs",
    "r": "rank",
    "report_to": "tracker",
    "save_steps": "checkpoint_every",
    "save_total_limit": "keep_checkpoints",
    "warmup_ratio": "warmup",
    "whole_word_mask": "whole_words",
}
"""Former names of fields by their present ones, in any section."""
FORMER_VALUES = {"constant_with_warmup": "constant"}
"""The same for values."""
REPLACED_FIELDS = {
    "corpus.glotcc": "gone: describe the copy of GlotCC in a YAML file like recipes/sources/glotcc.yaml, and name the "
    "file in corpus.sources",
    "corpus.revision": "gone: write corpus.sources: [glotcc@REVISION]",
}
"""Fields that are gone, with what to do instead."""
PRESENT_FIELDS = {former: present for present, former in FORMER_FIELDS.items()}
PRESENT_VALUES = {former: present for present, former in FORMER_VALUES.items()}


def former_field(name: str) -> str:
    """The name of a field in the keys of artifacts."""
    return FORMER_FIELDS.get(name, name)


def present_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings from the manifest of an artifact under the names that recipes have for them."""
    return {PRESENT_FIELDS.get(name, name): _present_value(value) for name, value in settings.items()}


def _present_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return present_names(value)
    return PRESENT_VALUES.get(value, value) if isinstance(value, str) else value
