"""The sections of a recipe that say what is measured, and on which data."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from ..workspace.errors import nearest
from .field_types import Alternatives, ColumnName, Count, Location, Locations, Section, Seed, Text
from .languages import find_language
from .training import TaskTraining

TASKS = ("topic", "sentiment", "ner")
CPU_BATCH_TOKENS, GPU_BATCH_TOKENS = 2048, 8192  # on a CPU more leave the cache
TASK_NAME = re.compile(r"[a-z][a-z0-9_]*")


class PseudoPerplexity(Section):
    """Text and limits of the pseudo-perplexity."""

    files: Locations = Field(
        default=[],
        description="Text, a sentence a line, or tables with a column of sentences; empty: the prepared test split.",
    )
    text: ColumnName = Field(
        default="text", description="Column with the sentence in csv, tsv, jsonl and parquet files; a list: the first."
    )
    dataset: str = Field(default="", description="Name of the data set in messages and reports.")
    skip_missing: bool = Field(
        default=False,
        description="Score the prepared test split for languages that the hub's data set does not have; false: stop.",
    )
    max_sentences: Count = Field(
        default=200, description="Sentences scored: the first of the files, or a fixed choice of the test split."
    )
    max_length: Annotated[int, Field(ge=8)] = Field(
        default=256, description="Longest sentence, in tokens; longer ones are cut."
    )
    batch_tokens: Count | None = Field(
        default=None,
        description=f"Tokens in one forward over masked copies; null: {CPU_BATCH_TOKENS:,} on a CPU, "
        f"{GPU_BATCH_TOKENS:,} on a GPU.",
    )
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32", description="bf16 is faster on a GPU and moves the figure by up to 2 %."
    )

    def batch_tokens_on(self, device: str) -> int:
        """`batch_tokens`, or the default of this type of device: "cpu", "cuda", "mps"."""
        return self.batch_tokens or (CPU_BATCH_TOKENS if device == "cpu" else GPU_BATCH_TOKENS)


class Task(Section):
    """A labelled data set: its own train, validation and test files, or one file that is cut into the three.

    To learn it in another language (`eval.transfer_from`) alone, `transfer_train` and `transfer_validation` are enough
    beside `test`. A file may be given as a list, of which the first that exists counts; on the hub also as a pattern,
    hf://datasets/OWNER/NAME/{validation,dev}*.{parquet,jsonl,csv}, which must name one file or all its shards.
    """

    dataset: str = Field(default="", description="Name of the data set in messages and reports.")
    skip_missing: bool = Field(
        default=False,
        description="Skip the task for languages that the hub's data set does not have; false: stop with an error.",
    )

    train: Alternatives | None = Field(
        default=None, description="Training file: csv, tsv, jsonl or parquet; CoNLL for tags; hf://datasets/…"
    )
    validation: Alternatives | None = Field(default=None, description="Validation file, used to choose the best epoch.")
    test: Alternatives | None = Field(default=None, description="Test file, used for the score alone.")
    transfer_train: Alternatives | None = Field(
        default=None, description="With eval.transfer_from, the training file; null: train, with that language's codes."
    )
    transfer_validation: Alternatives | None = Field(
        default=None, description="The same for the validation file; null: validation, with that language's codes."
    )
    file: Alternatives | None = Field(
        default=None, description="Instead of the three, one file; 70/10/20 % of it by a hash of each text."
    )
    where: dict[Text, Text] = Field(
        default={}, description="Keep the rows whose column has this value, {Maltese: '1'}."
    )
    text: ColumnName = Field(
        default="text", description="Column with the text, or the list of words; a list: the first that the file has."
    )
    label: ColumnName = Field(
        default="label",
        description="Column with the label, or the list of tags; a list: the first that the file has. In CoNLL files "
        "its number, or its name in CoNLL-U (upos).",
    )
    labels: list[Text] | None = Field(
        default=None,
        description="Names of the labels, in the order of their numbers where the files hold numbers.",
    )
    max_train_samples: Count | None = Field(
        default=None,
        description="Learn from a fixed choice of so many items of train: few labels, or less time; null: all.",
    )
    metric: Literal["macro_f1", "entity_f1", "accuracy"] | None = Field(
        default=None, description="The task's figure; null: macro_f1 for a label a text, entity_f1 for tags."
    )

    @model_validator(mode="after")
    def _has_all_splits(self) -> "Task":
        lacking = self.lacking
        elsewhere = {name for name in lacking if getattr(self, f"transfer_{name}", None) is not None}
        if self.file is None and (missing := [name for name in lacking if name not in elsewhere]):
            raise ValueError(
                f"{' and '.join(missing)} missing: give train, validation and test, or one file; to learn the task in "
                "another language, transfer_train and transfer_validation beside test"
            )
        if self.file is not None and len(lacking) < 3:
            raise ValueError("give either file, or train, validation and test (and null for the others)")
        return self

    @property
    def text_column(self) -> str:
        """The column with the text; of alternatives the first."""
        return self.text if isinstance(self.text, str) else self.text[0]

    @property
    def label_column(self) -> str:
        """The column with the label; of alternatives the first."""
        return self.label if isinstance(self.label, str) else self.label[0]

    @property
    def lacking(self) -> list[str]:
        """The splits that have no file of their own."""
        return [name for name in ("train", "validation", "test") if getattr(self, name) is None]


class Eval(Section):
    """What is measured, on which data. A task is a mapping, the name of a bundled task file, or a path to one."""

    tasks: list[str] | None = Field(
        default=None, description="Tasks to run: mlm and those with data below; null: all of them."
    )
    seeds: Annotated[list[Seed], Field(min_length=1)] = Field(
        default=[1, 2, 3], description="One task adapter is trained per seed."
    )
    limit: Count | None = Field(
        default=None,
        description="For a quick look: score at most this many test items per task, a fixed choice; such scores are "
        "marked as not comparable; null: all.",
    )
    mlm: PseudoPerplexity = Field(default=PseudoPerplexity(), description="Pseudo-perplexity.")
    topic: Task | None = Field(default=None, description="Topic classification (SIB-200's shape).")
    sentiment: Task | None = Field(default=None, description="Sentiment classification.")
    ner: Task | None = Field(default=None, description="Named entities.")
    others: dict[str, Task] = Field(default={}, description="Tasks of your own, by name.")
    training: TaskTraining = Field(default=TaskTraining(), description="Settings of the task adapters.")
    transfer_from: str | None = Field(
        default=None,
        description="Zero-shot: train the task adapters on this language's files ({language} in train and validation "
        "stands for it), test on the recipe's language with its adapter put in (MAD-X).",
    )
    transfer_adapter: Location | None = Field(
        default=None,
        description="transfer_from: folder of that language's own adapter, to train the task adapter on; null: the "
        "bare base.",
    )

    def learnt(self, name: str) -> Task:
        """The task `name` with the files that a task adapter learns from: with `transfer_from` the other language's."""
        task = self.with_data[name]
        if self.transfer_from is None:
            return task
        return task.model_copy(update={"train": task.transfer_train, "validation": task.transfer_validation})

    @property
    def with_data(self) -> dict[str, Task]:
        """The tasks that have data, by name."""
        named = {name: getattr(self, name) for name in TASKS}
        return {name: task for name, task in (named | self.others).items() if task is not None}

    @property
    def configured(self) -> list[str]:
        """mlm and the tasks that have data."""
        return ["mlm", *self.with_data]

    @field_validator("transfer_from")
    @classmethod
    def _known_language(cls, value: str | None) -> str | None:
        return None if value is None else find_language(value).code

    @model_validator(mode="after")
    def _tasks_have_data(self) -> "Eval":
        for name in self.others:
            if not TASK_NAME.fullmatch(name) or name in ("mlm", *TASKS):
                raise ValueError(f"others: {name!r} cannot name a task of your own; take small letters and digits")
        for name in self.tasks or []:
            if name in ("mlm", *self.with_data):
                continue
            if name in TASKS:
                raise ValueError(f"task {name} has no data: add eval.{name} with train, validation and test files")
            near = nearest(name, self.configured)
            hint = f"did you mean {near}?" if near else f"known: {', '.join(self.configured)}"
            raise ValueError(f"tasks: no task {name!r} here; {hint}")
        if len(set(self.seeds)) < len(self.seeds):
            twice = next(seed for seed in self.seeds if self.seeds.count(seed) > 1)
            raise ValueError(f"seeds: {twice} is listed twice")
        return self

    @model_validator(mode="after")
    def _transfer_fits(self) -> "Eval":
        if self.transfer_adapter is not None and self.transfer_from is None:
            raise ValueError("transfer_adapter is for transfer_from: say the language that its data are in")
        if self.transfer_adapter is not None and "://" in self.transfer_adapter:
            raise ValueError("transfer_adapter: expected a folder on this machine")
        chosen = {name: task for name, task in self.with_data.items() if name in (self.tasks or self.configured)}
        for name, task in chosen.items() if self.transfer_from is None else ():
            if task.file is None and task.lacking:
                raise ValueError(
                    f"{name}: {' and '.join(task.lacking)} missing; its transfer files serve with transfer_from, the "
                    "language that they are in (--set eval.transfer_from=LANGUAGE in every command)"
                )
        if self.transfer_from and (whole := [name for name, task in chosen.items() if task.file]):
            raise ValueError(f"transfer_from: {', '.join(whole)} has one file for all splits; give it three")
        return self
