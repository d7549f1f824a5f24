"""ONNX: the base with the adapters inside, and the LM head or a task's head, for onnxruntime without PyTorch."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...eval.display import format_value, metric_name
from ...eval.inference.choose_adapters import TASK_ADAPTER
from ...eval.inference.predictor import Predictor, load_predictor
from ...training.families import family_of
from ...training.model_card import card
from ...training.transliterate import save_tokenizer
from ...training.vocabulary.extend import filler_ids
from ...workspace.errors import UserError
from ...workspace.formatting import format_count, format_size
from .onnx_example import example
from .onnx_int8 import QuantisationCost, quantisation_cost, quantise
from .request import Request, Written, romanised_notes

MODEL, LABELS, EXAMPLE = "model.onnx", "labels.json", "example.py"
PACKAGES = ("onnx", "onnxruntime", "onnxscript")
INPUTS = ("input_ids", "attention_mask")
PAIR_INPUTS = (*INPUTS, "token_type_ids")  # where the model tells the two texts of a pair apart by them
SAMPLE = (2, 8)  # rows and tokens to trace with: sizes of 1 would be taken for constants
CHECKED = ((1, 1), (3, 17))  # rows and tokens of the comparison with PyTorch
NEVER = -1e4  # the logit of a piece that must not be predicted; infinity would leave NaN in differences
LARGEST_FILE = 1_900_000_000  # bytes of weights in one file; a protocol buffer holds 2 GiB


@dataclass(frozen=True)
class _Exported:
    """What is exported, with its tokenizer."""

    module: nn.Module
    tokenizer: Any
    max_length: int
    """Most tokens of a text, special ones included."""
    predictor: Predictor | None = None
    """Of a task adapter; None for a language adapter, which fills masks."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the model's inputs."""
        model = self.predictor.model if self.predictor else None
        return PAIR_INPUTS if model and model.pairs and model.layout.token_types else INPUTS

    @property
    def output_shape(self) -> str:
        """The shape of the logits, in words."""
        if self.predictor is None:
            return f"(batch, length, {len(self.tokenizer)} tokens)"
        labels = self.predictor.labels
        outputs = format_count(len(labels), "label") if labels else "1 score"
        return f"(batch, length, {outputs})" if self.predictor.model.per_token else f"(batch, {outputs})"


class _MaskedLM(nn.Module):
    """A masked language model as a function of two tensors."""

    is_filler: Tensor

    def __init__(self, model: nn.Module, tokenizer: Any) -> None:
        super().__init__()
        self.model = model
        is_filler = torch.zeros(len(tokenizer), dtype=torch.bool)
        is_filler[filler_ids(tokenizer)] = True
        self.register_buffer("is_filler", is_filler)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(batch, length), (batch, length) -> (batch, length, pieces of the tokenizer); fillers are never likely."""
        logits = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits[..., : len(self.is_filler)].masked_fill(self.is_filler, NEVER)


class _Task(nn.Module):
    """A `TaskModel` as a function of two tensors, or three for pairs of texts."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """(batch, length) each -> (batch, outputs), or (batch, length, outputs) per token."""
        return self.model.logits(input_ids, attention_mask, token_type_ids)


def write(request: Request, folder: Path) -> Written:
    """Write `model.onnx`, the tokenizer, the labels, an example and a card into `folder`.

    Raises UserError if the packages of the extra `onnx` are missing.
    """
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise UserError(f"--format onnx needs {', '.join(missing)}: run `pip install 'lrl-adapt[onnx]'`")
    exported = _load(request)
    full = folder / (f"fp32-{MODEL}" if request.int8 else MODEL)
    _write_model(exported, full)
    cost = _quantise(exported, request, full, folder / MODEL) if request.int8 else None
    save_tokenizer(exported.tokenizer, folder)
    notes = romanised_notes(exported.tokenizer)
    predictor = exported.predictor
    if predictor is not None and predictor.labels:
        (folder / LABELS).write_text(json.dumps(predictor.labels, ensure_ascii=False) + "\n", encoding="utf-8")
    task = predictor.model if predictor else None
    code = example(exported.tokenizer, exported.max_length, exported.inputs, task)
    (folder / EXAMPLE).write_text(code, encoding="utf-8")
    difference = _largest_difference(exported, folder / MODEL)
    bits = "8-bit integers" if request.int8 else "fp32"
    lines = [
        f"- base: {request.base}",
        f"- inputs: {', '.join(exported.inputs)}, int64, (batch, length), at most {exported.max_length} tokens",
        f"- output: logits, {exported.output_shape}",
        f"- weights: {bits}; largest difference of a logit from PyTorch's on random tokens: {difference:.2g}",
        *(_cost_lines(cost) if cost else []),
        *(f"- {note}" for note in notes),
    ]
    text = card(f"{request.source.resolve().name} for onnxruntime", {"library_name": "onnx"}, lines, code.rstrip())
    (folder / "README.md").write_text(text, encoding="utf-8")
    return Written(notes, largest_difference=difference, cost=cost)


def _load(request: Request) -> _Exported:
    if request.task is not None:
        predictor = load_predictor(request.task)
        before, after = predictor.special_ids
        length = predictor.window + len(before) + len(after)
        return _Exported(_Task(predictor.model.cpu()), predictor.tokenizer, length, predictor)
    model = request.load()
    config = model.config
    length = config.max_position_embeddings - family_of(config.model_type).first_position(config)
    tokenizer = request.load_tokenizer()
    return _Exported(_MaskedLM(model.eval(), tokenizer), tokenizer, length)


def _write_model(exported: _Exported, file: Path) -> None:
    """Trace the module with batch and length as variables."""
    ids = torch.zeros(SAMPLE, dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[-1, 1:] = 0
    module = exported.module
    dynamic = {0: "batch", 1: "length"}
    size = sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
    with torch.no_grad(), _quiet_exporter():
        torch.onnx.export(
            module.eval(),
            (ids, mask, torch.zeros_like(ids))[: len(exported.inputs)],
            str(file),
            input_names=list(exported.inputs),
            output_names=["logits"],
            dynamic_shapes=dict.fromkeys(exported.inputs, dynamic),
            external_data=size > LARGEST_FILE,
            verbose=False,
        )
    _remove_traces(file)


def _quantise(exported: _Exported, request: Request, full: Path, file: Path) -> QuantisationCost:
    """Write the int8 model to `file`, compare the two, and delete the fp32 one."""
    with _quiet_exporter():
        quantise(full, file)
    adapter = request.task.folder if request.task else None
    scores = adapter.parent if adapter and adapter.name == TASK_ADAPTER else None
    cost = quantisation_cost(full, file, scores, exported.predictor, exported.max_length, len(exported.tokenizer))
    for part in full.parent.glob(f"{full.name}*"):
        part.unlink()
    return cost


def _cost_lines(cost: QuantisationCost) -> list[str]:
    """The comparison with fp32 for the card."""
    lines = [
        f"- size: {format_size(cost.int8_bytes)} instead of {format_size(cost.fp32_bytes)} in fp32",
        f"- time for one text on the exporting machine's CPU: {cost.int8_milliseconds:.3g} ms instead of "
        f"{cost.fp32_milliseconds:.3g} ms",
    ]
    if test := cost.test:
        values = [format_value(value, test.metric) for value in (test.int8, test.fp32)]
        p = "" if test.p is None else f"; p {test.p:.3g} by the paired test"
        lines.append(
            f"- {metric_name(test.metric)} on {test.items:,} test items: {values[0]} instead of {values[1]} in fp32 "
            f"(difference {test.difference}, 95% interval over the items{p})"
        )
    return lines


def _remove_traces(file: Path) -> None:
    """Remove what the exporter notes of every node: the lines of Python that it comes from, with their paths here."""
    import onnx

    model = onnx.load(str(file), load_external_data=False)
    for graph in (model.graph, *model.functions):
        for entry in (graph, *graph.node, *graph.value_info):
            entry.ClearField("metadata_props")
            entry.ClearField("doc_string")
    for entry in (*model.graph.initializer, *model.graph.input, *model.graph.output, model):
        entry.ClearField("metadata_props")
    onnx.save(model, str(file))


def _largest_difference(exported: _Exported, file: Path) -> float:
    """Of any logit, between onnxruntime and PyTorch, on random tokens."""
    from onnxruntime import InferenceSession

    session = InferenceSession(str(file), providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    differences = []
    for rows, tokens in CHECKED:
        length = min(tokens, exported.max_length)
        ids = torch.randint(len(exported.tokenizer), (rows, length), generator=generator)
        mask = torch.ones_like(ids)
        mask[-1, (length + 1) // 2 :] = 0
        types = torch.randint(2, ids.shape, generator=generator)
        inputs = dict(zip(exported.inputs, (ids, mask, types), strict=False))
        with torch.no_grad():
            expected = exported.module(**inputs)
        got = torch.as_tensor(session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})[0])
        real = mask.bool() if got.dim() == 3 else torch.ones(rows, dtype=torch.bool)  # padding's logits mean nothing
        differences.append(float((got - expected)[real].abs().max()))
    return max(differences)


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Without the exporter's and the quantiser's remarks on packages that are not needed here, and on themselves."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "root")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
