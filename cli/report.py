"""`lrl-adapt report`: one page with every score of a language."""

from pathlib import Path
from typing import Any

import typer

from . import options
from .console import Terminal
from .guard import guarded
from .options import DEFAULT_WORKSPACE, examples

EPILOG = examples("lrl-adapt report", "lrl-adapt report --language swh --json")


def report_cmd(
    recipe: options.RecipeArgument = None,
    changes: options.Set = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: options.Language = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Gather the scores of the recipe's language into one HTML page, a CSV and a Markdown table."""
    from ..recipes.loading import load_recipe

    terminal = Terminal(as_json=as_json)
    page = report(load_recipe(recipe, options.overrides(changes, language=language)), workspace, terminal)
    terminal.result({"report": str(page)}, page)


def report(recipe: Any, workspace: Path, terminal: Terminal) -> Path:
    """Write the report; returns its page."""
    from ..eval.report import write_report

    return write_report(workspace, recipe, terminal)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("report", epilog=EPILOG)(guarded(report_cmd))
