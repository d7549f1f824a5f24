"""Labels for new texts from a trained task adapter: a class for each text, or entities with their places in it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from ...training.batches import collate
from ...training.families import family_of
from ...training.precision import use_device
from ...training.task_adapter import TaskModel, load_task
from ...training.tokens import special_tokens
from ...workspace.errors import UserError
from ...workspace.text import Aligned, align
from ..metrics import entities
from ..segmentation import TSHEG, Unit, label_units, window_of, window_starts
from .find_adapters import TaskAdapter

AT_ONCE = 256  # texts read ahead
BATCH = 32  # windows in one forward
OVERLAP = 8  # a window's part, on either side, whose labels are taken from its neighbour: one in so many pieces
DIGITS = 6


@dataclass(frozen=True)
class Predictor:
    """A task model with its tokenizer."""

    model: TaskModel
    tokenizer: Any
    labels: list[str]
    room: int
    """Most pieces of a text in one window."""
    edges: tuple[list[int], list[int]]
    """Ids before and behind them."""

    def predict(self, texts: Iterable[str], counts: Counter[str] | None = None) -> Iterator[dict[str, Any]]:
        """For each text, in order, its class, its entities, or for tags that are no IOB tags its words.

        - {"text", "label", "probability", "probabilities": {label: probability}}; a text that is blank, or of which the
          tokenizer keeps nothing, has label None;
        - {"text", "entities": [{"text", "type", "start", "end", "probability"}]};
        - {"text", "words": [{"text", "label", "start", "end", "probability"}]}.

        The model reads texts in the form that it was trained on (`workspace.text`; what that changed is added to
        `counts`), but "text" is as it was given, and start and end count its characters: text[start:end] is the
        entity. Its probability is the mean over its words. A text longer than the model takes is read in windows:
        classes get the mean of them by length, words are labelled in the window in which they stand further inside.
        """
        describe = self._tagged if self.model.per_token else self._classified
        rest = iter(texts)
        while some := list(islice(rest, AT_ONCE)):
            yield from describe([align(text, counts) for text in some], some)

    def _classified(self, aligned: Sequence[Aligned], texts: Sequence[str]) -> Iterator[dict[str, Any]]:
        pieces = self.tokenizer([one.text for one in aligned], add_special_tokens=False, verbose=False)["input_ids"]
        for text, row, windows in zip(texts, pieces, self._windows(pieces, margin=0), strict=True):
            if not row:
                yield {"text": text, "label": None, "probability": None, "probabilities": {}}
                continue
            weights = torch.tensor([len(row[start : start + self.room]) or 1 for start in self._starts(row, 0)])
            mean = (torch.stack(windows) * weights[:, None]).sum(0) / weights.sum()
            shares = dict(zip(self.labels, (round(share, DIGITS) for share in mean.tolist()), strict=True))
            label = self.labels[int(mean.argmax())]
            yield {"text": text, "label": label, "probability": shares[label], "probabilities": shares}

    def _tagged(self, aligned: Sequence[Aligned], texts: Sequence[str]) -> Iterator[dict[str, Any]]:
        units = [label_units(one.text, self.tokenizer) for one in aligned]
        margin = self.room // OVERLAP
        found = self._windows([pieces for pieces, _ in units], margin=margin)
        for text, one, (pieces, some), windows in zip(texts, aligned, units, found, strict=True):
            starts = self._starts(pieces, margin)
            own = [window_of(unit.token, starts, margin) for unit in some]
            # behind the ids that stand before the pieces
            shares = [
                windows[window][len(self.edges[0]) + unit.token - starts[window]]
                for unit, window in zip(some, own, strict=True)
            ]
            tags = [self.labels[int(share.argmax())] for share in shares]
            sure = [float(share.max()) for share in shares]
            if _are_iob(self.labels):
                spans = _entities(one.text, some, tags, sure)
            else:
                spans = [(unit.start, unit.end, tag, share) for unit, tag, share in zip(some, tags, sure, strict=True)]
            key, kind = ("entities", "type") if _are_iob(self.labels) else ("words", "label")
            yield {"text": text, key: [_place(text, *one.original(*span[:2]), kind, *span[2:]) for span in spans]}

    def _starts(self, pieces: Sequence[int], margin: int) -> list[int]:
        return window_starts(len(pieces), self.room, margin)

    def _windows(self, rows: Sequence[list[int]], *, margin: int) -> list[list[Tensor]]:
        """For each row of pieces the probabilities in each of its windows: (classes,), or (tokens, classes)."""
        before, behind = self.edges
        cut = [(number, start) for number, row in enumerate(rows) for start in self._starts(row, margin)]
        ids = [[*before, *rows[number][start : start + self.room], *behind] for number, start in cut]
        found: dict[int, Tensor] = {}
        order = sorted(range(len(ids)), key=lambda window: len(ids[window]))
        for first in range(0, len(order), BATCH):
            batch = order[first : first + BATCH]
            found.update(zip(batch, self._probabilities([ids[window] for window in batch]), strict=True))
        result: list[list[Tensor]] = [[] for _ in rows]
        for window, (number, _) in enumerate(cut):
            result[number].append(found[window])
        return result

    @torch.no_grad()
    def _probabilities(self, ids: Sequence[list[int]]) -> Tensor:
        batch = collate(ids, self.tokenizer.pad_token_id)
        device = next(self.model.parameters()).device
        logits = self.model.logits(batch["input_ids"].to(device), batch["attention_mask"].to(device))
        return logits.float().softmax(-1).cpu()


def load_predictor(adapter: TaskAdapter) -> Predictor:
    """The model that a task adapter, its base and its language adapter make, ready on the GPU if there is one.

    Raises UserError where a part is not there, or they do not fit each other.
    """
    base, tokenizer = adapter.base.load()
    positions = base.config.max_position_embeddings - family_of(base.config.model_type).first_position(base.config)
    try:
        model, labels = load_task(base, adapter.language_adapter, adapter.folder)
    except (RuntimeError, ValueError, KeyError, OSError, SafetensorError) as error:  # shapes, or files cut off or lost
        raise UserError(
            f"{adapter.folder} cannot be put on base {adapter.base}: was it trained on another, or written in part?"
        ) from error
    edges = special_tokens(tokenizer, ["a", "1"])
    room = min(adapter.max_length, positions) - sum(map(len, edges))
    return Predictor(model.to(use_device()), tokenizer, labels, room, edges)


def _are_iob(labels: Sequence[str]) -> bool:
    return all(label == "O" or label.startswith(("B-", "I-")) for label in labels)


def _entities(
    text: str, units: Sequence[Unit], tags: Sequence[str], sure: Sequence[float]
) -> list[tuple[int, int, str, float]]:
    """Start and end in `text`, type and mean probability of each entity."""
    found = []
    for kind, first, last in sorted(entities(tags), key=lambda entity: entity[1]):
        start, end = units[first].start, units[last].end
        end -= len(text[start:end]) - len(text[start:end].rstrip(TSHEG))
        probability = sum(sure[first : last + 1]) / (last + 1 - first)
        found.append((start, end, kind, probability))
    return found


def _place(text: str, start: int, end: int, name: str, value: str, probability: float) -> dict[str, Any]:
    return {
        "text": text[start:end],
        name: value,
        "start": start,
        "end": end,
        "probability": round(probability, DIGITS),
    }
