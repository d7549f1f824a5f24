"""The sections of a recipe that say how adapters are trained."""

from typing import Annotated, Any, Literal

from pydantic import Field

from .field_types import Count, Rate, Section, Seed, at_default

Precision = Literal["auto", "fp32", "bf16"]
LrSchedulerType = Literal["linear", "cosine", "constant_with_warmup"]  # names of transformers' SchedulerType
CPU_DEVICE_TOKENS = 4096  # a CPU gains nothing from more at once, and has no error to tell that memory is out

_MACHINE = (
    "logging_steps",
    "save_steps",
    "save_total_limit",
    "device_batch_tokens",
    "gradient_checkpointing",
    "report_to",
)
_NEWER = ("validation_batch_tokens",)
_NEWER_OF_TASKS = ("lr_scheduler_type", "max_grad_norm", "dropout")


class Training(Section):
    """How the language adapter is trained by masked language modelling."""

    max_steps: Count = Field(default=1000, description="Optimiser steps.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(default=1e-4, description="Peak learning rate of AdamW.")
    lr_scheduler_type: LrSchedulerType = Field(
        default="linear",
        description="Learning rate after the warm-up: falling to 0 along a line or a cosine, or constant.",
    )
    warmup_steps: Annotated[int, Field(ge=0)] = Field(default=0, description="Steps of linear warm-up.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="AdamW's weight decay, of matrices alone (no biases, no LayerNorm)."
    )
    max_grad_norm: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="Gradients are clipped to this L2 norm."
    )
    batch_tokens: Count = Field(
        default=4096, description="Tokens in a step's batch, over all devices; lengths are rounded up to the longest."
    )
    batch_sequences: Count | None = Field(
        default=None, description="Sequences in a step's batch instead, over all devices (the paper: 16)."
    )
    line_by_line: bool = Field(
        default=False,
        description="true: each line is a sequence, cut off at max_length; false: a document's lines are "
        "joined and cut into sequences of max_length, so that all text is used.",
    )
    max_length: Annotated[int, Field(ge=8)] = Field(default=256, description="Longest sequence, in tokens.")
    graph_share: Rate | None = Field(
        default=None,
        description="source: both: share of each batch that is graph sentences; null: as much as there is.",
    )
    mlm_probability: Rate = Field(
        default=0.15, description="Share of tokens to predict; of these 80/10/10 mask/random/kept."
    )
    whole_word_mask: bool = Field(default=False, description="Mask all pieces of a word together.")
    eval_steps: Count = Field(default=200, description="Steps between two looks at the validation loss.")
    validation_tokens: Count = Field(default=20_000, description="Validation text looked at each time, in tokens.")
    validation_batch_tokens: Count = Field(
        default=4096,
        description="Tokens in a validation batch; each batch has masks of its own, so this moves the loss a little.",
    )
    early_stopping_patience: Count | None = Field(
        default=None, description="Stop after so many looks without a better validation loss; null: never."
    )
    precision: Precision = Field(
        default="auto", description="auto: bf16 where the GPU, or the processor's AMX, makes it faster; else fp32."
    )
    seed: Seed = Field(default=42, description="Seed of initialisation, data order, masking and dropout.")
    logging_steps: Count = Field(default=10, description="Steps between two lines of metrics.jsonl.")
    save_steps: Count = Field(default=100, description="Steps between two checkpoints to resume from.")
    save_total_limit: Count = Field(default=2, description="Checkpoints kept; all go when training is done.")
    device_batch_tokens: Count | None = Field(
        default=None,
        description="Tokens in one forward on one device, the batch is accumulated; null: as many as a GPU's memory "
        f"takes, {CPU_DEVICE_TOKENS:,} on a CPU.",
    )
    gradient_checkpointing: bool = Field(
        default=False, description="Compute activations twice instead of keeping them: less memory, more time."
    )
    report_to: Literal["none", "tensorboard", "trackio", "wandb"] = Field(
        default="none", description="Where metrics go besides metrics.jsonl."
    )

    def settings(self) -> dict[str, Any]:
        """The fields that shape the adapter, JSON-ready: not what only the machine or the onlooker cares for."""
        return self.artifact_settings(exclude={*_MACHINE, *at_default(self, _NEWER)})


class TaskTraining(Section):
    """How a task adapter and its head are trained on the frozen language adapter."""

    num_train_epochs: Count = Field(default=20, description="Passes over the training file.")
    learning_rate: Annotated[float, Field(gt=0)] = Field(default=1e-4, description="Peak learning rate of AdamW.")
    warmup_ratio: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.05, description="Share of the steps with rising rate."
    )
    lr_scheduler_type: LrSchedulerType = Field(
        default="linear",
        description="Learning rate after the warm-up: falling to 0 along a line or a cosine, or constant.",
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(default=0.01, description="AdamW's weight decay.")
    max_grad_norm: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="Gradients are clipped to this L2 norm."
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.1, description="Dropout in the task's head.")
    batch_size: Count = Field(default=32, description="Examples in a batch.")
    max_length: Annotated[int, Field(ge=8)] = Field(
        default=256, description="Longest example, in tokens; longer ones are cut."
    )
    reduction_factor: Count = Field(default=16, description="Hidden size divided by the task bottleneck's width.")
    label_pieces: Literal["first", "all"] = Field(
        default="first",
        description="Tags: label the first piece of each word and score words; all: each piece, and score pieces, as "
        "the paper did.",
    )

    def settings(self, *, tags: bool) -> dict[str, Any]:
        """The fields that shape a task adapter, JSON-ready; label_pieces is read for `tags` alone."""
        unread = at_default(self, _NEWER_OF_TASKS) | (set() if tags else {"label_pieces"})
        return self.artifact_settings(exclude=unread)
