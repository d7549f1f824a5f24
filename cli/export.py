"""`lrl-adapt export`: an adapter in another format, or with fewer bits."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..pipeline.export.formats import FORMATS, check_export
from ..workspace.errors import UserError
from ..workspace.formatting import format_percent, format_size
from . import options
from .console import Terminal
from .options import Out, examples

if TYPE_CHECKING:
    from ..pipeline.export.onnx_int8 import QuantisationCost

EPILOG = examples(
    "lrl-adapt export my-adapter --format adapterhub --out for-adapterhub",
    "lrl-adapt export my-adapter --bits 4 --out small-adapter",
    "lrl-adapt export small-adapter --format peft --out plain-adapter",
    "lrl-adapt export my-lora --format merged --trim --text lines.txt --out small-model",
)
FORMATS_HELP = "; ".join(f"{name}: {about.description}" for name, about in FORMATS.items())
FORMER_NAME = "export-adapter"
ROWS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "format": ("format", str),
    "bytes": ("size of the weights", format_size),
    "bytes_before": ("size of the adapter's weights", format_size),
    "bits": ("bits per value", str),
    "relative_error": ("relative error of the weights, %", format_percent),
    "largest_difference": ("largest difference of a logit from PyTorch's", "{:.1e}".format),
    "pieces": ("pieces in the vocabulary", "{:,}".format),
    "kept_share": ("pieces that are kept, %", format_percent),
    "bytes_untrimmed": ("size without trimming", format_size),
}


def export_cmd(  # noqa: PLR0913, PLR0917
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Folder of a language adapter or whole model; for onnx, also of a task adapter."
        ),
    ],
    out: Out,
    format: Annotated[str, typer.Option("--format", help=f"{FORMATS_HELP}.")] = "peft",
    bits: Annotated[int | None, typer.Option(help="peft: bits per value of a matrix, 8, 4 or 1; default: 32.")] = None,
    base: Annotated[
        str | None, typer.Option(help="Hub id or folder of the base; default: the one that the adapter names.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="adapterhub: name of the adapter; default: mlm.")] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="onnx: store weights as 8-bit integers (onnxruntime's dynamic quantisation).")
    ] = False,
    trim: Annotated[
        bool,
        typer.Option(
            "--trim", help="transformers, merged: keep only the pieces of the vocabulary that the language uses."
        ),
    ] = False,
    text: Annotated[
        list[Path] | None,
        typer.Option(
            help="--trim: file of text in the language; may be repeated; default: what the adapter was trained on."
        ),
    ] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write an adapter in another format, or with fewer bits."""
    if text and not trim:
        raise UserError("--text says which pieces to keep: give it with --trim")
    check_export(source, out, format=format, bits=bits, name=name, int8=int8, trim=trim)

    from ..pipeline.export.export import export  # imports torch, which takes long

    terminal = Terminal(as_json=as_json)
    exported = export(source, out, format=format, bits=bits, base=base, name=name, int8=int8, trim=text or trim)
    for note in exported.notes:
        terminal.say(f"note: {note}")
    facts = {key: value for key, value in asdict(exported).items() if value is not None}
    rows = [(label, show(facts[key])) for key, (label, show) in ROWS.items() if key in facts]
    terminal.table(f"Written to {out}", ("", "value"), rows)
    if exported.cost is not None:
        terminal.table("In 8-bit integers, beside fp32", ("", "int8", "fp32"), _cost_rows(exported.cost))
    terminal.result(facts, out)


def _cost_rows(cost: "QuantisationCost") -> list[tuple[str, str, str]]:
    """Size, time and results of both models."""
    from ..eval.display import format_value, metric_name

    rows = [
        ("size", format_size(cost.int8_bytes), format_size(cost.fp32_bytes)),
        ("time for one text", f"{cost.int8_milliseconds:.3g} ms", f"{cost.fp32_milliseconds:.3g} ms"),
    ]
    if test := cost.test:
        what = f"{metric_name(test.metric)}, {test.items:,} test items"
        rows.append((what, format_value(test.int8, test.metric), format_value(test.fp32, test.metric)))
        rows.append(("difference, 95% interval", test.difference, ""))
        rows.append(("p of the paired test", "—" if test.p is None else f"{test.p:.3g}", ""))
    return rows


def former_cmd(context: typer.Context) -> None:
    """Refuse the former name of the command."""
    raise UserError(f"{FORMER_NAME} is now called export: lrl-adapt export {' '.join(context.args)}".rstrip())
