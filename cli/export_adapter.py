"""`lrl-adapt export-adapter`: a trained adapter for AdapterHub, merged into its base, or in few bits."""

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
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="adapterhub: as `adapters` saves it; merged: base and LoRA in one; peft: plain, from few bits too.",
        ),
    ] = "peft",
    bits: Annotated[
        int | None, typer.Option(help="peft: store the matrices in 8, 4 or 1 bits.", show_default=False)
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Hub id or folder of the base; default: the one that the adapter names.", show_default=False),
    ] = None,
    name: Annotated[str, typer.Option(help="adapterhub: name of the adapter.")] = "mlm",
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write an adapter in another form, or smaller."""
    from ..training.import_export import export_adapter
    from .steps import require_single_process

    require_single_process("export-adapter")
    terminal = Terminal(as_json=as_json)
    facts = export_adapter(source, out, form=form, bits=bits, base=base, name=name)
    notes = facts.pop("notes")
    for note in notes:
        terminal.say(f"note: {note}")
    terminal.table(f"Written to {out}", ("fact", "value"), [(key, str(value)) for key, value in facts.items()])
    terminal.result({"folder": str(out), **facts, "notes": notes}, out)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("export-adapter", epilog=EPILOG)(guarded(export_cmd))
