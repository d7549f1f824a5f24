"""`lrl-adapt report`: one page with every score of a language, or of many."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from . import options
from .console import Terminal
from .guard import guarded
from .options import DEFAULT_WORKSPACE, examples

EPILOG = examples(
    "lrl-adapt report",
    "lrl-adapt report --language swh --json",
    "lrl-adapt report --against seq_bn/text",
    "lrl-adapt report --compare paper --out my-report",
)

Scores = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="SCORES",
        help="scores.json files, their folders, or whole workspaces; default: the workspace.",
        show_default=False,
    ),
]
Languages = Annotated[
    list[str] | None,
    typer.Option("--language", "-l", help="Only this language, in any code; may be repeated.", show_default=False),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Folder to write; default: reports/LANGUAGE, or reports/all, in the workspace.",
        show_default=False,
    ),
]
Compare = Annotated[
    Literal["paper"] | None,
    typer.Option("--compare", help="Show the numbers of arXiv 2502.10140 beside ours.", show_default=False),
]
Against = Annotated[
    str,
    typer.Option("--against", metavar="SYSTEM", help="Compare all others with this system, such as seq_bn/text."),
]


def report_cmd(
    scores: Scores = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: Languages = None,
    out: Out = None,
    against: Against = "base",
    compare: Compare = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Gather scores into one HTML page, with the same tables as CSV, Markdown and LaTeX, and the figures as files."""
    from ..eval.report.writer import write_report
    from ..recipes.languages import UnknownLanguageError, find_language
    from ..workspace.errors import UserError
    from .steps import require_single_process

    require_single_process("report")
    terminal = Terminal(as_json=as_json)
    try:
        languages = [find_language(text).code for text in language or []]
    except UnknownLanguageError as error:
        raise UserError(f"--language: {error}") from error
    page = write_report(
        workspace,
        scores or [],
        languages=languages,
        out=out,
        baseline=against,
        paper_scores=compare == "paper",
        progress=terminal,
    )
    terminal.result({"report": str(page)}, page)


def report(results: Any, workspace: Path, terminal: Terminal) -> Path:
    """Write the report on compared results; returns its page."""
    from ..eval.report.writer import write_page

    return write_page(results, workspace, progress=terminal)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("report", epilog=EPILOG)(guarded(report_cmd))
