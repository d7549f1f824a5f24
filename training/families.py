"""Where each family of encoders keeps its blocks, embeddings and LM head: the only place that knows their names."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn

from ..workspace.errors import UserError


@dataclass(frozen=True)
class Place:
    """Modules, one per block, whose output a bottleneck may change before the block adds its residual."""

    modules: str
    """Regular expression of their names."""
    kind: Literal["own", "sibling", "plain"]
    """own: called with (hidden, residual), has `dense`, `dropout` and `LayerNorm` (BERT's output modules);
    sibling: called with the residual itself, the LayerNorm stands beside it; plain: neither is to be had."""
    norm: str = ""
    """sibling: name of the LayerNorm beside it."""


@dataclass(frozen=True)
class Family:
    """Module names inside a `...ForMaskedLM` model of one `config.model_type`."""

    feed_forward: Place
    attention: Place
    head: tuple[str, ...]
    """The LM head, applied one after the other: (..., hidden) -> (..., vocabulary)."""
    head_modules: tuple[str, ...]
    """Parts of the head that are trained with an adapter: its dense layer and LayerNorm, not the tied decoder."""
    linears: dict[str, str] = field(default_factory=dict)
    """Names of the linear layers for LoRA and (IA)³: query, key, value, intermediate."""
    embeddings: str = r"(.*\.)?embeddings"
    """Regular expression of the embeddings module, output (batch, seq, embedding)."""
    embedding_size: str = "hidden_size"
    """Name of the configuration's entry for the width of embeddings and decoder."""
    packs: bool = True
    """Attention goes through transformers' interface and positions are given with the ids, so sequences may stand side
    by side in one row."""
    positions_after_pad: bool = False
    """RoBERTa counts positions from the number after padding's id."""

    def first_position(self, config: Any) -> int:
        """The position of a sequence's first token."""
        return config.pad_token_id + 1 if self.positions_after_pad else 0


_LAYER = r".*encoder\.layer\.\d+"
_OUTPUT = Place(rf"{_LAYER}\.output", "own")
_ATTENTION = Place(rf"{_LAYER}\.attention\.output", "own")
_LINEARS = {"query": "query", "key": "key", "value": "value", "intermediate": "intermediate.dense"}

_ROBERTA = Family(
    _OUTPUT, _ATTENTION, ("lm_head",), ("lm_head.dense", "lm_head.layer_norm"), _LINEARS, positions_after_pad=True
)

FAMILIES = {
    "bert": Family(_OUTPUT, _ATTENTION, ("cls",), ("cls.predictions.transform",), _LINEARS),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "distilbert": Family(
        Place(r".*transformer\.layer\.\d+\.ffn", "sibling", "output_layer_norm"),
        Place(r".*transformer\.layer\.\d+\.attention\.out_lin", "plain"),
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
    ),
    "deberta-v2": Family(
        _OUTPUT,
        _ATTENTION,
        ("cls",),
        ("cls.predictions.transform",),
        {"query": "query_proj", "key": "key_proj", "value": "value_proj", "intermediate": "intermediate.dense"},
        packs=False,  # its attention has relative positions of its own
    ),
    # pre-norm blocks: no LayerNorm follows, so a bottleneck reads the feed-forward's output itself; one matrix for
    # query, key and value
    "modernbert": Family(
        Place(r".*layers\.\d+\.mlp", "plain"),
        Place(r".*layers\.\d+\.attn\.Wo", "plain"),
        ("head", "decoder"),
        ("head",),
        {"query": "attn.Wqkv", "value": "attn.Wqkv"},
        packs=False,  # every other block looks at a window
    ),
}


def family_of(model_type: str) -> Family:
    """The family with this `config.model_type`. Raises UserError for an unknown one."""
    if model_type not in FAMILIES:
        raise UserError(f"base: model type {model_type!r} is not supported; known: {', '.join(FAMILIES)}")
    return FAMILIES[model_type]


def check_family(model: nn.Module, model_type: str) -> None:
    """Raise a UserError for a model of an unknown family, or one whose LM head is not where its family keeps it."""
    names = {name for name, _ in model.named_modules()}
    missing = [name for name in family_of(model_type).head if name not in names]
    if missing:
        raise UserError(f"base: this {model_type} has no {', '.join(missing)}, where its family keeps the LM head")


def block_number(name: str) -> int:
    """The block that a module belongs to, counted from 0. Raises ValueError where the name tells none."""
    found = re.search(r"(?:^|\.)layers?\.(\d+)\.", name)
    if found is None:
        raise ValueError(f"{name} lies in no block")
    return int(found[1])
