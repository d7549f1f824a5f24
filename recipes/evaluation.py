"""The sections of a recipe for the evaluation: what is measured, and on which data."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from ..workspace.errors import nearest
from .field_types import Alternatives, ColumnName, Count, Location, Locations, Section, Seed, Text
from .languages import find_language
from .splits import SPLITS
from .task_kinds import METRICS, WORD_KINDS, KindName, MetricName, kind_of_metric
from .training import TaskTraining

TASKS = ("topic", "sentiment", "ner")
CPU_BATCH_TOKENS, GPU_BATCH_TOKENS = 2048, 8192  # on a CPU more do not fit into the cache
DEFAULT_TEXT, DEFAULT_LABEL = "text", "label"  # columns of a task
TASK_NAME = re.compile(r"[a-z][a-z0-9_]*")


class PseudoPerplexity(Section):
    """Pseudo-perplexity: its sentences and limits."""

    files: Locations = Field(
        default=[],
        description="Text files (one sentence per line) or tables with a sentence column; empty: prepared test split.",
    )
    text: ColumnName = Field(
        default="text", description="Column with the sentences in tables; from a list, the first that the file has."
    )
    dataset: str = Field(default="", description="Name of the data set in messages and reports.")
    skip_missing: bool = Field(
        default=False,
        description="true: score the prepared test split if the data set on the hub lacks the language; false: stop.",
    )
    max_sentences: Count = Field(
        default=200,
        description="Maximum number of sentences: the first of the files, or a fixed sample of the test split.",
    )
    max_length: Annotated[int, Field(ge=8)] = Field(
        default=256, description="Maximum length of a sentence in tokens; longer ones are truncated."
    )
    within_word_l2r: bool = Field(
        default=True,
        description="true: score each token with the later tokens of its word masked, too, for pseudo_perplexity_l2r.",
    )
    batch_tokens: Count | None = Field(
        default=None,
        description=f"Tokens per forward pass over masked copies; null: {CPU_BATCH_TOKENS:,} on a CPU, "
        f"{GPU_BATCH_TOKENS:,} on a GPU.",
    )
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32", description="bf16 is faster on a GPU and changes the score by up to 2%."
    )

    def batch_tokens_on(self, device: str) -> int:
        """`batch_tokens`, or its default for a type of device: "cpu", "cuda" or "mps"."""
        return self.batch_tokens or (CPU_BATCH_TOKENS if device == "cpu" else GPU_BATCH_TOKENS)


class Task(Section):
    """A labelled data set: train, validation and test files, or one file that is split into the three.

    For zero-shot transfer (`eval.transfer_from`), `test`, `transfer_train` and `transfer_validation` are enough. From a
    list of files, the first that exists is used. A file on the hub may be a pattern that matches one file or all its
    shards: hf://datasets/OWNER/NAME/{validation,dev}*.{parquet,jsonl,csv}.
    """

    dataset: str = Field(default="", description="Name of the data set in messages and reports.")
    skip_missing: bool = Field(
        default=False,
        description="true: skip the task where the data set on the hub lacks the language; false: stop with an error.",
    )

    train: Alternatives | None = Field(
        default=None,
        description="Training file: csv, tsv, jsonl or parquet, CoNLL for tagging, or an export of an annotation tool; "
        "local (a file or a folder), https or hf://datasets/…",
    )
    validation: Alternatives | None = Field(default=None, description="Validation file, used to choose the best epoch.")
    test: Alternatives | None = Field(default=None, description="Test file, used only for scoring.")
    transfer_train: Alternatives | None = Field(
        default=None, description="Training file for eval.transfer_from; null: train, with the codes of that language."
    )
    transfer_validation: Alternatives | None = Field(
        default=None,
        description="Validation file for eval.transfer_from; null: validation, with the codes of that language.",
    )
    file: Alternatives | None = Field(
        default=None, description="One file instead of three, split 70/10/20%; equal texts stay together."
    )
    kind: KindName | None = Field(
        default=None,
        description="classification: one label per text; multilabel: any number of labels per text; regression: a "
        "score per text; entities: IOB tags of words; tagging: other tags of words, such as parts of speech. null: "
        "what the metric or the files show.",
    )
    where: dict[Text, Text] = Field(
        default={}, description="Keep only rows with these values in these columns: {Maltese: '1'}."
    )
    text: ColumnName = Field(
        default=DEFAULT_TEXT,
        description="Column with the text or the list of words; from a list, the first that the file has.",
    )
    text_pair: ColumnName | None = Field(
        default=None,
        description="Column with the second text of each row, for pairs of texts such as premise and hypothesis.",
    )
    label: ColumnName = Field(
        default=DEFAULT_LABEL,
        description="Column with the label or the list of tags; from a list, the first that the file has. For CoNLL "
        "its number, for CoNLL-U its name (upos), for exports of annotation tools the name of the control or layer.",
    )
    label_columns: list[Text] = Field(
        default=[],
        description="multilabel: columns named like the labels, with 1 for texts that have the label and 0 for others, "
        "instead of one column `label`. Columns that a file lacks or leaves empty are left out.",
    )
    labels: list[Text] | None = Field(
        default=None,
        description="Names of the labels; if the files have numbers, in the order of the numbers.",
    )
    drop_duplicates: bool = Field(
        default=False, description="true: of rows of a split with the same text and label, keep one."
    )
    max_train_samples: Count | None = Field(
        default=None,
        description="Train on a fixed sample of at most this many items, for few labels or less time; null: all.",
    )
    metric: MetricName | None = Field(
        default=None,
        description="Main metric of the task; null: "
        + ", ".join(f"{metrics[0]} for {kind}" for kind, metrics in METRICS.items())
        + ".",
    )

    training: TaskTraining | None = Field(
        default=None, description="Fields of eval.training that differ for this task, such as {num_train_epochs: 100}."
    )

    @model_validator(mode="after")
    def _has_all_splits(self) -> "Task":
        lacking = self.lacking
        transferred = {name for name in lacking if getattr(self, f"transfer_{name}", None) is not None}
        if self.file is None and (missing := [name for name in lacking if name not in transferred]):
            raise ValueError(
                f"{' and '.join(missing)} missing: give train, validation and test, or one file; for zero-shot "
                "transfer, test, transfer_train and transfer_validation"
            )
        if self.file is not None and len(lacking) < 3:
            raise ValueError("give either file, or train, validation and test, and set the others to null")
        return self

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Task":
        kind = self.stated_kind
        if kind is not None and self.metric is not None and self.metric not in METRICS[kind]:
            raise ValueError(f"metric: {kind} is scored by {' or '.join(METRICS[kind])}, not by {self.metric}")
        if self.label_columns and kind != "multilabel":
            raise ValueError(f"label_columns is for kind: multilabel, not for {kind}")
        if self.text_pair is not None and kind in WORD_KINDS:
            raise ValueError(f"text_pair is for labels of texts, not for kind: {kind}")
        return self

    @property
    def stated_kind(self) -> KindName | None:
        """The kind that the recipe says or implies; None where the files decide."""
        return self.kind or ("multilabel" if self.label_columns else kind_of_metric(self.metric))

    @property
    def main_metric(self) -> MetricName | None:
        """The main metric that the recipe says or implies."""
        return self.metric or (METRICS[self.stated_kind][0] if self.stated_kind else None)

    @property
    def labels_words(self) -> bool | None:
        """Whether words have labels, and not texts; None where the files decide."""
        if self.stated_kind is not None:
            return self.stated_kind in WORD_KINDS
        return False if self.metric == "macro_f1" else None

    @property
    def text_column(self) -> str:
        """The column with the text; of a list, the first."""
        return self.text if isinstance(self.text, str) else self.text[0]

    @property
    def label_column(self) -> str:
        """The column with the label; of a list, the first."""
        return self.label if isinstance(self.label, str) else self.label[0]

    @property
    def lacking(self) -> list[str]:
        """The splits without a file."""
        return [name for name in SPLITS if getattr(self, name) is None]


class Eval(Section):
    """Evaluation. A task is a mapping, the name of a bundled task file, or the path of a task file."""

    tasks: list[str] | None = Field(
        default=None, description="Tasks to score: mlm and those with data below; null: all of them."
    )
    seeds: Annotated[list[Seed], Field(min_length=1)] = Field(
        default=[1, 2, 3], description="Seeds; one task adapter is trained for each."
    )
    limit: Count | None = Field(
        default=None,
        description="For a quick look, score only this many test items per task, always the same ones. Such scores are "
        "marked as not comparable. null: all.",
    )
    mlm: PseudoPerplexity = Field(default=PseudoPerplexity(), description="Pseudo-perplexity.")
    topic: Task | None = Field(default=None, description="Topic classification, such as SIB-200.")
    sentiment: Task | None = Field(default=None, description="Sentiment classification.")
    ner: Task | None = Field(default=None, description="Named entity recognition.")
    others: dict[str, Task] = Field(default={}, description="Your own tasks by name.")
    training: TaskTraining = Field(default=TaskTraining(), description="Training of the task adapters.")
    transfer_from: str | None = Field(
        default=None,
        description="Zero-shot transfer (MAD-X): train the task adapters on data in this language, whose code replaces "
        "{language} in train and validation, and test them in the recipe's language with its adapter.",
    )
    transfer_adapter: Location | None = Field(
        default=None,
        description="transfer_from: folder of that language's adapter, on which the task adapters are trained; null: "
        "on the base alone.",
    )

    def learnt(self, name: str) -> Task:
        """The task `name` with the files to train its adapter on: with `transfer_from`, those of that language."""
        task = self.with_data[name]
        if self.transfer_from is None:
            return task
        return task.model_copy(update={"train": task.transfer_train, "validation": task.transfer_validation})

    @property
    def with_data(self) -> dict[str, Task]:
        """The tasks that have data, by name."""
        named = {name: getattr(self, name) for name in TASKS}
        return {name: task for name, task in (named | self.others).items() if task is not None}

    def training_of(self, name: str) -> TaskTraining:
        """The training of the task adapters of task `name`."""
        return self.with_data[name].training or self.training

    def training_field(self, name: str) -> str:
        """The dotted field with the settings of `training_of`."""
        if self.with_data[name].training is None:
            return "eval.training"
        return f"eval.{'others.' if name in self.others else ''}{name}.training"

    @property
    def configured(self) -> list[str]:
        """mlm and the tasks that have data."""
        return ["mlm", *self.with_data]

    @model_validator(mode="before")
    @classmethod
    def _complete_training(cls, raw: Any) -> Any:
        """Fill the `training` of each task from that of all."""
        if not isinstance(raw, dict) or not isinstance(raw.get("training", {}), dict):
            return raw
        shared = _valid_training(raw.get("training", {}))
        tasks = {name: _with_training(raw[name], shared) for name in TASKS if name in raw}
        if isinstance(others := raw.get("others"), dict):
            tasks["others"] = {name: _with_training(task, shared) for name, task in others.items()}
        return raw | tasks

    @field_validator("transfer_from")
    @classmethod
    def _known_language(cls, value: str | None) -> str | None:
        return None if value is None else find_language(value).code

    @model_validator(mode="after")
    def _tasks_have_data(self) -> "Eval":
        for name in self.others:
            if not TASK_NAME.fullmatch(name) or name in ("mlm", *TASKS):
                raise ValueError(f"others: {name!r} is not a valid task name; use lower-case letters, digits and _")
        for name in self.tasks or []:
            if name in ("mlm", *self.with_data):
                continue
            if name in TASKS:
                raise ValueError(f"task {name} has no data: add eval.{name} with train, validation and test files")
            near = nearest(name, self.configured)
            hint = f"did you mean {near}?" if near else f"known: {', '.join(self.configured)}"
            raise ValueError(f"tasks: the recipe has no task {name!r}; {hint}")
        if len(set(self.seeds)) < len(self.seeds):
            twice = next(seed for seed in self.seeds if self.seeds.count(seed) > 1)
            raise ValueError(f"seeds: {twice} is listed twice")
        return self

    @model_validator(mode="after")
    def _transfer_fits(self) -> "Eval":
        if self.transfer_adapter is not None and self.transfer_from is None:
            raise ValueError("transfer_adapter needs transfer_from, the language of the adapter")
        if self.transfer_adapter is not None and "://" in self.transfer_adapter:
            raise ValueError("transfer_adapter: expected a folder on this machine")
        chosen = {name: task for name, task in self.with_data.items() if name in (self.tasks or self.configured)}
        for name, task in chosen.items() if self.transfer_from is None else ():
            if task.file is None and task.lacking:
                raise ValueError(
                    f"{name}: {' and '.join(task.lacking)} missing; to use its transfer files, set their language in "
                    "every command: --set eval.transfer_from=LANGUAGE"
                )
        if self.transfer_from and (whole := [name for name, task in chosen.items() if task.file]):
            raise ValueError(f"transfer_from: {', '.join(whole)} has one file for all splits; give three files")
        return self


def _valid_training(raw: dict[str, Any]) -> dict[str, Any]:
    """The valid fields of eval.training: a mistake in another is reported once, where the user made it."""
    try:
        TaskTraining.model_validate(raw)
    except ValidationError as error:
        wrong = {detail["loc"][0] for detail in error.errors()}
        return {name: value for name, value in raw.items() if name not in wrong}
    return raw


def _with_training(task: Any, shared: dict[str, Any]) -> Any:
    """The raw task with `shared` fields of training below its own; unchanged if it has none of its own."""
    own = task.get("training") if isinstance(task, dict) else None
    return {**task, "training": shared | own} if isinstance(own, dict) else task
