"""Models with adapters on one shared base, or fully fine-tuned; loaded when first used, the least recent is dropped."""

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..eval.inference.choose_adapters import NONE
from ..eval.inference.fill_mask import MaskPrediction
from ..eval.inference.mask_models import MaskModel, mask_model_on
from ..eval.inference.predictor import Predictor, predictor_on
from ..eval.inference.texts import MASK
from ..workspace.errors import UserError
from ..workspace.library_logs import quiet_libraries
from ..workspace.progress import QUIET, Progress
from .catalogue import Catalogue, Entry
from .shared_base import SharedBase


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


class UnavailableError(Exception):
    """An adapter cannot be loaded."""


class ModelPool:
    """At most `max_loaded` models, besides the base. To be used by one thread at a time."""

    def __init__(self, catalogue: Catalogue, base: SharedBase, max_loaded: int, progress: Progress = QUIET) -> None:
        self._catalogue = catalogue
        self._base = base
        self._max_loaded = max_loaded
        self._progress = progress
        self._models: OrderedDict[tuple[type[Question], str], Predictor | MaskModel] = OrderedDict()
        self._base_alone = mask_model_on(base.copy(), base.tokenizer, NONE, None)

    @property
    def has_trained_head(self) -> bool:
        """Whether the base alone can fill masks."""
        return not self._base.model.has_new_head

    @property
    def loaded(self) -> list[tuple[type[Question], str]]:
        """The models in memory, by question and adapter, the least recently used first."""
        return list(self._models)

    def answer(self, question: Question, texts: Sequence[str]) -> list[Any]:
        """For each text its prediction, or the list of `MaskPrediction` of its masks.

        Raises UnavailableError if the adapter cannot be loaded, and UserError for texts that it does not take.
        """
        model = self._model(question)
        if isinstance(model, Predictor):
            return list(model.predict(texts))
        assert isinstance(question, MaskFilling)
        by_text: dict[str, list[MaskPrediction]] = {text: [] for text in texts}
        for text, number, adapter, candidates in model.fill(list(by_text), MASK, question.top, QUIET):
            by_text[text].append(MaskPrediction(text, adapter, number, candidates))
        return [by_text[text] for text in texts]

    def _model(self, question: Question) -> Predictor | MaskModel:
        if question.adapter == NONE:
            return self._base_alone
        key = (type(question), question.adapter)
        if key not in self._models:
            while len(self._models) >= self._max_loaded:
                self._models.popitem(last=False)
            started = time.perf_counter()
            try:
                self._models[key] = self._load(question)
            except (UserError, OSError, ValueError, RuntimeError) as error:
                self._progress.say(f"cannot load {question.adapter}: {error}")
                raise UnavailableError(question.adapter) from error
            self._progress.say(f"loaded {question.adapter} in {time.perf_counter() - started:.1f} s")
        self._models.move_to_end(key)
        return self._models[key]

    @quiet_libraries()
    def _load(self, question: Question) -> Predictor | MaskModel:
        if isinstance(question, Labelling):
            task = self._catalogue.tasks[question.adapter]
            return predictor_on(*self._base_of(task, task.adapter.language_adapter), task.adapter)
        entry = self._catalogue.languages[question.adapter]
        adapter = None if entry.is_full else entry.folder
        return mask_model_on(*self._base_of(entry, adapter), question.adapter, adapter)

    def _base_of(self, entry: Entry, adapter: Path | None) -> tuple[Any, Any]:
        """A base for an entry's adapters, and its tokenizer: shared, or a fully fine-tuned model of its own."""
        if entry.base.is_same_as(self._catalogue.base):
            return self._base.copy(adapter), self._base.tokenizer
        model, tokenizer = entry.base.load()
        return model.requires_grad_(False), tokenizer
