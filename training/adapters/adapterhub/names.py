"""Names of weights in AdapterHub's format and in PEFT's.

AdapterHub's contain the adapter's name. PEFT's are those of our tuner, without the adapter's name and PEFT's prefix.
"""

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

# Parts of AdapterHub's names, with NAME for the adapter's name, and of PEFT's. Of (IA)³ AdapterHub keeps the scales as
# `lora_B`.
_PARTS = (
    (".adapters.NAME.adapter_down.0.", ".bottleneck_adapters.down."),
    (".adapters.NAME.adapter_up.", ".bottleneck_adapters.up."),
    (".invertible_adapters.NAME.", ".embeddings.coupling.bottleneck_couplings."),
    *((f".adapter_fusion_layer.NAME.{part}.", f".bottleneck_adapters.{part}.") for part in ("query", "key", "value")),
    (".loras.NAME.lora_A", ".lora_A.weight"),
)
_LORA_B = (".loras.NAME.lora_B", ".lora_B.weight")
_IA3 = (".loras.NAME.lora_B", ".ia3_l")
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
    for theirs, ours in (*_PARTS, _IA3 if is_ia3 else _LORA_B):
        part = theirs.replace("NAME", adapter)
        if part in name:
            name = name.replace(part, ours)
            for our_module, their_module in _MODULES.get(model_type, ()):
                name = name.replace(their_module, our_module)
            return name
    return None


def adapterhub_name(name: str, adapter: str, model_type: str) -> str | None:
    """AdapterHub's name of a weight of PEFT's; None for one that belongs to no adapter."""
    for ours, theirs in _MODULES.get(model_type, ()):
        name = name.replace(ours, theirs)
    for theirs, ours in (*_PARTS, _LORA_B, _IA3):
        if ours in name:
            return name.replace(ours, theirs.replace("NAME", adapter))
    return None
