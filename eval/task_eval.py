"""A labelled task on one system: train a task adapter and head with one seed, then predict the test items."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from transformers import PreTrainedModel

from ..recipes.examples import CUT_OFF, Account, Item
from ..recipes.training import Precision, TaskTraining
from ..training.masking import IGNORE_INDEX
from ..training.task_adapter import load_task, predict, save_task, train_task
from ..training.task_model import Example, TaskModel
from ..training.vocabulary.files import tokenizer_of
from ..workspace.progress import QUIET, Progress
from .kinds import TEXT_KINDS, TextKind
from .segmentation import words_as_in_text
from .task_data import OUTSIDE, TaskData

TASK_ADAPTER_FOLDER = "task-adapter"
NO_TOKENS = "no tokens"  # why a word or sentence was left out: the tokenizer makes nothing of it


@dataclass(frozen=True)
class TaskSetup:
    """How a task is trained and tested; `load_base` returns a new base model and its tokenizer each time.

    The task adapter is trained on top of the language adapter `train_adapter` and tested on top of `test_adapter`: the
    same one, or for zero-shot transfer (MAD-X, Pfeiffer et al. 2020) that of another language. None is the bare base.
    """

    load_base: Callable[[], tuple[PreTrainedModel, Any]]
    train_adapter: Path | None
    test_adapter: Path | None
    settings: TaskTraining
    precision: Precision
    seed: int


def train_and_predict(
    setup: TaskSetup, data: TaskData, folder: Path, progress: Progress = QUIET, label: str = "task"
) -> list[dict[str, Any]]:
    """The rows of `predictions.jsonl`, in the order of the test items; the task adapter is saved into `folder`."""
    base, base_tokenizer = setup.load_base()
    settings = setup.settings
    tokenizer = tokenizer_of(setup.train_adapter, base_tokenizer)
    encoded = _encode(data, settings, tokenizer)
    if setup.test_adapter != setup.train_adapter:  # each reads with its own pieces, if it brings some
        tokenizer = tokenizer_of(setup.test_adapter, base_tokenizer)
        encoded["test"] = _encode(data, settings, tokenizer)["test"]
    for split, account in data.accounts.items():
        count_unread(data.splits[split], encoded[split], account)
    model = _train(setup, data, base, encoded, progress, label)
    save_task(model, data.labels, folder / TASK_ADAPTER_FOLDER)
    if setup.test_adapter != setup.train_adapter:
        device = next(model.parameters()).device
        model, _ = load_task(setup.load_base()[0], setup.test_adapter, folder / TASK_ADAPTER_FOLDER)
        model.to(device)
    return _rows(data, encoded["test"], predict(model, encoded["test"]), settings, tokenizer)


def head_only(
    setup: TaskSetup, data: TaskData, progress: Progress = QUIET, label: str = "head"
) -> list[dict[str, Any]]:
    """The same rows by a head that is trained alone on the bare base, which is not adapted at all."""
    base, tokenizer = setup.load_base()
    encoded = _encode(data, setup.settings, tokenizer)
    model = _train(setup, data, base, encoded, progress, label, head_only=True)
    return _rows(data, encoded["test"], predict(model, encoded["test"]), setup.settings, tokenizer)


def _train(
    setup: TaskSetup,
    data: TaskData,
    base: PreTrainedModel,
    encoded: dict[str, list[Example]],
    progress: Progress,
    label: str,
    *,
    head_only: bool = False,
) -> TaskModel:
    return train_task(
        base,
        setup.train_adapter,
        encoded["train"],
        encoded["validation"],
        data.outputs,
        setup.settings,
        problem_type=data.problem_type,
        precision=setup.precision,
        seed=setup.seed,
        progress=progress,
        label=label,
        head_only=head_only,
    )


def _encode(data: TaskData, settings: TaskTraining, tokenizer: Any) -> dict[str, list[Example]]:
    if kind := TEXT_KINDS.get(data.kind):
        return {
            split: [encode_text(item, kind, data.labels, tokenizer, settings.max_length) for item in items]
            for split, items in data.splits.items()
        }
    return {
        split: [encode(item, data.labels, tokenizer, settings.max_length, settings.label_pieces) for item in items]
        for split, items in data.splits.items()
    }


def _rows(
    data: TaskData, examples: Sequence[Example], predicted: Sequence[Any], settings: TaskTraining, tokenizer: Any
) -> list[dict[str, Any]]:
    rows = zip(data.splits["test"], examples, predicted, strict=True)
    if kind := TEXT_KINDS.get(data.kind):
        return [_text_row(item, kind.answer(output, data.labels)) for item, _, output in rows]
    if settings.label_pieces == "all":
        return [_token_row(example, label_ids, data.labels, tokenizer) for _, example, label_ids in rows]
    return [word_row(item, example, label_ids, data.labels) for item, example, label_ids in rows]


def encode_text(item: Item, kind: TextKind, labels: Sequence[str], tokenizer: Any, max_length: int) -> Example:
    """Token ids of a text, or of a pair of texts of which the longer is truncated, and what is to be learnt of it."""
    label, targets = kind.target(item.label, labels)
    encoded = tokenizer(
        item.text, item.pair, truncation=True, max_length=max_length, return_token_type_ids=item.pair is not None
    )
    token_types = () if item.pair is None else tuple(encoded["token_type_ids"])
    return Example(encoded["input_ids"], label, (), _is_truncated(encoded), targets, token_types)


def encode(
    item: Item, labels: Sequence[str], tokenizer: Any, max_length: int, label_pieces: Literal["first", "all"] = "first"
) -> Example:
    """Token ids and labels of words: the first token of each word (or every token) carries the word's tag.

    Words are tokenised one by one, so text without spaces keeps its word boundaries; see `words_as_in_text`.
    """
    assert isinstance(item.text, list)
    assert isinstance(item.label, list)
    words = words_as_in_text(item.text, tokenizer)
    encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=max_length)
    tags: list[int] = []
    labelled_words: list[int] = []
    previous_word = None
    for word in encoded.word_ids():  # None for special tokens
        if word is not None and (label_pieces == "all" or word != previous_word):
            tags.append(labels.index(item.label[word]))
            labelled_words.append(word)
        else:
            tags.append(IGNORE_INDEX)
        previous_word = word
    return Example(encoded["input_ids"], tags, tuple(labelled_words), _is_truncated(encoded))


def count_unread(items: Sequence[Item], examples: Sequence[Example], account: Account) -> None:
    """Count in `account` what the model does not read: words without tokens, and what is beyond `max_length`."""
    for item, example in zip(items, examples, strict=True):
        if not isinstance(item.label, list) or isinstance(item.text, str):
            account.cut += example.truncated
            continue
        words_read = set(example.words)
        cut_off = len(item.label) - 1 - max(words_read, default=-1) if example.truncated else 0
        account.all_words += len(item.label)
        account.cut += cut_off > 0
        account.words[CUT_OFF] += cut_off
        account.words[NO_TOKENS] += len(item.label) - len(words_read) - cut_off


def _is_truncated(encoded: Any) -> bool:
    """Whether a tokenizer left out the end of a text."""
    return bool(encoded.encodings and encoded.encodings[0].overflowing)


def _text_row(item: Item, answer: dict[str, Any]) -> dict[str, Any]:
    pair = {} if item.pair is None else {"text_pair": item.pair}
    return {"text": item.text, **pair, "gold": item.label, **answer}


def word_row(item: Item, example: Example, label_ids: Sequence[int], labels: Sequence[str]) -> dict[str, Any]:
    """One predicted tag for each word; words that were truncated or have no tokens are predicted as no entity."""
    assert isinstance(item.label, list)
    by_word = dict(zip(example.words, label_ids, strict=True))
    unread = OUTSIDE if OUTSIDE in labels else ""  # without an O tag, as for parts of speech, it counts as wrong
    predicted = [labels[by_word[word]] if word in by_word else unread for word in range(len(item.label))]
    return {"words": item.text, "gold": item.label, "guess": predicted}


def _token_row(example: Example, label_ids: Sequence[int], labels: Sequence[str], tokenizer: Any) -> dict[str, Any]:
    """One predicted tag for each token, as the paper scores entities."""
    assert isinstance(example.label, list)
    labelled = [
        (token, tag) for token, tag in zip(example.input_ids, example.label, strict=True) if tag != IGNORE_INDEX
    ]
    return {
        "words": tokenizer.convert_ids_to_tokens([token for token, _ in labelled]),
        "gold": [labels[tag] for _, tag in labelled],
        "guess": [labels[label_id] for label_id in label_ids],
    }
