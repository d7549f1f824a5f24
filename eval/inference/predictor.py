"""A task model that labels texts of any length: classes or a score of each, or entities or words where they stand."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, NotRequired, TypedDict, cast

import torch
from safetensors import SafetensorError
from torch import Tensor

from ...training.adapters.bottleneck.layer import Stack
from ...training.families import family_of
from ...training.precision import use_device
from ...training.task_adapter import load_head, load_task
from ...training.task_model import TaskModel
from ...training.tokens import special_tokens
from ...training.vocabulary.files import tokenizer_of
from ...workspace.errors import UserError, shown
from ...workspace.library_logs import quiet_libraries
from ...workspace.text import Aligned, align
from ...workspace.words import TSHEG
from ..kinds import DIGITS, THRESHOLD, are_iob2
from ..metrics import entities
from ..segmentation import Unit, label_units, window_of, window_starts
from .find_adapters import TaskAdapter
from .forward import Inputs, outputs_of

TEXTS_AT_ONCE = 256  # read ahead, so that windows of similar length share a batch
MARGIN_FRACTION = 8  # 1/8 of a window at either end is labelled in the neighbouring window, which sees more context


class ClassPrediction(TypedDict):
    """The class of a text; None, without probabilities, if the text is blank or the tokenizer keeps nothing of it."""

    text: str
    text_pair: NotRequired[str]
    label: str | None
    probability: float | None
    probabilities: dict[str, float]


class LabelsPrediction(TypedDict):
    """The labels of a text, whose probability is at least `THRESHOLD`; none if the text is blank."""

    text: str
    text_pair: NotRequired[str]
    labels: list[str]
    probabilities: dict[str, float]


class ScorePrediction(TypedDict):
    """The score of a text; None if it is blank."""

    text: str
    text_pair: NotRequired[str]
    score: float | None


class Entity(TypedDict):
    """An entity, which is `text[start:end]` of its text; its probability is the mean over its words."""

    text: str
    type: str
    start: int
    end: int
    probability: float


class EntityPrediction(TypedDict):
    """The entities of a text."""

    text: str
    entities: list[Entity]


class WordLabel(TypedDict):
    """A labelled word, which is `text[start:end]` of its text."""

    text: str
    label: str
    start: int
    end: int
    probability: float


class WordPrediction(TypedDict):
    """The words of a text with their tags, for tags that are not IOB tags."""

    text: str
    words: list[WordLabel]


TextPrediction = ClassPrediction | LabelsPrediction | ScorePrediction
Prediction = TextPrediction | EntityPrediction | WordPrediction
TextOrPair = str | tuple[str, str]


@dataclass(frozen=True)
class _Reading:
    """Texts as a model reads them, and how its outputs for them become predictions."""

    inputs: Inputs
    describe: Callable[[Sequence[Tensor]], list[Any]]


@dataclass(frozen=True)
class Predictor:
    """A task model with its tokenizer."""

    model: TaskModel
    tokenizer: Any
    labels: list[str]
    window: int
    """Most tokens of a text in one forward pass, special tokens not counted."""
    special_ids: tuple[list[int], list[int]]
    """Ids of the special tokens before and after a text."""

    def predict(self, texts: Iterable[TextOrPair], counts: Counter[str] | None = None) -> Iterator[Prediction]:
        """For each text or pair, in order, its class, labels or score, its entities, or its words with other tags.

        The model reads texts in the form that it was trained on (`workspace.text`; what that changed is added to
        `counts`), but "text" is as it was given, and start and end count its characters. A text longer than the model
        takes is read in windows: classes and scores are the mean of the windows by length, a word is labelled in the
        window that has it furthest from its ends. Of a pair the longer text is truncated instead. Raises UserError
        for a pair where the task has single texts, and the other way round.
        """
        remaining = iter(texts)
        while chunk := list(islice(remaining, TEXTS_AT_ONCE)):
            yield from predict_together([(self, chunk)], counts)[0]

    def read(self, texts: Sequence[TextOrPair], counts: Counter[str] | None) -> _Reading:
        """The inputs for a forward pass, and the way from its outputs to the predictions; see `predict`."""
        if self.model.pairs:
            return self._read_pairs([as_pair(text) for text in texts], counts)
        single = [as_text(text) for text in texts]
        read = self._read_words if self.model.per_token else self._read_texts
        return read([align(text, counts) for text in single], single)

    def _read_texts(self, aligned: Sequence[Aligned], texts: Sequence[str]) -> _Reading:
        token_ids = self.tokenizer([one.text for one in aligned], add_special_tokens=False, verbose=False)["input_ids"]

        def describe(outputs: Sequence[Tensor]) -> list[TextPrediction]:
            predictions = []
            for text, ids, windows in zip(texts, token_ids, self._by_text(outputs, token_ids, 0), strict=True):
                mean = None
                if ids:
                    lengths = torch.tensor([len(ids[start : start + self.window]) for start in self._starts(ids, 0)])
                    mean = (torch.stack(windows) * lengths[:, None]).sum(0) / lengths.sum()
                predictions.append(self._described({"text": text}, mean))
            return predictions

        return _Reading(self._windows(token_ids, 0), describe)

    def _read_pairs(self, pairs: Sequence[tuple[str, str]], counts: Counter[str] | None) -> _Reading:
        cleaned = [[align(text, counts).text for text in pair] for pair in pairs]
        longest = self.window + sum(map(len, self.special_ids))
        encoded = self.tokenizer(
            *map(list, zip(*cleaned, strict=True)), truncation=True, max_length=longest, return_token_type_ids=True
        )

        def describe(outputs: Sequence[Tensor]) -> list[TextPrediction]:
            return [
                self._described({"text": text, "text_pair": pair}, output if all(map(str.strip, parts)) else None)
                for (text, pair), parts, output in zip(pairs, cleaned, outputs, strict=True)
            ]

        return _Reading(Inputs(self.model, encoded["input_ids"], encoded["token_type_ids"]), describe)

    def _read_words(self, aligned: Sequence[Aligned], texts: Sequence[str]) -> _Reading:
        units_of_texts = [label_units(one.text, self.tokenizer) for one in aligned]
        token_ids = [ids for ids, _ in units_of_texts]
        margin = self.window // MARGIN_FRACTION

        def describe(outputs: Sequence[Tensor]) -> list[Prediction]:
            windows_of_texts = self._by_text(outputs, token_ids, margin)
            parts = zip(texts, aligned, units_of_texts, windows_of_texts, strict=True)
            return [self._label_words(text, one, *units, windows, margin) for text, one, units, windows in parts]

        return _Reading(self._windows(token_ids, margin), describe)

    def _described(self, texts: dict[str, str], outputs: Tensor | None) -> TextPrediction:
        """The prediction from a text's probabilities or score, (outputs,); None for a blank text."""
        rounded = [] if outputs is None else [round(output, DIGITS) for output in outputs.tolist()]
        prediction: dict[str, Any] = dict(texts)
        if self.model.problem_type == "regression":
            prediction["score"] = rounded[0] if rounded else None
            return cast(ScorePrediction, prediction)
        probabilities = dict(zip(self.labels, rounded, strict=bool(rounded)))
        if self.model.problem_type == "multi_label_classification":
            given = [] if outputs is None else (outputs >= THRESHOLD).tolist()
            prediction["labels"] = [
                label for label, is_given in zip(self.labels, given, strict=bool(given)) if is_given
            ]
            return cast(LabelsPrediction, prediction | {"probabilities": probabilities})
        best = None if outputs is None else int(outputs.argmax())
        prediction["label"] = None if best is None else self.labels[best]
        prediction["probability"] = None if best is None else rounded[best]
        return cast(ClassPrediction, prediction | {"probabilities": probabilities})

    def _label_words(
        self,
        text: str,
        aligned: Aligned,
        ids: Sequence[int],
        units: Sequence[Unit],
        windows: Sequence[Tensor],
        margin: int,
    ) -> Prediction:
        """The entities of a text, or its words with other tags, from the probabilities of its windows' tokens."""
        starts = self._starts(ids, margin)
        probabilities = [self._at(unit, windows, starts, margin) for unit in units]
        tags = [self.labels[int(row.argmax())] for row in probabilities]
        confidences = [float(row.max()) for row in probabilities]
        if are_iob2(self.labels):
            spans = _entities(aligned.text, units, tags, confidences)
            return EntityPrediction(text=text, entities=[_entity(text, aligned, span) for span in spans])
        spans = [
            _Span(unit.start, unit.end, tag, confidence)
            for unit, tag, confidence in zip(units, tags, confidences, strict=True)
        ]
        return WordPrediction(text=text, words=[_word(text, aligned, span) for span in spans])

    def _at(self, unit: Unit, windows: Sequence[Tensor], starts: Sequence[int], margin: int) -> Tensor:
        """The probabilities, (classes,), of a unit in the window that has it furthest from its ends."""
        window = window_of(unit.token, starts, margin)
        return windows[window][len(self.special_ids[0]) + unit.token - starts[window]]

    def _starts(self, ids: Sequence[int], margin: int) -> list[int]:
        return window_starts(len(ids), self.window, margin)

    def _windows(self, token_ids: Sequence[list[int]], margin: int) -> Inputs:
        """All windows of all texts, in order."""
        before, after = self.special_ids
        windows = [
            [*before, *ids[start : start + self.window], *after]
            for ids in token_ids
            for start in self._starts(ids, margin)
        ]
        return Inputs(self.model, windows)

    def _by_text(self, outputs: Iterable[Tensor], token_ids: Sequence[list[int]], margin: int) -> list[list[Tensor]]:
        """The outputs for `_windows`, those of each text together."""
        remaining = iter(outputs)
        return [[next(remaining) for _ in self._starts(ids, margin)] for ids in token_ids]


def predict_together(
    questions: Sequence[tuple[Predictor, Sequence[TextOrPair]]], counts: Counter[str] | None = None
) -> list[list[Prediction]]:
    """What each predictor says of its texts; see `Predictor.predict`. Several must share one encoder and tokenizer."""
    readings = [predictor.read(texts, counts) for predictor, texts in questions]
    pad_token_id = questions[0][0].tokenizer.pad_token_id
    outputs = outputs_of([reading.inputs for reading in readings], pad_token_id)
    return [reading.describe(of_reading) for reading, of_reading in zip(readings, outputs, strict=True)]


def as_pair(text: TextOrPair) -> tuple[str, str]:
    """A pair of texts, which may be one string with a tab between them. Raises UserError for other texts."""
    if not isinstance(text, str | tuple | list):
        raise UserError(f"expected two texts with a tab between them, or a tuple of two, got {shown(text)}")
    parts = tuple(text.split("\t")) if isinstance(text, str) else tuple(text)
    if len(parts) == 1 and not parts[0].strip():
        return "", ""
    if len(parts) != 2:
        raise UserError(f"expected two texts with a tab between them, as the task has pairs of texts: {text!r}")
    return parts


def as_text(text: TextOrPair) -> str:
    """A single text. Raises UserError for a pair."""
    if not isinstance(text, str | tuple | list):
        raise UserError(f"expected a text, got {shown(text)}")
    if not isinstance(text, str):
        raise UserError(f"expected one text, as the task has single texts, not a pair: {text!r}")
    return text


@quiet_libraries()
def load_predictor(adapter: TaskAdapter) -> Predictor:
    """The model of a task adapter, its base and its language adapter, ready on the GPU if there is one.

    Raises UserError where one of them is missing, or they do not fit each other.
    """
    return predictor_on(*adapter.base.load(), adapter)


@quiet_libraries()
def predictor_on(base: Any, tokenizer: Any, adapter: TaskAdapter) -> Predictor:
    """The same on a base that is loaded already, with its tokenizer; the base is changed in place."""
    tokenizer = tokenizer_of(adapter.language_adapter, tokenizer)
    with _unfit_is_an_error(adapter):
        model, labels = load_task(base, adapter.language_adapter, adapter.folder)
    return _predictor(model, labels, tokenizer, adapter)


def predictor_beside(adapted: Any, stack: Stack, tokenizer: Any, adapter: TaskAdapter) -> Predictor:
    """The same where a model holds the adapters of several tasks, this one's as `stack`: only its head is loaded."""
    with _unfit_is_an_error(adapter):
        model, labels = load_head(adapted, adapter.folder)
    model.stack = stack
    return _predictor(model, labels, tokenizer, adapter)


def _predictor(model: TaskModel, labels: list[str], tokenizer: Any, adapter: TaskAdapter) -> Predictor:
    bare = model.adapted.get_base_model()
    positions = bare.config.max_position_embeddings - family_of(bare.config.model_type).first_position(bare.config)
    special_ids = special_tokens(tokenizer, ["a", "1"])
    window = min(adapter.max_length, positions) - sum(map(len, special_ids))
    return Predictor(model.to(use_device()), tokenizer, labels, window, special_ids)


@contextmanager
def _unfit_is_an_error(adapter: TaskAdapter) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError, KeyError, OSError, SafetensorError) as error:  # shapes, or files cut off or lost
        raise UserError(
            f"{adapter.folder} does not fit the base {adapter.base}: it was trained on another one, or one of its "
            "files is incomplete"
        ) from error


@dataclass(frozen=True)
class _Span:
    """Characters `start` to `end` of a text as the model reads it, with their label."""

    start: int
    end: int
    label: str
    probability: float


def _entities(text: str, units: Sequence[Unit], tags: Sequence[str], confidences: Sequence[float]) -> list[_Span]:
    """The entities that the tags stand for, in the order of the text."""
    spans = []
    for kind, first, last in sorted(entities(tags), key=lambda entity: entity[1]):
        start, end = units[first].start, units[last].end
        end -= len(text[start:end]) - len(text[start:end].rstrip(TSHEG))
        mean = sum(confidences[first : last + 1]) / (last + 1 - first)
        spans.append(_Span(start, end, kind, mean))
    return spans


def _entity(text: str, aligned: Aligned, span: _Span) -> Entity:
    start, end = aligned.original(span.start, span.end)
    probability = round(span.probability, DIGITS)
    return Entity(text=text[start:end], type=span.label, start=start, end=end, probability=probability)


def _word(text: str, aligned: Aligned, span: _Span) -> WordLabel:
    start, end = aligned.original(span.start, span.end)
    probability = round(span.probability, DIGITS)
    return WordLabel(text=text[start:end], label=span.label, start=start, end=end, probability=probability)
