"""The `lrl-adapt` program and its commands."""

import sys
from typing import Annotated

import typer

from .. import __version__
from . import (
    cancel,
    doctor,
    evaluate,
    export,
    fill_mask,
    import_adapter,
    languages,
    merge,
    predict,
    prepare,
    push,
    recipes,
    report,
    run,
    serve,
    status,
    train,
)
from .console import escape_unprintable

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Small adapters that teach multilingual language models low-resource languages, honestly measured.",
    epilog="Start with: lrl-adapt run quickstart",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


for module in (
    prepare,
    train,
    evaluate,
    report,
    run,
    status,
    cancel,
    predict,
    fill_mask,
    serve,
    import_adapter,
    export,
    merge,
    push,
    recipes,
    languages,
    doctor,
):
    module.register(app)


def main() -> None:
    """Entry point of the console script."""
    escape_unprintable()
    sys.exit(app())
