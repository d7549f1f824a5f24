"""The model of a task: an adapted encoder with a head over each text or each word, and its loss."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from peft import PeftModel
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from ..recipes.task_kinds import ProblemType
from ..recipes.training import Pooling
from .adapters.bottleneck.layer import Stack
from .batches import Batch, Layout, use_layout
from .fast.fast_layers import use_fast_layers
from .fast.packing import encode, sequence_means
from .masking import IGNORE_INDEX
from .tokens import chunks

INIT_STD = 0.02  # of the head's weights: BERT's and XLM-R's `initializer_range`


@dataclass(frozen=True)
class Example:
    """Tokenised input and its gold label: one class id, or one id per token (-100 for tokens without a label)."""

    input_ids: list[int]
    label: int | list[int]
    words: tuple[int, ...] = ()
    """For tags: the number of the word that each labelled token begins."""
    truncated: bool = False
    """Whether the text was longer than the maximum length, and its end was cut off."""
    targets: tuple[float, ...] = ()
    """Instead of a class, 1 or 0 for each label, or one score; `label` is 0 then."""
    token_types: tuple[int, ...] = ()
    """For pairs of texts: 0 for each token of the first, 1 for each of the second."""


def _mean_over_labels(logits: Tensor, targets: Tensor) -> Tensor:
    return binary_cross_entropy_with_logits(logits, targets, reduction="sum") / targets.shape[-1]


LOSSES: Mapping[ProblemType, Callable[[Tensor, Tensor], Tensor]] = {
    "single_label_classification": lambda logits, classes: cross_entropy(logits, classes, reduction="sum"),
    "multi_label_classification": _mean_over_labels,
    "regression": lambda logits, scores: mse_loss(logits, scores, reduction="sum"),
}
"""Sums over n texts or words, from logits (n, outputs) and what `batch_targets` gives."""

ACTIVATIONS: Mapping[ProblemType, Callable[[Tensor], Tensor]] = {
    "single_label_classification": lambda logits: logits.softmax(-1),
    "multi_label_classification": torch.sigmoid,
    "regression": lambda logits: logits,
}
"""From logits (..., outputs) to probabilities or scores."""


class TaskModel(nn.Module):
    """An adapted encoder with a head over the text or over every token (tags).

    The heads are AdapterHub's. Over the text: dropout, dense, tanh, dropout, dense, with an output for each class or
    label, or one for a score. Over every token: dropout, dense. `pooling` says which vector of a text the head reads:
    its first token's, or the mean over its tokens, special ones included. `pairs` says that the texts are pairs.
    """

    def __init__(
        self,
        adapted: Any,
        outputs: int,
        *,
        per_token: bool,
        dropout: float = 0.0,
        pooling: Pooling = "first",
        problem_type: ProblemType = "single_label_classification",
        pairs: bool = False,
    ) -> None:
        """`adapted` is a PeftModel, or the base itself for a head without an adapter."""
        super().__init__()
        self.adapted = adapted
        self.stack: Stack | None = None
        """The adapters of `adapted` that belong to this task, if it holds those of several."""
        bare: Any = adapted.get_base_model() if isinstance(adapted, PeftModel) else adapted
        # in a list, so that it is not registered as a child: `adapted` holds its parameters
        self._encoder = [cast(nn.Module, bare.base_model)]
        self.layout = use_layout(bare)
        self.per_token = per_token
        self.pooling: Pooling = "first" if per_token else pooling
        self.problem_type: ProblemType = problem_type
        self.pairs = pairs
        hidden_size = bare.config.hidden_size
        if per_token:
            self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden_size, outputs))
        else:
            self.head = nn.Sequential(
                nn.Dropout(dropout),
                nn.Linear(hidden_size, hidden_size),
                nn.Tanh(),
                nn.Dropout(dropout),
                nn.Linear(hidden_size, outputs),
            )
        for module in self.head:
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=INIT_STD)
                nn.init.zeros_(module.bias)
        # an invertible adapter has a hook on the decoder, which a replaced layer would lose
        use_fast_layers(self, keep=(bare.get_output_embeddings(),))

    def logits(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """(batch, seq) ids -> (batch, outputs), or (batch, seq, outputs) per token."""
        hidden = encode(self.encoder, input_ids, attention_mask, token_type_ids=token_type_ids)
        return self.head_logits(hidden, attention_mask)

    def head_logits(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Last hidden states (batch, seq, hidden) -> (batch, outputs), or (batch, seq, outputs) per token."""
        if self.pooling == "mean":
            return self.head(sequence_means(hidden, attention_mask))
        return self.head(hidden if self.per_token else hidden[:, 0])

    @property
    def encoder(self) -> nn.Module:
        """The adapted model without its LM head."""
        return self._encoder[0]

    def labelled_logits(
        self, input_ids: Tensor, labels: Tensor, targets: Tensor | None = None, **layout: Any
    ) -> Tensor:
        """Logits (n, outputs) of the n labelled tokens of a batch that `layout` made, row by row. A text has one."""
        return self.head(self.head_inputs(input_ids, labels, targets, **layout))

    def head_inputs(self, input_ids: Tensor, labels: Tensor, targets: Tensor | None = None, **layout: Any) -> Tensor:
        """What the head reads of the n labelled tokens of a batch: (n, hidden)."""
        hidden = encode(self.encoder, input_ids, **layout)
        if self.pooling == "mean":
            return sequence_means(hidden, layout.get("attention_mask"), layout.get("packing"))
        return hidden[labels != IGNORE_INDEX]

    def forward(self, input_ids: Tensor, labels: Tensor, targets: Tensor | None = None, **layout: Any) -> Tensor:
        """Sum of the losses of the labelled tokens (for texts each one's first): a scalar in fp32."""
        logits = self.labelled_logits(input_ids, labels, targets, **layout).float()
        return LOSSES[self.problem_type](logits, batch_targets(labels, targets))


def batch_targets(labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """What the n labelled tokens of a batch are to learn: classes (n,), or numbers (n, outputs)."""
    return labels[labels != IGNORE_INDEX] if targets is None else targets


def make_batch(examples: Sequence[Example], layout: Layout) -> Batch:
    """A batch whose `labels` hold each example's tags, or its class at the first token; `targets` if it has numbers."""
    labels = []
    for example in examples:
        row = np.full(len(example.input_ids), IGNORE_INDEX)
        if isinstance(example.label, int):
            row[0] = example.label
        else:
            row[:] = example.label
        labels.append(row)
    token_types = [np.asarray(example.token_types) for example in examples if example.token_types]
    batch = layout.batch([np.asarray(example.input_ids) for example in examples], labels, token_types)
    if examples[0].targets:
        batch["targets"] = torch.tensor([example.targets for example in examples])
    return batch


def numbers_by_length(examples: Sequence[Example], batch_size: int) -> Iterator[list[int]]:
    """The numbers of the examples in batches, shortest first, so that there is little padding."""
    return chunks(sorted(range(len(examples)), key=lambda number: len(examples[number].input_ids)), batch_size)
