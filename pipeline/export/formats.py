"""The formats that adapters are exported to, and checks of the arguments that need no model; torch is not imported."""

from dataclasses import dataclass
from pathlib import Path

from ...eval.inference.choose_adapters import TASK_ADAPTER, holds_task
from ...training.conversion_checks import BITS
from ...workspace.errors import UserError
from ...workspace.new_folder import check_new, require_folder


@dataclass(frozen=True)
class Format:
    """A format of exported adapters."""

    description: str
    """For help."""
    module: str
    """The module of this package whose function `write` writes it."""
    options: tuple[str, ...] = ()
    """Options that it takes and others do not."""
    takes_tasks: bool = False
    """Whether it can hold a task adapter with its head."""


FORMATS = {
    "peft": Format("an adapter for PEFT", "peft_format", options=("bits",)),
    "adapterhub": Format("an adapter for AdapterHub's `adapters`", "adapterhub_format", options=("name",)),
    "transformers": Format(
        "a model for AutoModelForMaskedLM, with a LoRA or (IA)³ merged into its weights",
        "transformers_format",
        options=("trim",),
    ),
    "onnx": Format(
        "a model for onnxruntime, with the adapters inside and the LM head or a task's head",
        "onnx_format",
        options=("int8",),
        takes_tasks=True,
    ),
    "merged": Format("the same as transformers", "transformers_format", options=("trim",)),
}


def check_export(
    source: Path,
    out: Path,
    *,
    format: str,
    bits: int | None = None,
    name: str | None = None,
    int8: bool = False,
    trim: bool = False,
) -> None:
    """Raise a UserError for a format that does not exist or cannot hold `source`, for options of another format, for a
    missing folder `source`, or if `out` exists.
    """
    if format not in FORMATS:
        raise UserError(f"--format {format}: choose one of {', '.join(FORMATS)}")
    for option, value in {"bits": bits, "name": name, "int8": int8 or None, "trim": trim or None}.items():
        if value is not None and option not in FORMATS[format].options:
            takers = [other for other, about in FORMATS.items() if option in about.options]
            raise UserError(f"--{option}: only with --format {', '.join(takers)}; got --format {format}")
    if bits is not None and bits not in BITS:
        raise UserError(f"--bits {bits}: choose one of {', '.join(map(str, BITS))}")
    if name is not None and not name.replace("-", "").replace("_", "").isalnum():
        raise UserError(f"--name {name!r}: use letters, digits, - and _ only")
    require_folder(source)
    if is_task_adapter(source) and not FORMATS[format].takes_tasks:
        raise UserError(
            f"{source} is a task adapter, a bottleneck with a head of its own, which --format {format} cannot hold; "
            "use --format onnx, or publish it with `lrl-adapt push`"
        )
    check_new(out)


def is_task_adapter(folder: Path) -> bool:
    """Whether a folder holds a task adapter, or the scores that have one."""
    return holds_task(folder) or holds_task(folder / TASK_ADAPTER)
