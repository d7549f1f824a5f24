"""`lrl-adapt import-adapter`: an AdapterHub adapter converted to PEFT's format."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .console import Terminal
from .options import Base, Out, examples

EPILOG = examples(
    "lrl-adapt import-adapter adapterhub-adapter --base ./my-base --out imported",
    "lrl-adapt import-adapter adapterhub-adapter --base ./my-base --no-invert-before-head --out not-inverted",
)


def import_cmd(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="Folder saved by `adapters` or adapter-transformers; for a fusion, the folder of the fusion itself.",
        ),
    ],
    base: Base,
    out: Out,
    invert: Annotated[
        bool,
        typer.Option(
            "--invert-before-head/--no-invert-before-head",
            help="Whether to undo an invertible adapter's coupling before the LM head, as MAD-X intends.",
        ),
    ] = True,
    coupling: Annotated[str | None, typer.Option(help="Fusion: the adapter whose coupling is used.")] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Convert an AdapterHub adapter (pytorch_adapter.bin or safetensors, with or without head) to PEFT's format."""
    from ..training.conversion_checks import check_import

    check_import(source, out)

    from ..training.import_adapter import import_adapter  # imports torch, which takes long

    terminal = Terminal(as_json=as_json)
    notes = import_adapter(source, base, out, invert_before_head=invert, coupling=coupling)
    for note in notes:
        terminal.say(f"note: {note}")
    terminal.say(f"adapter: {out}; see {out / 'README.md'} for how to load it")
    terminal.result({"folder": str(out), "notes": notes}, out)
