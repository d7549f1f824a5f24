"""The answers to requests: what is checked of them, which adapters they mean, and what the models say."""

from collections.abc import Sequence
from typing import Any

from ..eval.inference.choose_adapters import NONE
from ..eval.inference.fill_mask import MaskPrediction
from ..eval.inference.texts import MASK, require_masks
from ..eval.measurements import NO_TRAINED_HEAD
from ..eval.report.runs import language_name
from ..recipes.languages import language_code
from ..workspace.errors import UserError, nearest
from ..workspace.progress import Progress
from ..workspace.text import clean_line
from .catalogue import Catalogue, TaskEntry
from .limits import MAX_MASKS, ServerLimits
from .messages import AdapterDescription, AdaptersAnswer, FillMaskRequest, Health, PredictRequest
from .model_pool import Labelling, MaskFilling, ModelPool
from .scheduler import Scheduler
from .shared_base import SharedBase


class Service:
    """Answers requests with the adapters of a catalogue.

    Adapters are looked up by their names in the catalogue: nothing in a request is ever used as a path.
    """

    def __init__(self, catalogue: Catalogue, base: SharedBase, limits: ServerLimits, progress: Progress) -> None:
        self._catalogue = catalogue
        self._limits = limits
        self._pool = ModelPool(catalogue, base, limits.max_loaded, progress)
        self.scheduler = Scheduler(
            self._pool.answer, self._pool.batch_of, max_waiting=limits.max_waiting, timeout=limits.timeout
        )

    async def predict(self, request: PredictRequest) -> dict[str, Any]:
        """A `PredictAnswer`. Raises UserError for a request that cannot be answered, and what `submit` raises."""
        self._check_texts(request.texts)
        entry = self._task_entry(request)
        (predictions,) = await self.scheduler.submit([Labelling(entry.name)], request.texts)
        return {"adapter": entry.name, "predictions": predictions}

    async def fill_mask(self, request: FillMaskRequest) -> list[MaskPrediction]:
        """For each distinct text, mask and adapter its candidates. Raises as `predict` does."""
        self._check_texts(request.texts)
        texts = list(dict.fromkeys(request.texts))
        require_masks(texts)
        names = self._mask_fillers(request.adapters)
        # counted in the form that the models read, in which more masks may appear
        masks = len(names) * sum(len(MASK.findall(clean_line(text))) for text in texts)
        if masks > MAX_MASKS:
            raise UserError(f"{masks} masks to fill, counted for each adapter; at most {MAX_MASKS} per request")
        answers = await self.scheduler.submit([MaskFilling(name, request.top) for name in names], texts)
        return [
            prediction
            for of_text in zip(*answers, strict=True)
            for of_mask in zip(*of_text, strict=True)
            for prediction in of_mask
        ]

    def adapters(self) -> AdaptersAnswer:
        """The adapters that requests may name."""
        loaded = set(self._pool.loaded)
        adapters = [
            AdapterDescription(
                name=entry.name,
                kind="task" if isinstance(entry, TaskEntry) else "language",
                language=entry.language,
                language_name=language_name(entry.language) if entry.language else None,
                task=entry.task if isinstance(entry, TaskEntry) else None,
                system=entry.system,
                seed=entry.seed,
                loaded=(Labelling if isinstance(entry, TaskEntry) else MaskFilling, entry.name) in loaded,
            )
            for entry in (*self._catalogue.languages.values(), *self._catalogue.tasks.values())
        ]
        fills_masks = self._pool.has_trained_head
        return AdaptersAnswer(base=self._catalogue.base_name, base_fills_masks=fills_masks, adapters=adapters)

    def health(self) -> Health:
        """The state of the queue and of the memory."""
        return Health(waiting=self.scheduler.waiting, loaded=len(self._pool.loaded))

    def _check_texts(self, texts: Sequence[str]) -> None:
        limits = self._limits
        if len(texts) > limits.max_texts:
            raise UserError(f"texts: {len(texts)} texts; at most {limits.max_texts} per request")
        for number, text in enumerate(texts):
            if len(text) > limits.max_characters:
                raise UserError(f"texts.{number}: {len(text):,} characters; at most {limits.max_characters:,}")
            if not _is_unicode(text):
                raise UserError(f"texts.{number}: half of a surrogate pair, which is not a character")

    def _task_entry(self, request: PredictRequest) -> TaskEntry:
        tasks = self._catalogue.tasks
        if (request.adapter is None) == (request.task is None):
            raise UserError("name either an adapter or a task")
        if request.adapter is not None:
            if request.language is not None:
                raise UserError("language: goes with task, not with adapter")
            _require_known(request.adapter, tasks, "task adapter")
            return tasks[request.adapter]
        code = None if request.language is None else language_code(request.language)
        for entry in tasks.values():  # the newest first
            if entry.task == request.task and code in (None, entry.language):
                return entry
        where = f" in {code}" if code else ""
        others = ", ".join(sorted({entry.task for entry in tasks.values() if entry.task})) or "none"
        raise UserError(f"no task adapter for {request.task!r}{where}; tasks: {others}")

    def _mask_fillers(self, names: Sequence[str] | None) -> list[str]:
        """Distinct names of language adapters, and none for the base."""
        languages = self._catalogue.languages
        if names is None:
            names = [NONE] if self._pool.has_trained_head else []
            names = [*names, *list(languages)[:1]]
        for name in names:
            if name != NONE:
                _require_known(name, languages, "language adapter")
        if not names or (NONE in names and not self._pool.has_trained_head):
            raise UserError(f"{NO_TRAINED_HEAD} to fill masks with: name a language adapter")
        return list(dict.fromkeys(names))


def _is_unicode(text: str) -> bool:
    r"""Whether the text has no half of a surrogate pair, which JSON can write (\ud800) and no tokenizer reads."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _require_known(name: str, known: dict[str, Any], kind: str) -> None:
    if name not in known:
        similar = nearest(name, known)
        hint = f"did you mean {similar}?" if similar else "/adapters lists them"
        raise UserError(f"no {kind} called {name!r}; {hint}")
