"""Masked language modelling with the LM head on the masked places alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from .adapters.bottleneck.fusion import fusion_penalty
from .batches import Layout
from .families import Family, block_number, family_of
from .head import linear_cross_entropy, passed_by
from .masking import IGNORED
from .packing import ATTENTION, Packing
from .quicken import quicken


class MaskedLM(nn.Module):
    """A `...ForMaskedLM` model, bare or in a PeftModel, that never builds logits for places nobody asks about.

    With 119,547 or 250,002 classes the head is most of a small model's work, and 85 % of it would be thrown away.
    """

    def __init__(self, model: PreTrainedModel | PeftModel) -> None:
        super().__init__()
        self.model = model
        bare: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        family = family_of(bare.config.model_type)
        # not registered as children: their parameters belong to `model`
        self._encoder = [cast(nn.Module, bare.base_model)]
        self._head = [bare.get_submodule(name) for name in family.head]
        self._decoder = [bare.get_output_embeddings()]
        self._last = [_last_attention(model, family)]
        self.layout = Layout(bare.config.pad_token_id or 0, family.packs, family.first_position(bare.config))
        if family.packs:
            bare.set_attn_implementation(ATTENTION)
        quicken(model)

    def logits(self, input_ids: Tensor, attention_mask: Tensor, places: Tensor) -> Tensor:
        """Logits (n, vocabulary) at the n places where the boolean `places` (batch, seq) is true, row by row."""
        last = self._last[0]
        if last is None or bool((places.sum(1) != 1).any()):
            hidden = self._encoder[0](input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return self._headed(hidden[places])
        with _narrowed(last, places):
            hidden = self._encoder[0](input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self._headed(hidden[:, 0])

    def forward(
        self,
        input_ids: Tensor,
        labels: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        packing: Packing | None = None,
    ) -> Tensor:
        """Sum of the cross-entropies, in fp32, over the places where `labels`, (batch, seq), is not -100.

        Padded sequences come with `attention_mask`; packed ones, (1, tokens), with `position_ids` and `packing`.
        """
        shape = {"attention_mask": attention_mask} if packing is None else {"position_ids": position_ids}
        given = shape if packing is None else {**shape, "packing": packing}
        hidden = self._encoder[0](input_ids=input_ids, **given).last_hidden_state
        places = labels != IGNORED
        with passed_by(self._decoder[0]):
            hidden = self._headed(hidden[places])
        return linear_cross_entropy(hidden, self._decoder[0], labels[places])

    def penalty(self) -> Tensor | None:
        """What is added to a step's mean loss: the penalty of fusion layers, if there are any."""
        found = fusion_penalty(self.model)
        return found if isinstance(found, Tensor) and found.requires_grad else None

    def _headed(self, hidden: Tensor) -> Tensor:
        for module in self._head:
            hidden = module(hidden)
        return hidden


def _last_attention(model: nn.Module, family: Family) -> nn.Module | None:
    """The last block's module that takes (attention's result, residual); None where there is no such module."""
    if not family.packs or family.attention.kind != "own":
        return None
    found = {name: module for name, module in model.named_modules() if re.fullmatch(family.attention.modules, name)}
    return found[max(found, key=block_number)]


@contextmanager
def _narrowed(last: nn.Module, places: Tensor) -> Iterator[None]:
    """Inside, what comes after the last attention is done at one place of each sequence alone: (batch, 1, hidden)."""
    hook = last.register_forward_pre_hook(lambda _, given: tuple(hidden[places].unsqueeze(1) for hidden in given))
    try:
        yield
    finally:
        hook.remove()
