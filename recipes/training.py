"""The sections of a recipe for the training of adapters."""

from math import ceil
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from ..workspace.errors import shown
from .field_types import Count, Location, Rate, Section, Seed, at_default

Precision = Literal["auto", "fp32", "bf16"]
Pooling = Literal["first", "mean"]
Initialisation = Literal["decompose", "script_mean", "random", "focus"]
LrSchedulerType = Literal["linear", "cosine", "constant_with_warmup"]  # names of transformers' SchedulerType
CPU_DEVICE_TOKENS = 4096  # a CPU is no faster with more, and out-of-memory cannot be caught there

_MACHINE = (
    "logging_steps",
    "save_steps",
    "save_total_limit",
    "device_batch_tokens",
    "gradient_checkpointing",
    "report_to",
    "hang_timeout",
)
_NEWER = ("validation_batch_tokens", "anchor", "softmax")
_NEWER_OF_TASKS = ("lr_scheduler_type", "max_grad_norm", "dropout", "pooling")


def _above_zero(value: Any) -> Any:
    if value in (0, "0") and not isinstance(value, bool):
        raise ValueError("expected a number above 0; for an adapter without training, set control: untrained")
    return value


def _number_or_auto(value: Any) -> Any:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0):
        return value
    raise ValueError(f"expected a whole number, 0 or more, or auto, got {shown(value)}")


class Training(Section):
    """Training of the language adapter by masked language modelling."""

    max_steps: Annotated[Count, BeforeValidator(_above_zero)] = Field(default=1000, description="Optimiser steps.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(default=1e-4, description="Peak learning rate of AdamW.")
    lr_scheduler_type: LrSchedulerType = Field(
        default="linear",
        description="Learning rate after the warm-up: linear or cosine decay to 0, or constant.",
    )
    warmup_steps: Annotated[int, Field(ge=0)] = Field(default=0, description="Steps of linear warm-up.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="Weight decay of AdamW, on matrices only: not on biases and LayerNorm."
    )
    max_grad_norm: Annotated[float, Field(gt=0)] = Field(default=1.0, description="Maximum L2 norm of the gradients.")
    batch_tokens: Count = Field(
        default=4096, description="Tokens per step over all devices, padding to the longest sequence included."
    )
    batch_sequences: Count | None = Field(
        default=None, description="Sequences per step over all devices, instead of batch_tokens (the paper: 16)."
    )
    line_by_line: bool = Field(
        default=False,
        description="true: each line is a sequence, truncated to max_length; false: the lines of a document are joined "
        "and split into sequences of max_length, so that all text is used.",
    )
    max_length: Annotated[int, Field(ge=8)] = Field(default=256, description="Maximum length of a sequence in tokens.")
    graph_share: Rate | None = Field(
        default=None,
        description="source: both: share of graph sentences in each batch; null: their share of the data.",
    )
    mlm_probability: Rate = Field(
        default=0.15,
        description="Share of tokens to predict; 80% of them are masked, 10% replaced at random, 10% kept.",
    )
    whole_word_mask: bool = Field(default=False, description="Mask all subwords of a word together.")
    eval_steps: Count = Field(default=200, description="Steps between validations.")
    validation_tokens: Count = Field(default=20_000, description="Tokens of validation text per validation.")
    validation_batch_tokens: Count = Field(
        default=4096,
        description="Tokens per validation batch. The masks depend on the batches, so this slightly changes the loss.",
    )
    early_stopping_patience: Count | None = Field(
        default=None, description="Stop after this many validations without a lower loss; null: never."
    )
    anchor: Annotated[float, Field(ge=0)] = Field(
        default=0.0,
        description="Weight of a penalty on the distance (1 - cosine) between the mean hidden state of each sequence "
        "and the frozen base's; 0: none. It costs one more forward pass.",
    )
    softmax: Literal["full", "language"] = Field(
        default="full",
        description="Pieces over which the training loss is computed. full: the whole vocabulary; language: those that "
        "occur in the training text, which is faster. Validation always uses the whole vocabulary.",
    )
    precision: Precision = Field(
        default="auto", description="auto: bf16 where the GPU, or AMX on a CPU, makes it faster; else fp32."
    )
    seed: Seed = Field(default=42, description="Seed of initialisation, data order, masks and dropout.")
    logging_steps: Count = Field(default=10, description="Steps between lines of metrics.jsonl.")
    save_steps: Count = Field(
        default=100, description="Steps between checkpoints, from which interrupted training resumes."
    )
    save_total_limit: Count = Field(
        default=2, description="Checkpoints to keep; all are deleted when training is done."
    )
    device_batch_tokens: Count | None = Field(
        default=None,
        description="Tokens per forward pass and device; gradients accumulate over a batch; null: as many as fit into "
        f"the memory of a GPU, {CPU_DEVICE_TOKENS:,} on a CPU.",
    )
    gradient_checkpointing: bool = Field(
        default=False, description="Recompute activations in the backward pass: less memory, more time."
    )
    report_to: Literal["none", "tensorboard", "trackio", "wandb"] = Field(
        default="none", description="Where to log metrics besides metrics.jsonl."
    )
    hang_timeout: Annotated[int, Field(ge=20)] | None = Field(
        default=None,
        description="End the run, which can be resumed, after this many seconds without a finished step, validation or "
        "checkpoint; must exceed the longest validation, checkpoint and first step. null: never. A line names the slow "
        "process in any case.",
    )

    def settings(self) -> dict[str, Any]:
        """The fields that shape the adapter, JSON-ready, without those about the machine, checkpoints and logs."""
        return self.artifact_settings(exclude={*_MACHINE, *at_default(self, _NEWER)})


class Vocabulary(Section):
    """New pieces for text that the base's vocabulary splits badly or cannot read."""

    pieces: Annotated[Annotated[int, Field(ge=0)] | Literal["auto"], BeforeValidator(_number_or_auto)] = Field(
        default=0,
        description="Maximum number of new pieces, learnt on the prepared text; 0: none; auto: one for every 200 "
        "characters of words that the base reads badly, at most 8,000, and none if they are less than 1% of the text.",
    )
    initialisation: Initialisation = Field(
        default="decompose",
        description="First embedding of a new piece. decompose: the mean of the pieces that the base splits it into, "
        "or script_mean where it cannot read it; script_mean: random, with the mean and standard deviation of the "
        "base's pieces of the same script; random: with those of all its pieces; focus: a mean of the base's pieces "
        "that fastText, trained on the text, finds similar (needs `pip install 'lrl-adapt[focus]'`).",
    )
    train: Literal["new", "all", "none"] = Field(
        default="new",
        description="new: train the new rows with the adapter; all: those, and the base's own rows of the pieces that "
        "occur in the training text; none: keep the new rows as initialised.",
    )
    reference: Location | None = Field(
        default=None,
        description="Text file in languages that the base reads well; new pieces that would change how it is split are "
        "left out. null: English, from Python's documentation.",
    )

    @model_validator(mode="after")
    def _rows_of_the_base_are_trained_beside_new_ones(self) -> "Vocabulary":
        if self.train == "all" and not self.pieces:
            raise ValueError(
                "train: all trains the base's rows beside new pieces: set pieces, for example to auto, which adds none "
                "where the base reads the text well"
            )
        return self


class TaskTraining(Section):
    """Training of a task adapter and its head on the frozen language adapter."""

    num_train_epochs: Count = Field(default=20, description="Passes over the training data.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(default=1e-4, description="Peak learning rate of AdamW.")
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.05, description="Share of the steps that are used for warm-up."
    )
    lr_scheduler_type: LrSchedulerType = Field(
        default="linear",
        description="Learning rate after the warm-up: linear or cosine decay to 0, or constant.",
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(default=0.01, description="Weight decay of AdamW.")
    max_grad_norm: Annotated[float, Field(gt=0)] = Field(default=1.0, description="Maximum L2 norm of the gradients.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.1, description="Dropout in the head of the task.")
    batch_size: Count = Field(default=32, description="Examples per batch.")
    max_length: Annotated[int, Field(ge=8)] = Field(
        default=256, description="Maximum length of an example in tokens; longer ones are truncated."
    )
    reduction_factor: Count = Field(
        default=16, description="Hidden size divided by the width of the task's bottlenecks."
    )
    pooling: Pooling = Field(
        default="first",
        description="Classification: what the head reads. first: the first token; mean: the mean of all tokens, with "
        "which multilingual-e5 and other sentence encoders were trained.",
    )
    label_pieces: Literal["first", "all"] = Field(
        default="first",
        description="Tagging: first: label the first subword of each word, score words; all: label and score every "
        "subword, as the paper did.",
    )

    def steps(self, examples: int) -> int:
        """Optimizer steps of the training on this many examples."""
        return self.num_train_epochs * ceil(examples / self.batch_size)

    def settings(self, *, tags: bool | None) -> dict[str, Any]:
        """The fields that shape a task adapter, JSON-ready, without those that its kind does not read.

        That is `pooling` where words have `tags`, `label_pieces` where texts have labels; None: not known yet.
        """
        unread = {True: {"pooling"}, False: {"label_pieces"}, None: set()}[tags]
        return self.artifact_settings(exclude=at_default(self, _NEWER_OF_TASKS) | unread)
