"""Masked language modelling with the LM head at the masked tokens alone."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from .adapters.bottleneck.fusion import fusion_penalty
from .batches import use_layout
from .families import block_number, family_of
from .fast.fast_layers import use_fast_layers
from .fast.fused_cross_entropy import identity_forward, linear_cross_entropy
from .fast.packing import Packing, encode
from .masking import IGNORE_INDEX
from .vocabulary.layers import LossPieces, decoder_logits, loss_classes


class MaskedLM(nn.Module):
    """A `...ForMaskedLM` model, bare or in a PeftModel (changed in place), that computes logits only where needed.

    With 119,547 or 250,002 classes the head is most of a small model's work, and 85% of it would be thrown away.
    """

    def __init__(self, model: PreTrainedModel | PeftModel) -> None:
        super().__init__()
        self.model = model
        bare: Any = model.get_base_model() if isinstance(model, PeftModel) else model
        self._family, self._config = family_of(bare.config.model_type), bare.config
        self.layout = use_layout(bare)
        decoder = bare.get_output_embeddings()
        # an invertible adapter has a hook on the decoder, which a replaced layer would lose
        use_fast_layers(model, keep=(decoder,))
        # in lists, so that they are not registered as children: their parameters belong to `model`
        self._encoder = [cast(nn.Module, bare.base_model)]
        self._head = [bare.get_submodule(name) for name in self._family.head]
        self._decoder = [decoder]
        self._loss_pieces: LossPieces | None = None

    def restrict_loss(self, pieces: Tensor) -> int:
        """In training, compute the loss over these pieces, ids (n,), and all with trained rows: a smaller softmax.

        Every label has to be among them. Returns their number. Raises ValueError if the decoder is trained: of its rows
        a copy is used.
        """
        self._loss_pieces = LossPieces(self._decoder[0], pieces)
        return self._loss_pieces.count

    def logits(self, input_ids: Tensor, attention_mask: Tensor, positions: Tensor) -> Tensor:
        """Logits (n, vocabulary) at the n positions where the boolean `positions` (batch, seq) is true, row by row."""
        one_each = not bool((positions.sum(1) != 1).any())
        with _narrow_to(self._after_last_attention() if one_each else [], positions):
            hidden = encode(self.encoder, input_ids, attention_mask)
        narrowed = hidden.shape[:2] != positions.shape
        hidden = self._decoder_input(hidden[:, 0] if narrowed else hidden[positions])
        return decoder_logits(self._decoder[0], hidden)

    def forward(
        self,
        input_ids: Tensor,
        labels: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        packing: Packing | None = None,
    ) -> Tensor:
        """Sum of the cross-entropies over the tokens whose label, (batch, seq), is not -100: a scalar in fp32.

        Padded sequences come with `attention_mask`; packed ones, (1, tokens), with `position_ids` and `packing`.
        """
        return self.loss(encode(self.encoder, input_ids, attention_mask, position_ids, packing), labels)

    @property
    def encoder(self) -> nn.Module:
        """The model without its LM head."""
        return self._encoder[0]

    def loss(self, hidden: Tensor, labels: Tensor) -> Tensor:
        """The loss of `forward` from the encoder's last hidden states, (batch, seq, hidden).

        In training it is over the pieces of `restrict_loss`, else over the whole vocabulary.
        """
        labelled = labels != IGNORE_INDEX
        if self._loss_pieces is not None and self.training:
            layers, targets = self._loss_pieces.layers, self._loss_pieces.class_of[labels[labelled]]
        else:
            layers, targets = loss_classes(self._decoder[0], labels[labelled])
        return linear_cross_entropy(self._decoder_input(hidden[labelled]), layers, targets)

    def penalty(self) -> Tensor | None:
        """The penalty of fusion layers in training, which is added to a step's mean loss; None without such layers."""
        penalty = fusion_penalty(self.model)
        return penalty if isinstance(penalty, Tensor) and penalty.requires_grad else None

    def _decoder_input(self, hidden: Tensor) -> Tensor:
        """(n, hidden) -> (n, embedding): the head up to its decoder, hooks on the decoder included."""
        with identity_forward(self._decoder[0]):
            for module in self._head:
                hidden = module(hidden)
        return hidden

    def _after_last_attention(self) -> list[nn.Module]:
        """The modules of the last block that need one position of each sequence only; none in some architectures.

        Searched at each call, for an adapter may have been wrapped around one since the last.
        """
        if getattr(
            self._config, "chunk_size_feed_forward", 0
        ):  # transformers refuses lengths that the size does not divide
            return []
        last_block = self._config.num_hidden_layers - 1
        return [
            module
            for name, module in self.named_modules()
            for pattern in self._family.after_attention
            if re.fullmatch(pattern, name) and block_number(name) == last_block
        ]


@contextmanager
def _narrow_to(modules: Sequence[nn.Module], positions: Tensor) -> Iterator[None]:
    """Inside `with`, these modules run at one position of each sequence: (batch, 1, hidden).

    Other positions matter to a token only through attention, so after the last one they are not needed.
    """

    def keep_positions(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(hidden[positions].unsqueeze(1) for hidden in inputs)

    hooks = [module.register_forward_pre_hook(keep_positions) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
