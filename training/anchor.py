"""Keeping sentences near where the frozen base has them, and measuring how far training moved them.

The vector of a sequence is the mean of its last hidden states, special tokens included, as sentence encoders pool. The
distance between two vectors is 1 - cosine: it has no unit, lies in [0, 2], and does not change when training scales
hidden states, which the task's own layers can undo. (For vectors of equal length it is half their squared distance
over their squared length.) DistilBERT aligns hidden states of teacher and student by it (Sanh et al. 2019,
https://arxiv.org/abs/1910.01108, section 3); Reimers and Gurevych 2020 (https://arxiv.org/abs/2004.09813) keep mean
pooled sentence vectors near a frozen teacher's.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from accelerate import Accelerator
from peft import PeftModel
from torch import Tensor, nn

from .batches import Batch, to_device
from .fast.packing import Packing, encode, sequence_means
from .mlm import MaskedLM
from .vocabulary.layers import ExtendedEmbedding

LARGE_DRIFT = 0.5
"""Share of the mean distance between two sentences of the base above which a drift is called large.

A bare number would mean something else for each base: in e5's space all sentences are near each other. At 1 a sentence
is as far from where it was as from any other. Measured (docs/training.md): untrained 0.04, LoRA 0.34, anchored 0.05 to
0.33; seq_bn 0.77 on base-mini, where topics get worse, and 1.8 on multilingual-e5-small.
"""


class Anchored(nn.Module):
    """A `MaskedLM` whose loss in training has a penalty on the distance between each sequence and the frozen base's.

    The base is the same model with its adapter disabled, or for `full`, without an adapter, a frozen copy of the
    encoder as it is now. It sees the same masked sequences, without dropout, and takes no gradient: one more forward.
    """

    def __init__(self, masked_lm: MaskedLM, weight: float) -> None:
        super().__init__()
        self.masked_lm = masked_lm
        self.weight = weight
        is_adapter = isinstance(masked_lm.model, PeftModel)
        # in a list, so that it is not registered as a child: it is neither trained nor saved
        self._copy = [] if is_adapter else [deepcopy(masked_lm.encoder).requires_grad_(False).eval()]
        # rows of embeddings may be trained beside the adapter, and disabling that leaves them as they are
        modules = masked_lm.model.modules() if is_adapter else ()
        self._embeddings = [module for module in modules if isinstance(module, ExtendedEmbedding)]
        for embedding in self._embeddings:
            embedding.keep_initial_rows()

    def forward(
        self,
        input_ids: Tensor,
        labels: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        packing: Packing | None = None,
        sequence_weight: Tensor | None = None,
    ) -> Tensor:
        """The loss of `MaskedLM`, in training with the sum of the sequences' penalties: a scalar in fp32.

        `sequence_weight`, a scalar, is the number of labelled tokens for each sequence of the whole step: once the step
        has divided the sum by its labelled tokens, the penalty is `weight` times the mean over its sequences.
        """
        if not self.training:
            return self.masked_lm(input_ids, labels, attention_mask, position_ids, packing)
        layout = (attention_mask, position_ids, packing)
        anchors = self._anchors(input_ids, *layout)
        hidden = encode(self.masked_lm.encoder, input_ids, *layout)
        penalties = cosine_distances(sequence_means(hidden, attention_mask, packing), anchors).sum()
        if sequence_weight is not None:
            penalties = penalties * sequence_weight
        return self.masked_lm.loss(hidden, labels) + self.weight * penalties

    def penalty(self) -> Tensor | None:
        """See `MaskedLM.penalty`."""
        return self.masked_lm.penalty()

    @torch.no_grad()
    def _anchors(self, input_ids: Tensor, attention_mask: Tensor | None, *layout: Any) -> Tensor:
        """The base's vectors, (sequences, hidden)."""
        if self._copy:
            hidden = encode(self._copy[0], input_ids, attention_mask, *layout)
        else:
            self.masked_lm.eval()
            with _without_adapter(self.masked_lm), _with_initial_rows(self._embeddings):
                hidden = encode(self.masked_lm.encoder, input_ids, attention_mask, *layout)
            self.masked_lm.train()
        return sequence_means(hidden, attention_mask, layout[-1])


@contextmanager
def _without_adapter(masked_lm: MaskedLM) -> Iterator[None]:
    """Inside `with`, the base without its adapter; for `full`, which has none, the model as it is."""
    if not isinstance(masked_lm.model, PeftModel):
        yield
        return
    tuner: Any = masked_lm.model.base_model  # its own methods, as PeftModel.disable_adapter looks at every layer first
    tuner.disable_adapter_layers()
    try:
        yield
    finally:
        tuner.enable_adapter_layers()


@contextmanager
def _with_initial_rows(embeddings: Sequence[ExtendedEmbedding]) -> Iterator[None]:
    """Inside `with`, these embeddings use their trained rows as they were before training."""
    for embedding in embeddings:
        embedding.uses_initial_rows = True
    try:
        yield
    finally:
        for embedding in embeddings:
            embedding.uses_initial_rows = False


class Drift:
    """How far training moves sentences: made before the first step, asked after the last one."""

    def __init__(self, masked_lm: MaskedLM, batches: Sequence[Batch], accelerator: Accelerator) -> None:
        self._masked_lm, self._batches, self._accelerator = masked_lm, batches, accelerator
        with _without_adapter(masked_lm):  # new bottlenecks are random, and not the identity
            self._base_means = self._means()

    def facts(self) -> dict[str, float]:
        """`drift`, the mean distance between a sentence now and in the base, and for comparison
        `base_sentence_distance`, the mean distance between two different sentences of the base.
        """
        drift = cosine_distances(self._means(), self._base_means).mean()
        return {
            "drift": round(float(drift), 5),
            "base_sentence_distance": round(float(mean_distance(self._base_means)), 5),
        }

    @torch.no_grad()
    def _means(self) -> Tensor:
        """(sentences, hidden), on the CPU."""
        self._masked_lm.eval()
        device = self._accelerator.device
        means = []
        for batch in self._batches:
            layout = {name: value for name, value in to_device(batch, device).items() if name != "labels"}
            with self._accelerator.autocast():
                hidden = encode(self._masked_lm.encoder, **layout)
            means.append(sequence_means(hidden, layout.get("attention_mask"), layout.get("packing")).cpu())
        return torch.cat(means)


def warn_of_drift(facts: dict[str, float]) -> str:
    """A warning where the drift is large, else ""."""
    drift, distance = facts["drift"], facts["base_sentence_distance"]
    if drift <= LARGE_DRIFT * distance:
        return ""
    return (
        f"WARNING: training moved sentences far from where the base has them: by {drift:.3f} (1 - cosine) on average, "
        f"while two different sentences of the base are {distance:.3f} apart. Tasks may lose what the base knew; "
        "try a lower training.learning_rate, fewer steps, adapter.leave_out or training.anchor"
    )


def cosine_distances(vectors: Tensor, others: Tensor) -> Tensor:
    """1 - cosine of each vector and its counterpart: (n, hidden) each -> (n,)."""
    return 1 - nn.functional.cosine_similarity(vectors.float(), others.float(), dim=-1)


def mean_distance(vectors: Tensor) -> Tensor:
    """The mean of 1 - cosine over all pairs of different vectors, (n, hidden) -> a scalar; 0 for a single one."""
    count = len(vectors)
    units = nn.functional.normalize(vectors.float(), dim=-1)
    pairs = units.sum(0).square().sum() - count  # the sum of cosines over ordered pairs, each with itself left out
    return 1 - pairs / (count * (count - 1)) if count > 1 else vectors.new_zeros(())
