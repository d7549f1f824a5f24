"""AdapterHub's names of weights, and ours: the one table that both directions read.

Ours are PEFT's, without the adapter's own name and PEFT's prefix; theirs carry the adapter's name.
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

# theirs (with the adapter's name for NAME) -> ours; \1, \2 are what the groups took
_TO_OURS = (
    (r"\.adapters\.NAME\.adapter_down\.0\.(weight|bias)$", r".bottleneck_adapters.down.\1"),
    (r"\.adapters\.NAME\.adapter_up\.(weight|bias)$", r".bottleneck_adapters.up.\1"),
    (
        r"\.invertible_adapters\.NAME\.([FG])\.(\d)\.(weight|bias)$",
        r".embeddings.coupling.bottleneck_couplings.\1.\2.\3",
    ),
    (r"\.loras\.NAME\.lora_([AB])$", r".lora_\1.weight"),
    (r"\.adapter_fusion_layer\.NAME\.(query|key|value)\.(weight|bias)$", r".bottleneck_adapters.\1.\2"),
)
_TO_THEIRS = (
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
# where a family's modules are named otherwise: ours -> theirs
_MODULES = {
    "distilbert": (
        (".ffn.bottleneck", ".output_adapters.bottleneck"),
        (".attention.out_lin.bottleneck", ".attention_adapters.bottleneck"),
    )
}


@dataclass(frozen=True)
class HeadNames:
    """Names inside an LM head of AdapterHub's `model_class`."""

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
"""Families whose heads are exchanged. The flexible head keeps the same layers as heads.NAME.0, .2 and .3."""


def to_ours(name: str, adapter: str, model_type: str, *, scales: bool = False) -> str | None:
    """Our name of their weight, None for one that is no adapter's. `scales`: (IA)³, which they keep as `lora_B`."""
    for old, new in LEGACY.items():
        name = name.replace(f".{old}.", f".{new}.")
    for pattern, replacement in _TO_OURS:
        found, count = re.subn(pattern.replace("NAME", re.escape(adapter)), replacement, name)
        if count:
            for ours, theirs in _MODULES.get(model_type, ()):
                found = found.replace(theirs, ours)
            return re.sub(r"\.lora_B\.weight$", ".ia3_l", found) if scales else found
    return None


def to_theirs(name: str, adapter: str, model_type: str) -> str | None:
    """Their name of our weight, None for one that has none."""
    for ours, theirs in _MODULES.get(model_type, ()):
        name = name.replace(ours, theirs)
    for pattern, replacement in _TO_THEIRS:
        found, count = re.subn(pattern, lambda match, to=replacement: match.expand(to).replace("NAME", adapter), name)
        if count:
            return found
    return None
