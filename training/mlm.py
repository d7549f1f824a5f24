"""Masked language modelling with the LM head on the masked places alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, cast

from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from .adapters.bottleneck.fusion import fusion_penalty
from .batches import lay_out
from .families import block_number, family_of
from .fast.fast_layers import quicken
from .fast.fused_cross_entropy import linear_cross_entropy, passed_by
from .fast.packing import Packing, encode
from .masking import IGNORED


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
        self._family, self._config = family, bare.config
        self.layout = lay_out(bare)
        quicken(model)

    def logits(self, input_ids: Tensor, attention_mask: Tensor, places: Tensor) -> Tensor:
        """Logits (n, vocabulary) at the n places where the boolean `places` (batch, seq) is true, row by row."""
        one_each = not bool((places.sum(1) != 1).any())
        last = self._last_attention() if one_each else None
        with nullcontext() if last is None else _narrowed(last, places):
            hidden = encode(self._encoder[0], input_ids, attention_mask)
        return self._headed(hidden[places] if hidden.shape[:2] == places.shape else hidden[:, 0])

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
        hidden = encode(self._encoder[0], input_ids, attention_mask, position_ids, packing)
        places = labels != IGNORED
        with passed_by(self._decoder[0]):
            hidden = self._headed(hidden[places])
        return linear_cross_entropy(hidden, self._decoder[0], labels[places])

    def penalty(self) -> Tensor | None:
        """What is added to a step's mean loss: the penalty of fusion layers, if there are any."""
        found = fusion_penalty(self.model)
        return found if isinstance(found, Tensor) and found.requires_grad else None

    def _last_attention(self) -> nn.Module | None:
        """The last block's module that takes (attention's result, residual), as it is now; None where that is unsure.

        Looked for at each call: an adapter may have been put around it since.
        """
        if not self._family.packs or self._family.attention.kind != "own":
            return None
        if getattr(self._config, "chunk_size_feed_forward", 0):
            return None
        pattern = self._family.attention.modules
        found = {block_number(name): module for name, module in self.named_modules() if re.fullmatch(pattern, name)}
        return found.get(self._config.num_hidden_layers - 1)

    def _headed(self, hidden: Tensor) -> Tensor:
        for module in self._head:
            hidden = module(hidden)
        return hidden


@contextmanager
def _narrowed(last: nn.Module, places: Tensor) -> Iterator[None]:
    """Inside, what comes after the last attention is done at one place of each sequence alone: (batch, 1, hidden)."""
    hook = last.register_forward_pre_hook(lambda _, given: tuple(hidden[places].unsqueeze(1) for hidden in given))
    try:
        yield
    finally:
        hook.remove()
