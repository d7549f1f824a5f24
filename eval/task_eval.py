"""A labelled task on one system: a task adapter and head trained with one seed, and what they answer to the test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from transformers import PreTrainedModel

from ..recipes.examples import CUT_OFF, Account, Item
from ..recipes.training import Precision, TaskTraining
from ..training.masking import IGNORE_INDEX
from ..training.task_adapter import Example, load_task, predict, save_task, train_task
from ..workspace.progress import QUIET, Progress
from .task_data import OUTSIDE, TaskData

FOLDER = "task-adapter"
UNREADABLE = "no tokens"


@dataclass(frozen=True)
class Learner:
    """What a task is learnt with; `load` gives a fresh base and its tokenizer each time.

    The task adapter is trained on the language adapter `trained_on`, and answers on `tested_on`: the same, or with
    zero-shot transfer (MAD-X, Pfeiffer et al. 2020) that of another language. None is the bare base.
    """

    load: Callable[[], tuple[PreTrainedModel, Any]]
    trained_on: Path | None
    tested_on: Path | None
    settings: TaskTraining
    precision: Precision
    seed: int


def answer(
    learner: Learner, data: TaskData, folder: Path, progress: Progress = QUIET, label: str = "task"
) -> list[dict[str, Any]]:
    """The rows of `predictions.jsonl`, in the order of the test items; the task adapter is saved into `folder`."""
    base, tokenizer = learner.load()
    settings = learner.settings
    encoded = {
        split: [encode(item, data.labels, tokenizer, settings.max_length, settings.label_pieces) for item in items]
        for split, items in data.splits.items()
    }
    for split, account in data.accounts.items():
        count_unread(data.splits[split], encoded[split], account)
    model = train_task(
        base,
        learner.trained_on,
        encoded["train"],
        encoded["validation"],
        len(data.labels),
        settings,
        precision=learner.precision,
        seed=learner.seed,
        progress=progress,
        label=label,
    )
    save_task(model, data.labels, folder / FOLDER)
    if learner.tested_on != learner.trained_on:
        device = next(model.parameters()).device
        model, _ = load_task(learner.load()[0], learner.tested_on, folder / FOLDER)
        model.to(device)
    found = predict(model, encoded["test"])
    rows = zip(data.splits["test"], encoded["test"], found, strict=True)
    if not data.tags:
        return [{"text": item.text, "gold": item.label, "guess": data.labels[best]} for item, _, best in rows]
    if settings.label_pieces == "all":
        return [_by_piece(example, best, data.labels, tokenizer) for _, example, best in rows]
    return [_by_word(item, example, best, data.labels) for item, example, best in rows]


def encode(
    item: Item, labels: Sequence[str], tokenizer: Any, max_length: int, pieces: Literal["first", "all"] = "first"
) -> Example:
    """Token ids and the label; for tags the first piece of each word (or each piece) carries the word's tag.

    Words are tokenised one by one, so text without spaces keeps its word boundaries.
    """
    if isinstance(item.label, str):
        encoded = tokenizer(item.text, truncation=True, max_length=max_length)
        return Example(encoded["input_ids"], labels.index(item.label), truncated=_is_cut(encoded))
    encoded = tokenizer(item.text, is_split_into_words=True, truncation=True, max_length=max_length)
    words = encoded.word_ids()
    asked = [
        word is not None and (pieces == "all" or word != before)
        for word, before in zip(words, [None, *words], strict=False)
    ]
    tags = [labels.index(item.label[word]) if ask else IGNORE_INDEX for word, ask in zip(words, asked, strict=True)]
    first = tuple(word for word, ask in zip(words, asked, strict=True) if ask)
    return Example(encoded["input_ids"], tags, first, _is_cut(encoded))


def count_unread(items: Sequence[Item], examples: Sequence[Example], account: Account) -> None:
    """Count the words of which the base reads nothing, and the texts and sentences that are too long for max_length."""
    for item, example in zip(items, examples, strict=True):
        if isinstance(item.label, str):
            account.cut += example.truncated
            continue
        account.all_words += len(item.label)
        read = set(example.words)
        behind = len(item.label) - 1 - max(read, default=-1) if example.truncated else 0
        account.cut += behind > 0
        account.words[CUT_OFF] += behind
        account.words[UNREADABLE] += len(item.label) - len(read) - behind


def _is_cut(encoded: Any) -> bool:
    """Whether a tokenizer left the end of a text out."""
    return bool(encoded.encodings and encoded.encodings[0].overflowing)


def _by_word(item: Item, example: Example, best: Sequence[int], labels: Sequence[str]) -> dict[str, Any]:
    """A word that was cut off, or that the tokenizer makes nothing of, is no part of an entity."""
    found = dict(zip(example.words, best, strict=True))
    outside = OUTSIDE if OUTSIDE in labels else ""  # where each word has a tag, no answer is a wrong one
    guess = [labels[found[word]] if word in found else outside for word in range(len(item.label))]
    return {"words": item.text, "gold": item.label, "guess": guess}


def _by_piece(example: Example, best: Sequence[int], labels: Sequence[str], tokenizer: Any) -> dict[str, Any]:
    assert isinstance(example.label, list)
    asked = [(piece, tag) for piece, tag in zip(example.input_ids, example.label, strict=True) if tag != IGNORE_INDEX]
    return {
        "words": tokenizer.convert_ids_to_tokens([piece for piece, _ in asked]),
        "gold": [labels[tag] for _, tag in asked],
        "guess": [labels[tag] for tag in best],
    }
