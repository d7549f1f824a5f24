"""8-bit integers instead of fp32 in an ONNX model: size, time, and results on a task's test set, beside fp32."""

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...eval.display import format_change, format_change_interval
from ...eval.inference.predictor import Predictor
from ...eval.kinds import TextKind, kind_of
from ...eval.metrics import SumMetric
from ...eval.predictions import PREDICTIONS_FILE, label_names, metrics_of, read_predictions
from ...eval.significance import compare_on_items
from ...eval.task_eval import encode, encode_text, word_row
from ...recipes.examples import Item
from ...training.batches import collate
from ...training.masking import IGNORE_INDEX
from ...training.task_model import ACTIVATIONS, Example
from ...workspace.artifacts import MANIFEST, read_manifest

TIMED = 50  # texts, one at a time
TIMED_TOKENS = 32  # of a text that is timed where there is no test set
BATCH_SIZE = 32


@dataclass(frozen=True)
class PairedTest:
    """A metric of the int8 model and of the fp32 one on the same test items."""

    metric: str
    items: int
    fp32: float
    int8: float
    interval: tuple[float, float]
    """95% interval of the difference, int8 - fp32, over the items."""
    p: float | None
    """Of the paired randomisation test; None for metrics that it does not cover (correlations)."""

    @property
    def difference(self) -> str:
        """The difference with its interval, for readers: "+1.2 points [0.0, +3.9]"."""
        low, high = self.interval
        change = format_change(100 * (self.int8 - self.fp32), self.metric)
        return f"{change} {format_change_interval((100 * low, 100 * high))}"


@dataclass(frozen=True)
class QuantisationCost:
    """The int8 model beside the same in fp32, both run by onnxruntime on the CPU."""

    fp32_bytes: int
    int8_bytes: int
    fp32_milliseconds: float
    """Median time for one text."""
    int8_milliseconds: float
    test: PairedTest | None
    """None without the predictions of a task's test set."""


def quantise(full: Path, file: Path) -> None:
    """Write the fp32 model `full` to `file` with its weights as 8-bit integers."""
    with _same_search_path():
        from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(full), str(file), weight_type=QuantType.QInt8)


def quantisation_cost(
    full: Path, quantised: Path, scores: Path | None, predictor: Predictor | None, max_length: int, pieces: int
) -> QuantisationCost:
    """Compare two files; on the test items in `scores`, the folder of a task adapter's scores, where it has them.

    `max_length` and `pieces` are the most tokens of a text and the size of the vocabulary.
    """
    from onnxruntime import InferenceSession

    sessions = [InferenceSession(str(file), providers=["CPUExecutionProvider"]) for file in (full, quantised)]
    sizes = [sum(part.stat().st_size for part in file.parent.glob(f"{file.name}*")) for file in (full, quantised)]
    test = None
    rng = np.random.default_rng(0)
    timed = [Example(rng.integers(pieces, size=min(TIMED_TOKENS, max_length)).tolist(), 0) for _ in range(TIMED)]
    if predictor is not None and scores is not None and (rows := _rows(scores)):
        examples = _examples(rows, predictor, max_length)
        timed = examples[:TIMED]
        test = _paired_test(rows, [_answered(rows, examples, session, predictor) for session in sessions])
    fp32_time, int8_time = _milliseconds(sessions, timed)
    return QuantisationCost(sizes[0], sizes[1], fp32_time, int8_time, test)


def _rows(scores: Path) -> list[dict[str, Any]]:
    """The saved predictions on the test items, which hold texts and gold labels; none where they are not usable."""
    manifest = read_manifest(scores) if (scores / MANIFEST).is_file() else {}
    tags_pieces = manifest.get("section", {}).get("label_pieces") == "all"  # their rows hold pieces, not the words
    return read_predictions(scores) if (scores / PREDICTIONS_FILE).is_file() and not tags_pieces else []


def _examples(rows: Sequence[dict[str, Any]], predictor: Predictor, max_length: int) -> list[Example]:
    kind, tokenizer = kind_of(rows), predictor.tokenizer
    if isinstance(kind, TextKind):
        items = [Item(row["text"], row["gold"], row.get("text_pair")) for row in rows]
        return [encode_text(item, kind, predictor.labels, tokenizer, max_length) for item in items]
    items = [Item(row["words"], row["gold"]) for row in rows]
    return [encode(item, predictor.labels, tokenizer, max_length) for item in items]


def _answered(
    rows: Sequence[dict[str, Any]], examples: Sequence[Example], session: Any, predictor: Predictor
) -> list[dict[str, Any]]:
    """The rows with the guesses of a session."""
    outputs = _outputs(session, examples, predictor)
    kind, labels = kind_of(rows), predictor.labels
    if isinstance(kind, TextKind):
        return [row | kind.answer(output, labels) for row, output in zip(rows, outputs, strict=True)]
    return [
        word_row(Item(row["words"], row["gold"]), example, output, labels)
        for row, example, output in zip(rows, examples, outputs, strict=True)
    ]


def _outputs(session: Any, examples: Sequence[Example], predictor: Predictor) -> list[Any]:
    """What `training.task_adapter.predict` gives, in the order of the examples."""
    by_number: dict[int, Any] = {}
    shortest_first = sorted(range(len(examples)), key=lambda number: len(examples[number].input_ids))
    for first in range(0, len(examples), BATCH_SIZE):
        numbers = shortest_first[first : first + BATCH_SIZE]
        logits = _run(session, [examples[number] for number in numbers], predictor.tokenizer.pad_token_id)
        for number, of_example in zip(numbers, logits, strict=True):
            by_number[number] = _output(torch.as_tensor(of_example), examples[number], predictor)
    return [by_number[number] for number in range(len(examples))]


def _output(logits: torch.Tensor, example: Example, predictor: Predictor) -> Any:
    """The class, the classes of the labelled tokens, or the numbers, from (outputs,) or (length, outputs)."""
    if isinstance(example.label, list):
        tags = torch.tensor(example.label)
        return logits[: len(tags)][tags != IGNORE_INDEX].argmax(-1).tolist()
    problem_type = predictor.model.problem_type
    if problem_type == "single_label_classification":
        return int(logits.argmax())
    return ACTIVATIONS[problem_type](logits).tolist()


def _run(session: Any, examples: Sequence[Example], pad_id: int) -> np.ndarray:
    """Logits of a batch."""
    batch = collate([example.input_ids for example in examples], pad_id)
    token_types = [example.token_types or [0] * len(example.input_ids) for example in examples]
    batch["token_type_ids"] = collate(token_types, 0)["input_ids"]
    names = [one.name for one in session.get_inputs()]
    return session.run(None, {name: batch[name].numpy() for name in names})[0]


def _paired_test(rows: Sequence[dict[str, Any]], systems: Sequence[list[dict[str, Any]]]) -> PairedTest:
    """The main metric of both systems' rows; `rows` are the saved ones."""
    labels = label_names([rows, *systems])
    fp32, int8 = (metrics_of(answers, labels)[0] for answers in systems)
    comparison = compare_on_items([fp32], [int8], test=isinstance(fp32, SumMetric))
    return PairedTest(int8.name, len(rows), fp32.value(), int8.value(), comparison.interval, comparison.p)


def _milliseconds(sessions: Sequence[Any], examples: Sequence[Example]) -> list[float]:
    """The median time of each session for one text; the sessions take turns, so that other work slows both."""
    seconds: list[list[float]] = [[] for _ in sessions]
    for example in examples:
        for session, of_session in zip(sessions, seconds, strict=True):
            started = time.perf_counter()
            _run(session, [example], 0)
            of_session.append(time.perf_counter() - started)
    return [round(1000 * statistics.median(of_session), 2) for of_session in seconds]


@contextmanager
def _same_search_path() -> Iterator[None]:
    """Undo what an import adds to `sys.path`: onnxruntime's adds a folder with modules of common names."""
    before = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = before
