"""Names of weights in AdapterHub's format and in PEFT's, one table for each direction.

AdapterHub's contain the adapter's name. PEFT's are those of our tuner, without the adapter's name and PEFT's prefix.
"""

import re
from dataclasses import dataclass

LEGACY = {
    "attention_text_task_adapters": "adapters",
    "attention_text_lang_adapters": "adapters",
    "layer_text_task_adapters": "adapters",
    "layer_text_lang_adapters": "adapters",
    "invertible_lang_adapters": "invertible_adapters",
}
"""Names of adapter-transformers 1 and 2, in which the first MAD-X adapters were published."""

PEFT_PREFIX = "base_model.model."

# Patterns of AdapterHub's names, with NAME for the adapter's name -> the end of PEFT's names.
_TO_PEFT = (
    (r"\.adapters\.NAME\.adapter_down\.0\.(weight|bias)$", r".bottleneck_adapters.down.\1"),
    (r"\.adapters\.NAME\.adapter_up\.(weight|bias)$", r".bottleneck_adapters.up.\1"),
    (
        r"\.invertible_adapters\.NAME\.([FG])\.(\d)\.(weight|bias)$",
        r".embeddings.coupling.bottleneck_couplings.\1.\2.\3",
    ),
    (r"\.loras\.NAME\.lora_([AB])$", r".lora_\1.weight"),
    (r"\.adapter_fusion_layer\.NAME\.(query|key|value)\.(weight|bias)$", r".bottleneck_adapters.\1.\2"),
)
# The other direction.
_TO_ADAPTERHUB = (
    (r"\.bottleneck_adapters\.down\.(weight|bias)$", r".adapters.NAME.adapter_down.0.\1"),
    (r"\.bottleneck_adapters\.up\.(weight|bias)$", r".adapters.NAME.adapter_up.\1"),
    (
        r"\.embeddings\.coupling\.bottleneck_couplings\.([FG])\.(\d)\.(weight|bias)$",
        r".invertible_adapters.NAME.\1.\2.\3",
    ),
    (r"\.lora_([AB])\.weight$", r".loras.NAME.lora_\1"),
    (r"\.ia3_l$", r".loras.NAME.lora_B"),
    (r"\.bottleneck_adapters\.(query|key|value)\.(weight|bias)$", r".adapter_fusion_layer.NAME.\1.\2"),
)
# Where AdapterHub puts adapters into other modules: PEFT's names -> AdapterHub's.
_MODULES = {
    "distilbert": (
        (".ffn.bottleneck", ".output_adapters.bottleneck"),
        (".attention.out_lin.bottleneck", ".attention_adapters.bottleneck"),
    )
}


@dataclass(frozen=True)
class HeadNames:
    """Names of the modules in an LM head of AdapterHub's `model_class`."""

    model_class: str
    dense: str
    norm: str
    decoder: str


HEADS = {
    "bert": HeadNames(
        "BertForMaskedLM",
        "cls.predictions.transform.dense",
        "cls.predictions.transform.LayerNorm",
        "cls.predictions.decoder",
    ),
    "roberta": HeadNames("RobertaForMaskedLM", "lm_head.dense", "lm_head.layer_norm", "lm_head.decoder"),
    "xlm-roberta": HeadNames("XLMRobertaForMaskedLM", "lm_head.dense", "lm_head.layer_norm", "lm_head.decoder"),
    "distilbert": HeadNames("DistilBertForMaskedLM", "vocab_transform", "vocab_layer_norm", "vocab_projector"),
}
"""Model types whose heads can be converted. AdapterHub's flexible head has the same layers: heads.NAME.0, .2 and .3."""


def peft_name(name: str, adapter: str, model_type: str, *, is_ia3: bool = False) -> str | None:
    """PEFT's name of a weight of AdapterHub's; None for one that belongs to no adapter.

    `is_ia3`: the adapter is an (IA)³, whose scales AdapterHub keeps as `lora_B`.
    """
    for old, new in LEGACY.items():
        name = name.replace(f".{old}.", f".{new}.")
    for pattern, replacement in _TO_PEFT:
        renamed, count = re.subn(pattern.replace("NAME", re.escape(adapter)), replacement, name)
        if count:
            for ours, theirs in _MODULES.get(model_type, ()):
                renamed = renamed.replace(theirs, ours)
            return re.sub(r"\.lora_B\.weight$", ".ia3_l", renamed) if is_ia3 else renamed
    return None


def adapterhub_name(name: str, adapter: str, model_type: str) -> str | None:
    """AdapterHub's name of a weight of PEFT's; None for one that belongs to no adapter."""
    for ours, theirs in _MODULES.get(model_type, ()):
        name = name.replace(ours, theirs)
    for pattern, replacement in _TO_ADAPTERHUB:
        match = re.search(pattern, name)
        if match:
            # NAME is filled in after the groups, for an adapter's name may look like a group
            return name[: match.start()] + match.expand(replacement).replace("NAME", adapter)
    return None
