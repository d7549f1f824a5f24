"""ONNX: the base with the adapters inside, and the LM head or a task's head, for onnxruntime without PyTorch."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...eval.inference.predictor import load_predictor
from ...training.families import family_of
from ...training.model_card import card
from ...training.transliterate import save_tokenizer
from ...workspace.errors import UserError
from .onnx_example import example
from .request import Request, Written, romanised_notes

MODEL, LABELS, EXAMPLE = "model.onnx", "labels.json", "example.py"
PACKAGES = ("onnx", "onnxruntime", "onnxscript")
INPUTS = ("input_ids", "attention_mask")
SAMPLE = (2, 8)  # rows and tokens to trace with: sizes of 1 would be taken for constants
CHECKED = ((1, 1), (3, 17))  # rows and tokens of the comparison with PyTorch
LARGEST_FILE = 1_900_000_000  # bytes of weights in one file; a protocol buffer holds 2 GiB


@dataclass(frozen=True)
class _Exported:
    """What is exported, with its tokenizer."""

    module: nn.Module
    tokenizer: Any
    max_length: int
    """Most tokens of a text, special ones included."""
    vocabulary: int
    labels: list[str] | None
    """None for a language adapter, which fills masks."""
    per_token: bool


class _MaskedLM(nn.Module):
    """A masked language model as a function of two tensors."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(batch, length), (batch, length) -> (batch, length, vocabulary)."""
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


class _Task(nn.Module):
    """A `TaskModel` as a function of two tensors."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """(batch, length), (batch, length) -> (batch, classes), or (batch, length, classes) per token."""
        return self.model.logits(input_ids, attention_mask)


def write(request: Request, folder: Path) -> Written:
    """Write `model.onnx`, the tokenizer, the labels, an example and a card into `folder`.

    Raises UserError if the packages of the extra `onnx` are missing.
    """
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise UserError(f"--format onnx needs {', '.join(missing)}: run `pip install 'lrl-adapt[onnx]'`")
    exported = _load(request)
    _write_model(exported.module, folder, int8=request.int8)
    save_tokenizer(exported.tokenizer, folder)
    notes = romanised_notes(exported.tokenizer)
    if exported.labels is not None:
        (folder / LABELS).write_text(json.dumps(exported.labels, ensure_ascii=False) + "\n", encoding="utf-8")
    code = example(exported.tokenizer, exported.max_length, exported.labels, per_token=exported.per_token)
    (folder / EXAMPLE).write_text(code, encoding="utf-8")
    difference = _largest_difference(exported, folder / MODEL)
    bits = "8-bit integers" if request.int8 else "fp32"
    lines = [
        f"- base: {request.base}",
        f"- inputs: {', '.join(INPUTS)}, int64, (batch, length), at most {exported.max_length} tokens",
        f"- output: logits, {_shape(exported)}",
        f"- weights: {bits}; largest difference of a logit from PyTorch's on random tokens: {difference:.2g}",
        *(f"- {note}" for note in notes),
    ]
    text = card(f"{request.source.resolve().name} for onnxruntime", {"library_name": "onnx"}, lines, code.rstrip())
    (folder / "README.md").write_text(text, encoding="utf-8")
    return Written(notes, largest_difference=difference)


def _load(request: Request) -> _Exported:
    if request.task is not None:
        predictor = load_predictor(request.task)
        if predictor.model.pairs or predictor.model.problem_type != "single_label_classification":
            raise UserError(
                "--format onnx holds tasks with one label per text or word only, not pairs of texts, scores or several "
                "labels: use `lrl-adapt predict`, `serve` or `push` for this adapter"
            )
        before, after = predictor.special_ids
        length = predictor.window + len(before) + len(after)
        model = predictor.model.cpu()
        module, labels, per_token = _Task(model), predictor.labels, model.per_token
        return _Exported(module, predictor.tokenizer, length, len(predictor.tokenizer), labels, per_token)
    model = request.load()
    config = model.config
    length = config.max_position_embeddings - family_of(config.model_type).first_position(config)
    tokenizer = request.load_tokenizer()
    return _Exported(_MaskedLM(model.eval()), tokenizer, length, len(tokenizer), None, per_token=True)


def _write_model(module: nn.Module, folder: Path, *, int8: bool) -> None:
    """Trace the module with batch and length as variables; with `int8`, quantise its weights."""
    ids = torch.zeros(SAMPLE, dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[-1, 1:] = 0
    dynamic = {0: "batch", 1: "length"}
    size = sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
    target = folder / (f"fp32-{MODEL}" if int8 else MODEL)
    with torch.no_grad(), _quiet_exporter():
        torch.onnx.export(
            module.eval(),
            (ids, mask),
            str(target),
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_shapes=dict.fromkeys(INPUTS, dynamic),
            external_data=size > LARGEST_FILE,
            verbose=False,
        )
    _remove_traces(target)
    if int8:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        with _quiet_exporter():
            quantize_dynamic(str(target), str(folder / MODEL), weight_type=QuantType.QInt8)
        for file in folder.glob(f"{target.name}*"):
            file.unlink()


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
        ids = torch.randint(exported.vocabulary, (rows, length), generator=generator)
        mask = torch.ones_like(ids)
        mask[-1, (length + 1) // 2 :] = 0
        with torch.no_grad():
            expected = exported.module(ids, mask)
        got = torch.as_tensor(session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0])
        real = mask.bool() if got.dim() == 3 else torch.ones(rows, dtype=torch.bool)  # padding's logits mean nothing
        differences.append(float((got - expected)[real].abs().max()))
    return max(differences)


def _shape(exported: _Exported) -> str:
    if exported.labels is None:
        return f"(batch, length, {exported.vocabulary} or more tokens)"
    labels = f"{len(exported.labels)} labels)"
    return f"(batch, length, {labels}" if exported.per_token else f"(batch, {labels}"


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Without the exporter's and the quantiser's remarks on packages that are not needed here."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "root")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
