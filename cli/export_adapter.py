"""`lrl-adapt export-adapter`: an adapter in AdapterHub's format, merged into its base, or with fewer bits."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from . import options
from .console import Terminal
from .guard import guarded
from .options import Out, examples

EPILOG = examples(
    "lrl-adapt export-adapter my-adapter --format adapterhub --out for-adapterhub",
    "lrl-adapt export-adapter my-adapter --bits 4 --out small-adapter",
    "lrl-adapt export-adapter small-adapter --format peft --out plain-adapter",
)


def export_cmd(
    source: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of a trained or imported adapter.")],
    out: Out,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            help="adapterhub: AdapterHub's format; merged: LoRA or (IA)³ merged into the base; peft: PEFT's format.",
        ),
    ] = "peft",
    bits: Annotated[
        int | None, typer.Option(help="peft: bits per value of a matrix, 8, 4 or 1; default: 32.", show_default=False)
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Hub id or folder of the base; default: the one that the adapter names.", show_default=False),
    ] = None,
    name: Annotated[str, typer.Option(help="adapterhub: name of the adapter.")] = "mlm",
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write an adapter in another format, or with fewer bits."""
    from ..training.conversion_checks import check_export
    from .steps import require_single_process

    require_single_process("export-adapter")
    check_export(source, out, format=format, bits=bits, name=name)

    from ..training.import_export import export_adapter  # imports torch, which takes long

    terminal = Terminal(as_json=as_json)
    exported = export_adapter(source, out, format=format, bits=bits, base=base, name=name)
    for note in exported.notes:
        terminal.say(f"note: {note}")
    facts = {key: value for key, value in asdict(exported).items() if value is not None}
    rows = [(key, str(value)) for key, value in facts.items() if key not in ("folder", "notes")]
    terminal.table(f"Written to {out}", ("", "value"), rows)
    terminal.result(facts, out)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("export-adapter", epilog=EPILOG)(guarded(export_cmd))
