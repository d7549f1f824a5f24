"""Base families: where each keeps its blocks, embeddings and LM head. To support another, add it to `FAMILIES`."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from ..workspace.errors import UserError


@dataclass(frozen=True)
class InsertionPoint:
    """Modules, one per block, whose output a bottleneck may change before the block adds its residual."""

    modules: str
    """Regular expression of their names."""
    residual: Literal["argument", "input", "unavailable"]
    """Where the residual, and the LayerNorm after adding it, are found.

    argument: the module is called with (hidden, residual) and has `dense`, `dropout` and `LayerNorm`, as in BERT;
    input: the residual is the module's input, and the LayerNorm is its sibling; unavailable: neither can be reached.
    """
    norm: str = ""
    """Name of the sibling LayerNorm, for residual "input"."""


@dataclass(frozen=True)
class Family:
    """Module names in a `...ForMaskedLM` model of one `config.model_type`."""

    feed_forward: InsertionPoint
    attention: InsertionPoint
    head: tuple[str, ...]
    """The LM head's modules, applied in this order: (..., hidden) -> (..., vocabulary)."""
    head_modules: tuple[str, ...]
    """Parts of the head that are trained with an adapter: its dense layer and LayerNorm, not the tied decoder."""
    linears: dict[str, str] = field(default_factory=dict)
    """Names of the linear layers for LoRA and (IA)³, by role: query, key, value, intermediate."""
    embeddings: str = r"(.*\.)?embeddings"
    """Regular expression of the embeddings module, output (batch, seq, embedding)."""
    embedding_size: str = "hidden_size"
    """Name of the configuration's entry for the width of embeddings and decoder."""
    supports_packing: bool = True
    """Whether sequences may be packed into one row: attention goes through transformers' interface, and positions are
    taken from `position_ids`."""
    after_attention: tuple[str, ...] = ()
    """Regular expressions of the modules of a block that run after its attention and can be given one position of each
    sequence: with that, the block's output is right at this position. Empty: they cannot."""
    positions_after_pad: bool = False
    """RoBERTa counts positions from `pad_token_id` + 1."""

    def first_position(self, config: Any) -> int:
        """The position id of a sequence's first token."""
        return config.pad_token_id + 1 if self.positions_after_pad else 0


_LAYER = r".*encoder\.layer\.\d+"
_OUTPUT = InsertionPoint(rf"{_LAYER}\.output", "argument")
_ATTENTION = InsertionPoint(rf"{_LAYER}\.attention\.output", "argument")
_LINEARS = {"query": "query", "key": "key", "value": "value", "intermediate": "intermediate.dense"}

# called with (attention's output, residual); the rest of the block has the length of its output
_AFTER_ATTENTION = (_ATTENTION.modules,)

_ROBERTA = Family(
    _OUTPUT,
    _ATTENTION,
    ("lm_head",),
    ("lm_head.dense", "lm_head.layer_norm"),
    _LINEARS,
    after_attention=_AFTER_ATTENTION,
    positions_after_pad=True,
)

FAMILIES = {
    "bert": Family(
        _OUTPUT, _ATTENTION, ("cls",), ("cls.predictions.transform",), _LINEARS, after_attention=_AFTER_ATTENTION
    ),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "distilbert": Family(
        InsertionPoint(r".*transformer\.layer\.\d+\.ffn", "input", "output_layer_norm"),
        InsertionPoint(r".*transformer\.layer\.\d+\.attention\.out_lin", "unavailable"),
        ("vocab_transform", "activation", "vocab_layer_norm", "vocab_projector"),
        ("vocab_transform", "vocab_layer_norm"),
        {"query": "q_lin", "key": "k_lin", "value": "v_lin", "intermediate": "ffn.lin1"},
    ),
    "electra": Family(
        _OUTPUT,
        _ATTENTION,
        ("generator_predictions", "generator_lm_head"),
        ("generator_predictions",),
        _LINEARS,
        embedding_size="embedding_size",
        after_attention=_AFTER_ATTENTION,
    ),
    "deberta-v2": Family(
        _OUTPUT,
        _ATTENTION,
        ("cls",),
        ("cls.predictions.transform",),
        {"query": "query_proj", "key": "key_proj", "value": "value_proj", "intermediate": "intermediate.dense"},
        supports_packing=False,  # its attention computes relative positions itself
    ),
    # Pre-norm blocks: no LayerNorm follows the residual, so a bottleneck reads the feed-forward's output itself. One
    # matrix computes query, key and value.
    "modernbert": Family(
        InsertionPoint(r".*layers\.\d+\.mlp", "unavailable"),
        InsertionPoint(r".*layers\.\d+\.attn\.Wo", "unavailable"),
        ("head", "decoder"),
        ("head",),
        {"query": "attn.Wqkv", "value": "attn.Wqkv"},
        # What these give for one position is added to a residual of every position: right at this one.
        after_attention=(r".*layers\.\d+\.attn\.Wo", r".*layers\.\d+\.mlp_norm"),
    ),
}


def family_of(model_type: str) -> Family:
    """The family with this `config.model_type`. Raises UserError for an unknown one."""
    if model_type not in FAMILIES:
        raise UserError(f"base: model type {model_type!r} is not supported; choose a base of {', '.join(FAMILIES)}")
    return FAMILIES[model_type]


def check_family(model: nn.Module, model_type: str) -> None:
    """Raise UserError for a model of an unknown family, or one whose LM head has other modules than its family's."""
    names = {name for name, _ in model.named_modules()}
    missing = [name for name in family_of(model_type).head if name not in names]
    if missing:
        raise UserError(
            f"base: this {model_type} has no {', '.join(missing)}, where models of this type have their LM head"
        )


def block_number(name: str) -> int:
    """The number, from 0, of the block that a module belongs to. Raises ValueError for a module outside the blocks."""
    match = re.search(r"(?:^|\.)layers?\.(\d+)\.", name)
    if match is None:
        raise ValueError(f"module {name} is not inside a block")
    return int(match[1])
