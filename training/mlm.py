"""Masked language modelling with the LM head on the masked places alone."""

from typing import Any, cast

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from .adapters.bottleneck.fusion import fusion_penalty
from .data import IGNORED
from .families import family_of

HEAD_ROWS = 4096  # masked places in one piece of the head: the loss's temporaries are held for one piece at a time


class MaskedLM(nn.Module):
    """A `...ForMaskedLM` model, bare or in a PeftModel, that never builds logits for places nobody asks about.

    With 119,547 or 250,002 classes the head is most of a small model's work, and 85 % of it would be thrown away.
    """

    def __init__(self, model: PreTrainedModel | PeftModel) -> None:
        super().__init__()
        self.model = model
        bare: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        # not registered as children: their parameters belong to `model`
        self._encoder = [cast(nn.Module, bare.base_model)]
        self._head = [bare.get_submodule(name) for name in family_of(bare.config.model_type).head]

    def logits(self, input_ids: Tensor, attention_mask: Tensor, places: Tensor) -> Tensor:
        """Logits (n, vocabulary) at the n places where the boolean `places` (batch, seq) is true, row by row."""
        hidden = self._encoder[0](input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self._vocabulary(hidden[places])

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy over the places where `labels` (batch, seq) is not -100; a scalar, 0 if there are none.

        In training the penalty of fusion layers is added.
        """
        places = labels != IGNORED
        hidden = self._encoder[0](input_ids=input_ids, attention_mask=attention_mask).last_hidden_state[places]
        targets = labels[places]
        losses = [
            nn.functional.cross_entropy(self._vocabulary(some).float(), true, reduction="sum")
            for some, true in zip(hidden.split(HEAD_ROWS), targets.split(HEAD_ROWS), strict=True)
        ]
        loss = torch.stack(losses).sum() / max(1, len(targets))
        return loss + fusion_penalty(self.model) if self.training else loss

    def _vocabulary(self, hidden: Tensor) -> Tensor:
        for module in self._head:
            hidden = module(hidden)
        return hidden
