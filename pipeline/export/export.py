"""Write an adapter in another format: `export` and `lrl-adapt export`."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from ...eval.inference.find_adapters import base_of_adapter, base_of_full_model, find_task_adapter, is_full_model
from ...training.adapters.files import read_config
from ...training.model_card import CardBase
from ...workspace.errors import UserError
from ...workspace.library_logs import quiet_libraries
from ...workspace.new_folder import new_folder
from .formats import FORMATS, check_export, is_task_adapter
from .onnx_int8 import QuantisationCost
from .request import Request

WEIGHTS = (".safetensors", ".bin", ".onnx", ".data")  # endings of files of weights


@dataclass(frozen=True)
class ExportedAdapter:
    """An adapter in another format, as `export` wrote it."""

    folder: Path
    format: str
    bytes: int
    """Size of the files of weights."""
    bytes_before: int
    """That of the adapter that was exported."""
    notes: list[str]
    """What the format cannot hold, a sentence each."""
    bits: int | None = None
    """Bits of each value of a matrix, in the format peft."""
    relative_error: float | None = None
    """Of fewer than 32 bits: norm of the change in the matrices over their norm."""
    largest_difference: float | None = None
    """In the format onnx, of any logit from PyTorch's, on random tokens."""
    cost: QuantisationCost | None = None
    """Of `int8`: size, time and results on the task's test set, beside the same model in fp32."""
    pieces: int | None = None
    """Of a trimmed model, the size of its vocabulary."""
    kept_share: float | None = None
    """The share of the pieces that trimming kept."""
    bytes_untrimmed: int | None = None
    """Size of the same model without trimming."""


@quiet_libraries()
def export(
    source: str | Path,
    out: str | Path,
    *,
    format: str = "peft",
    bits: int | None = None,
    base: str | Path | None = None,
    name: str | None = None,
    int8: bool = False,
    trim: bool | str | Path | Sequence[str | Path] = False,
) -> ExportedAdapter:
    """Write an adapter in another format, or with fewer bits.

    Example:
        ```python
        small = lrl_adapt.export("my-adapter", "small-adapter", bits=4)
        small.bytes / small.bytes_before
        ```

    Args:
        source: Folder of a language adapter that was trained, imported or merged, or of a whole model (`full`); in the
            format `onnx` also of a task adapter, or of the scores that have one.
        out: New folder to write.
        format: `peft` is PEFT's own, `adapterhub` that of `adapters`, `transformers` (or `merged`) a model for
            `AutoModelForMaskedLM` and its tokenizer: a whole model, or the base with a LoRA or (IA)³ merged into its
            weights. `onnx` is a model for onnxruntime with the adapters inside, which needs the extra `onnx`.
        bits: In the format `peft`, bits of each value of a matrix: 8, 4 or 1; by default 32.
        base: Hub id or folder of the base; by default the one that the adapter names. The format `peft` needs none.
        name: Name of the adapter in the format `adapterhub`; by default `mlm`.
        int8: In the format `onnx`, store weights as 8-bit integers, by onnxruntime's dynamic quantisation, and compare
            the result with fp32: on the test set of a task adapter in the folder of its scores, which has the test
            items with its predictions.
        trim: In the format `transformers`, keep only the pieces of the vocabulary that the language uses: that occur in
            the text that the adapter was trained on (True), or in this file of text, or in several.

    Returns:
        Sizes, notes, for fewer bits and ONNX the error, for `int8` what it costs, and for a trimmed model what is left
        of the vocabulary.

    Raises:
        UserError: There is no such format or number of bits, the adapter has no such format, packages for it
            are missing, or `out` exists.
    """
    source, out = Path(source), Path(out)
    check_export(source, out, format=format, bits=bits, name=name, int8=int8, trim=bool(trim))
    request = _request(source, None if base is None else str(base))
    texts = [trim] if isinstance(trim, str | Path) else trim
    texts = texts if isinstance(texts, bool) else [Path(file) for file in texts]
    request = replace(request, bits=bits, name=name or "mlm", int8=int8, trim=texts)
    write = import_module(f".{FORMATS[format].module}", __package__).write
    with new_folder(out) as folder:
        written = write(request, folder)
        stored_bits = bits or 32 if format == "peft" else None
        before = source if request.task is None else request.task.folder
        sizes = _size(folder.rglob("*")), _size(before.glob("*"))
        errors = written.relative_error, written.largest_difference
        trimmed = written.trimmed
        kept = (trimmed.pieces, trimmed.kept_share, trimmed.bytes_before) if trimmed else ()
        return ExportedAdapter(out, format, *sizes, written.notes, stored_bits, *errors, written.cost, *kept)


def _request(source: Path, base: str | None) -> Request:
    """What is exported, without the options of a format."""
    if is_task_adapter(source):
        task = find_task_adapter(source, base=base)
        return Request(source, None, CardBase(task.base.name, task.base.revision), task=task)
    config = None if is_full_model(source) else read_config(source)
    return Request(source, config, _base_of(source, base))


def _base_of(source: Path, replacement: str | None) -> CardBase:
    """`replacement` if given, else the base that the adapter names, at the revision that it was trained on."""
    recorded = None
    with suppress(UserError):  # it names none
        recorded = base_of_full_model(source) if is_full_model(source) else base_of_adapter(source)
    if replacement is not None and (recorded is None or recorded.name != replacement):
        return CardBase(replacement)
    return CardBase(recorded.name, recorded.revision) if recorded else CardBase(None)


def _size(files: Iterable[Path]) -> int:
    """Bytes of the files of weights among `files`."""
    return sum(file.stat().st_size for file in files if file.suffix in WEIGHTS)
