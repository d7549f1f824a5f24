"""Where each family of encoders keeps its blocks and its LM head: the only place that knows their module names."""

from dataclasses import dataclass

from ..recipes.errors import UserError


@dataclass(frozen=True)
class Family:
    """Module names inside a `...ForMaskedLM` model of one `config.model_type`."""

    outputs: str
    """Regular expression of the feed-forward output modules (dense, dropout, LayerNorm), one per block."""
    head: str
    """The LM head: (..., hidden) -> (..., vocabulary)."""
    head_modules: tuple[str, ...]
    """Parts of the head that are trained with an adapter: its dense layer and LayerNorm, not the tied decoder."""


_ROBERTA = Family(r".*encoder\.layer\.\d+\.output", "lm_head", ("lm_head.dense", "lm_head.layer_norm"))

FAMILIES = {
    "bert": Family(r".*encoder\.layer\.\d+\.output", "cls", ("cls.predictions.transform",)),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
}


def family_of(model_type: str) -> Family:
    """The family with this `config.model_type`. Raises UserError for an unknown one."""
    if model_type not in FAMILIES:
        raise UserError(f"base: model type {model_type!r} is not supported; known: {', '.join(FAMILIES)}")
    return FAMILIES[model_type]
