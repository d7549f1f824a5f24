"""Models with adapters on one shared base, or fully fine-tuned; loaded when first used, the least recent is dropped."""

import time
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..eval.inference.choose_adapters import NONE
from ..eval.inference.fill_mask import MaskPrediction
from ..eval.inference.mask_models import MaskModel, mask_model_on
from ..eval.inference.predictor import Predictor, predict_together, predictor_on
from ..eval.inference.texts import MASK
from ..training.adapters.bottleneck.layer import Stack
from ..workspace.errors import UserError
from ..workspace.library_logs import quiet_libraries
from ..workspace.progress import QUIET, Progress
from .catalogue import Catalogue, Entry, TaskEntry
from .shared_base import SharedBase
from .side_by_side import SideBySide, fits_beside


@dataclass(frozen=True)
class Labelling:
    """What is asked of texts: their labels by a task adapter."""

    adapter: str


@dataclass(frozen=True)
class MaskFilling:
    """What is asked of texts: candidates for their masks by a language adapter, or by the base (none)."""

    adapter: str
    top: int


Question = Labelling | MaskFilling
Key = tuple[type[Question], str]


class UnavailableError(Exception):
    """An adapter cannot be loaded."""


class ModelPool:
    """At most `max_loaded` models, besides the base. To be used by one thread at a time.

    Questions to bottleneck adapters on the base share a batch; other models answer one question at a time.
    """

    def __init__(self, catalogue: Catalogue, base: SharedBase, max_loaded: int, progress: Progress = QUIET) -> None:
        self._catalogue = catalogue
        self._base = base
        self._max_loaded = max_loaded
        self._progress = progress
        self._models: OrderedDict[Key, Predictor | MaskModel | Stack] = OrderedDict()
        self._base_alone = mask_model_on(base.copy(), base.tokenizer, NONE, None)
        self._side_by_side = {Labelling: SideBySide(base), MaskFilling: SideBySide(base)}
        self._shares_batches: dict[Key, bool] = {}

    @property
    def has_trained_head(self) -> bool:
        """Whether the base alone can fill masks."""
        return not self._base.model.has_new_head

    @property
    def loaded(self) -> list[tuple[type[Question], str]]:
        """The models in memory, by question and adapter, the least recently used first."""
        return list(self._models)

    def batch_of(self, question: Question) -> Hashable:
        """Questions with equal values of this can be answered together."""
        return type(question) if self._is_side_by_side(question) else question

    def answer(self, questions: Sequence[tuple[Question, Sequence[str]]]) -> list[list[Any]]:
        """For each question, for each of its texts, its prediction, or the list of `MaskPrediction` of its masks.

        `batch_of` has to be the same for all. Raises UnavailableError if an adapter cannot be loaded, and UserError for
        texts that it does not take.
        """
        answers: list[list[Any]] = []
        for group in self._groups(questions):
            for question, _ in group:
                self._load_once(question)
            answers += self._label(group) if isinstance(group[0][0], Labelling) else self._fill(group)
        return answers

    def _groups(self, questions: Sequence[tuple[Question, Sequence[str]]]) -> Iterator[list[tuple[Any, Sequence[str]]]]:
        """The questions in order, divided so that the adapters of each group can be loaded at the same time."""
        group: list[tuple[Any, Sequence[str]]] = []
        for question, texts in questions:
            if len({question.adapter, *(other.adapter for other, _ in group)}) > self._max_loaded:
                yield group
                group = []
            group.append((question, texts))
        yield group

    def _label(self, group: Sequence[tuple[Labelling, Sequence[str]]]) -> list[list[Any]]:
        predictors: list[Any] = [self._models[_key(question)] for question, _ in group]
        return predict_together([(one, texts) for one, (_, texts) in zip(predictors, group, strict=True)])

    def _fill(self, group: Sequence[tuple[MaskFilling, Sequence[str]]]) -> list[list[Any]]:
        """All adapters' masks in one batch; the fewer candidates of some are the first of the others'."""
        model = self._mask_model(group)
        rows = [(text, question.adapter) for question, texts in group for text in texts]
        filled = iter(model.fill_each(rows, MASK, max(question.top for question, _ in group), QUIET))
        return [
            [
                [
                    MaskPrediction(text, question.adapter, number, candidates[: question.top])
                    for number, candidates in enumerate(next(filled), 1)
                ]
                for text in texts
            ]
            for question, texts in group
        ]

    def _mask_model(self, group: Sequence[tuple[MaskFilling, Sequence[str]]]) -> MaskModel:
        """The model that holds all the adapters of the questions."""
        adapters: list[Any] = [self._models[_key(question)] for question, _ in group if question.adapter != NONE]
        if not adapters:
            return self._base_alone
        return adapters[0] if isinstance(adapters[0], MaskModel) else self._side_by_side[MaskFilling].mask_model

    def _is_side_by_side(self, question: Question) -> bool:
        key = _key(question)
        if key not in self._shares_batches:
            try:
                self._shares_batches[key] = question.adapter == NONE or (
                    self._is_on_base(self._entry(question)) and fits_beside(self._folders(question))
                )
            except (UserError, OSError):  # reported when it is loaded
                return False
        return self._shares_batches[key]

    def _load_once(self, question: Question) -> None:
        """Load the model of the question, if it is not in memory, and mark it as the most recently used."""
        if question.adapter == NONE:
            return
        key = _key(question)
        if key not in self._models:
            while len(self._models) >= self._max_loaded:
                self._drop(*self._models.popitem(last=False))
            started = time.perf_counter()
            try:
                self._models[key] = self._load(question)
            except (UserError, OSError, ValueError, RuntimeError) as error:
                self._progress.say(f"cannot load {question.adapter}: {error}")
                raise UnavailableError(question.adapter) from error
            self._progress.say(f"loaded {question.adapter} in {time.perf_counter() - started:.1f} s")
        self._models.move_to_end(key)

    def _drop(self, key: Key, model: Predictor | MaskModel | Stack) -> None:
        stack = model.model.stack if isinstance(model, Predictor) else model
        if isinstance(stack, tuple):
            self._side_by_side[key[0]].remove(stack)

    @quiet_libraries()
    def _load(self, question: Question) -> Predictor | MaskModel | Stack:
        """A model of its own, or the names of a language adapter's parts in the model for all."""
        entry = self._entry(question)
        beside = self._side_by_side[type(question)] if self._is_side_by_side(question) else None
        if isinstance(entry, TaskEntry):
            if beside:
                return beside.add_task(entry.adapter)
            return predictor_on(*self._base_of(entry, entry.adapter.language_adapter), entry.adapter)
        if beside:
            return beside.add_language(entry.name, entry.folder)
        adapter = None if entry.is_full else entry.folder
        return mask_model_on(*self._base_of(entry, adapter), question.adapter, adapter)

    def _entry(self, question: Question) -> Entry:
        entries = self._catalogue.tasks if isinstance(question, Labelling) else self._catalogue.languages
        return entries[question.adapter]

    def _folders(self, question: Question) -> list[Path]:
        """The adapters that the question needs on the base."""
        entry = self._entry(question)
        if not isinstance(entry, TaskEntry):
            return [entry.folder]
        below = entry.adapter.language_adapter
        return [entry.adapter.folder] if below is None else [below, entry.adapter.folder]

    def _is_on_base(self, entry: Entry) -> bool:
        return not entry.is_full and entry.base.is_same_as(self._catalogue.base)

    def _base_of(self, entry: Entry, adapter: Path | None) -> tuple[Any, Any]:
        """A base for an entry's adapters, and its tokenizer: shared, or a fully fine-tuned model of its own."""
        if entry.base.is_same_as(self._catalogue.base):
            return self._base.copy(adapter), self._base.tokenizer
        model, tokenizer = entry.base.load()
        return model.requires_grad_(False), tokenizer


def _key(question: Question) -> Key:
    return type(question), question.adapter
