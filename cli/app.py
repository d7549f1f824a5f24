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
from .guard import guarded
from .usage import Commands

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Adapt small multilingual language models to low-resource languages, and measure whether it helped.",
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


COMMANDS = (  # in the order in which --help lists them
    ("prepare", prepare.prepare_cmd, prepare.EPILOG),
    ("train", train.train_cmd, train.EPILOG),
    ("eval", evaluate.eval_cmd, evaluate.EPILOG),
    ("report", report.report_cmd, report.EPILOG),
    ("run", run.run_cmd, run.EPILOG),
    ("status", status.status_cmd, status.EPILOG),
    ("cancel", cancel.cancel_cmd, cancel.EPILOG),
    ("predict", predict.predict_cmd, predict.EPILOG),
    ("fill-mask", fill_mask.fill_mask_cmd, fill_mask.EPILOG),
    ("serve", serve.serve_cmd, serve.EPILOG),
    ("import-adapter", import_adapter.import_cmd, import_adapter.EPILOG),
    ("export", export.export_cmd, export.EPILOG),
    ("merge", merge.merge_cmd, merge.EPILOG),
    ("push", push.push_cmd, push.EPILOG),
)
for name, command, epilog in COMMANDS:
    app.command(name, epilog=epilog)(guarded(command, single_process="" if name == "train" else name))
app.add_typer(recipes.app, name="recipes")
app.command("languages", epilog=languages.EPILOG)(guarded(languages.languages_cmd))
app.command("doctor", epilog=doctor.EPILOG)(guarded(doctor.doctor_cmd))
any_arguments = {"allow_extra_args": True, "ignore_unknown_options": True}
app.command(export.FORMER_NAME, hidden=True, context_settings=any_arguments)(guarded(export.former_cmd))


def main() -> None:
    """Entry point of the console script."""
    escape_unprintable()
    sys.exit(app())
