"""A task model that labels texts of any length: classes or a score of each, or entities or words where they stand."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NotRequired, TypedDict, cast

import torch
from safetensors import SafetensorError
from torch import Tensor

from ...training.batches import collate
from ...training.families import family_of
from ...training.precision import use_device
from ...training.task_adapter import load_task
from ...training.task_model import ACTIVATIONS, TaskModel
from ...training.tokens import special_tokens
from ...training.vocabulary.files import tokenizer_of
from ...workspace.errors import UserError
from ...workspace.library_logs import quiet_libraries
from ...workspace.text import Aligned, align
from ...workspace.words import TSHEG
from ..kinds import DIGITS, THRESHOLD, are_iob2
from ..metrics import entities
from ..segmentation import Unit, label_units, window_of, window_starts
from .find_adapters import TaskAdapter

TEXTS_AT_ONCE = 256  # read ahead, so that windows of similar length share a batch
BATCH_SIZE = 32  # windows in one forward pass
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
            if self.model.pairs:
                yield from self._label_pairs([as_pair(text) for text in chunk], counts)
                continue
            single = [as_text(text) for text in chunk]
            describe = self._label_words if self.model.per_token else self._label_texts
            yield from describe([align(text, counts) for text in single], single)

    def _label_texts(self, aligned: Sequence[Aligned], texts: Sequence[str]) -> Iterator[Prediction]:
        token_ids = self.tokenizer([one.text for one in aligned], add_special_tokens=False, verbose=False)["input_ids"]
        windows_of_texts = self._outputs(token_ids, margin=0)
        for text, ids, windows in zip(texts, token_ids, windows_of_texts, strict=True):
            mean = None
            if ids:
                lengths = torch.tensor([len(ids[start : start + self.window]) for start in self._starts(ids, 0)])
                mean = (torch.stack(windows) * lengths[:, None]).sum(0) / lengths.sum()
            yield self._described({"text": text}, mean)

    def _label_pairs(self, pairs: Sequence[tuple[str, str]], counts: Counter[str] | None) -> Iterator[Prediction]:
        cleaned = [[align(text, counts).text for text in pair] for pair in pairs]
        longest = self.window + sum(map(len, self.special_ids))
        encoded = self.tokenizer(
            *map(list, zip(*cleaned, strict=True)), truncation=True, max_length=longest, return_token_type_ids=True
        )
        outputs = self._in_batches(encoded["input_ids"], encoded["token_type_ids"])
        for (text, pair), parts, output in zip(pairs, cleaned, outputs, strict=True):
            yield self._described({"text": text, "text_pair": pair}, output if all(map(str.strip, parts)) else None)

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

    def _label_words(self, aligned: Sequence[Aligned], texts: Sequence[str]) -> Iterator[Prediction]:
        units_of_texts = [label_units(one.text, self.tokenizer) for one in aligned]
        margin = self.window // MARGIN_FRACTION
        windows_of_texts = self._outputs([ids for ids, _ in units_of_texts], margin=margin)
        for text, one, (ids, units), windows in zip(texts, aligned, units_of_texts, windows_of_texts, strict=True):
            starts = self._starts(ids, margin)
            probabilities = [self._at(unit, windows, starts, margin) for unit in units]
            tags = [self.labels[int(row.argmax())] for row in probabilities]
            confidences = [float(row.max()) for row in probabilities]
            if are_iob2(self.labels):
                spans = _entities(one.text, units, tags, confidences)
                yield EntityPrediction(text=text, entities=[_entity(text, one, span) for span in spans])
            else:
                spans = [
                    _Span(unit.start, unit.end, tag, confidence)
                    for unit, tag, confidence in zip(units, tags, confidences, strict=True)
                ]
                yield WordPrediction(text=text, words=[_word(text, one, span) for span in spans])

    def _at(self, unit: Unit, windows: Sequence[Tensor], starts: Sequence[int], margin: int) -> Tensor:
        """The probabilities, (classes,), of a unit in the window that has it furthest from its ends."""
        window = window_of(unit.token, starts, margin)
        return windows[window][len(self.special_ids[0]) + unit.token - starts[window]]

    def _starts(self, ids: Sequence[int], margin: int) -> list[int]:
        return window_starts(len(ids), self.window, margin)

    def _outputs(self, token_ids: Sequence[list[int]], *, margin: int) -> list[list[Tensor]]:
        """For each text what the head gives for each of its windows: (outputs,), or (tokens, classes) per token."""
        before, after = self.special_ids
        windows = [(text, start) for text, ids in enumerate(token_ids) for start in self._starts(ids, margin)]
        inputs = [[*before, *token_ids[text][start : start + self.window], *after] for text, start in windows]
        of_texts: list[list[Tensor]] = [[] for _ in token_ids]
        for (text, _), output in zip(windows, self._in_batches(inputs), strict=True):
            of_texts[text].append(output)
        return of_texts

    def _in_batches(self, inputs: Sequence[list[int]], token_types: Sequence[list[int]] | None = None) -> list[Tensor]:
        """Probabilities or scores for each input."""
        shortest_first = sorted(range(len(inputs)), key=lambda number: len(inputs[number]))
        by_number: dict[int, Tensor] = {}
        for first in range(0, len(inputs), BATCH_SIZE):
            batch = shortest_first[first : first + BATCH_SIZE]
            types = None if token_types is None else [token_types[number] for number in batch]
            by_number.update(zip(batch, self._forward([inputs[number] for number in batch], types), strict=True))
        return [by_number[number] for number in range(len(inputs))]

    @torch.no_grad()
    def _forward(self, inputs: Sequence[list[int]], token_types: Sequence[list[int]] | None) -> Tensor:
        """Probabilities or scores (batch, outputs), or (batch, seq, classes) per token."""
        batch = collate(inputs, self.tokenizer.pad_token_id)
        if token_types is not None and self.model.layout.token_types:
            batch["token_type_ids"] = collate(token_types, 0)["input_ids"]
        device = next(self.model.parameters()).device
        logits = self.model.logits(**{name: column.to(device) for name, column in batch.items()})
        return ACTIVATIONS[self.model.problem_type](logits.float()).cpu()


def as_pair(text: TextOrPair) -> tuple[str, str]:
    """A pair of texts, which may be one string with a tab between them. Raises UserError for other texts."""
    parts = tuple(text.split("\t")) if isinstance(text, str) else tuple(text)
    if len(parts) == 1 and not parts[0].strip():
        return "", ""
    if len(parts) != 2:
        raise UserError(f"expected two texts with a tab between them, as the task has pairs of texts: {text!r}")
    return parts


def as_text(text: TextOrPair) -> str:
    """A single text. Raises UserError for a pair."""
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
    positions = base.config.max_position_embeddings - family_of(base.config.model_type).first_position(base.config)
    try:
        model, labels = load_task(base, adapter.language_adapter, adapter.folder)
    except (RuntimeError, ValueError, KeyError, OSError, SafetensorError) as error:  # shapes, or files cut off or lost
        raise UserError(
            f"{adapter.folder} does not fit the base {adapter.base}: it was trained on another one, or one of its "
            "files is incomplete"
        ) from error
    special_ids = special_tokens(tokenizer, ["a", "1"])
    window = min(adapter.max_length, positions) - sum(map(len, special_ids))
    return Predictor(model.to(use_device()), tokenizer, labels, window, special_ids)


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
