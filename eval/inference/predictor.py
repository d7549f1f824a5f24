"""A task model that labels texts of any length: a class for each text, or entities or words with their positions."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypedDict

import torch
from safetensors import SafetensorError
from torch import Tensor

from ...training.batches import collate
from ...training.families import family_of
from ...training.precision import use_device
from ...training.task_adapter import TaskModel, load_task
from ...training.tokens import special_tokens
from ...workspace.errors import UserError
from ...workspace.library_logs import quiet_libraries
from ...workspace.text import Aligned, align
from ...workspace.words import TSHEG
from ..metrics import entities
from ..segmentation import Unit, label_units, window_of, window_starts
from .find_adapters import TaskAdapter

TEXTS_AT_ONCE = 256  # read ahead, so that windows of similar length share a batch
BATCH_SIZE = 32  # windows in one forward pass
MARGIN_FRACTION = 8  # 1/8 of a window at either end is labelled in the neighbouring window, which sees more context
DIGITS = 6


class ClassPrediction(TypedDict):
    """The class of a text; None, without probabilities, if the text is blank or the tokenizer keeps nothing of it."""

    text: str
    label: str | None
    probability: float | None
    probabilities: dict[str, float]


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


Prediction = ClassPrediction | EntityPrediction | WordPrediction


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

    def predict(self, texts: Iterable[str], counts: Counter[str] | None = None) -> Iterator[Prediction]:
        """For each text, in order, its class, its entities, or its words if the tags are not IOB tags.

        The model reads texts in the form that it was trained on (`workspace.text`; what that changed is added to
        `counts`), but "text" is as it was given, and start and end count its characters. A text longer than the model
        takes is read in windows: classes get the mean of the windows by length, a word is labelled in the window that
        has it furthest from its ends.
        """
        describe = self._label_words if self.model.per_token else self._classify
        remaining = iter(texts)
        while chunk := list(islice(remaining, TEXTS_AT_ONCE)):
            yield from describe([align(text, counts) for text in chunk], chunk)

    def _classify(self, aligned: Sequence[Aligned], texts: Sequence[str]) -> Iterator[Prediction]:
        token_ids = self.tokenizer([one.text for one in aligned], add_special_tokens=False, verbose=False)["input_ids"]
        windows_of_texts = self._probabilities(token_ids, margin=0)
        for text, ids, windows in zip(texts, token_ids, windows_of_texts, strict=True):
            if not ids:
                yield ClassPrediction(text=text, label=None, probability=None, probabilities={})
                continue
            lengths = torch.tensor([len(ids[start : start + self.window]) for start in self._starts(ids, 0)])
            mean = (torch.stack(windows) * lengths[:, None]).sum(0) / lengths.sum()
            rounded = [round(probability, DIGITS) for probability in mean.tolist()]
            best = int(mean.argmax())
            yield ClassPrediction(
                text=text,
                label=self.labels[best],
                probability=rounded[best],
                probabilities=dict(zip(self.labels, rounded, strict=True)),
            )

    def _label_words(self, aligned: Sequence[Aligned], texts: Sequence[str]) -> Iterator[Prediction]:
        units_of_texts = [label_units(one.text, self.tokenizer) for one in aligned]
        margin = self.window // MARGIN_FRACTION
        windows_of_texts = self._probabilities([ids for ids, _ in units_of_texts], margin=margin)
        for text, one, (ids, units), windows in zip(texts, aligned, units_of_texts, windows_of_texts, strict=True):
            starts = self._starts(ids, margin)
            probabilities = [self._at(unit, windows, starts, margin) for unit in units]
            tags = [self.labels[int(row.argmax())] for row in probabilities]
            confidences = [float(row.max()) for row in probabilities]
            if _are_iob(self.labels):
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

    def _probabilities(self, token_ids: Sequence[list[int]], *, margin: int) -> list[list[Tensor]]:
        """For each text the probabilities in each of its windows: (classes,), or (tokens, classes) per token."""
        before, after = self.special_ids
        windows = [(text, start) for text, ids in enumerate(token_ids) for start in self._starts(ids, margin)]
        inputs = [[*before, *token_ids[text][start : start + self.window], *after] for text, start in windows]
        shortest_first = sorted(range(len(inputs)), key=lambda window: len(inputs[window]))
        by_window: dict[int, Tensor] = {}
        for first in range(0, len(inputs), BATCH_SIZE):
            batch = shortest_first[first : first + BATCH_SIZE]
            by_window.update(zip(batch, self._forward([inputs[window] for window in batch]), strict=True))
        of_texts: list[list[Tensor]] = [[] for _ in token_ids]
        for window, (text, _) in enumerate(windows):
            of_texts[text].append(by_window[window])
        return of_texts

    @torch.no_grad()
    def _forward(self, inputs: Sequence[list[int]]) -> Tensor:
        """Probabilities (batch, classes), or (batch, seq, classes) per token."""
        batch = collate(inputs, self.tokenizer.pad_token_id)
        device = next(self.model.parameters()).device
        logits = self.model.logits(batch["input_ids"].to(device), batch["attention_mask"].to(device))
        return logits.float().softmax(-1).cpu()


@quiet_libraries()
def load_predictor(adapter: TaskAdapter) -> Predictor:
    """The model of a task adapter, its base and its language adapter, ready on the GPU if there is one.

    Raises UserError where one of them is missing, or they do not fit each other.
    """
    return predictor_on(*adapter.base.load(), adapter)


@quiet_libraries()
def predictor_on(base: Any, tokenizer: Any, adapter: TaskAdapter) -> Predictor:
    """The same on a base that is loaded already, with its tokenizer; the base is changed in place."""
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


def _are_iob(labels: Sequence[str]) -> bool:
    return all(label == "O" or label.startswith(("B-", "I-")) for label in labels)


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
