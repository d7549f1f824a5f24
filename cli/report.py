"""`lrl-adapt report`: one page with every score of a language, or of many."""

from pathlib import Path
from typing import Annotated

import typer

from ..workspace.home import DEFAULT_WORKSPACE
from . import options
from .console import Terminal
from .options import examples

EPILOG = examples(
    "lrl-adapt report",
    "lrl-adapt report --language swh --json",
    "lrl-adapt report --baseline seq_bn/text",
    "lrl-adapt report --paper-scores --out my-report",
)

Scores = Annotated[
    list[Path] | None,
    typer.Argument(metavar="SCORES", help="scores.json files, their folders, or workspaces; default: the workspace."),
]
Languages = Annotated[
    list[str] | None,
    typer.Option(
        "--language",
        "-l",
        help="Only this language, by any of its codes; may be repeated, or a comma-separated list.",
        callback=options.split_commas,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Folder to write; default: reports/LANGUAGE, or reports/all, in the workspace."),
]
Baseline = Annotated[
    str,
    typer.Option(
        "--baseline", metavar="SYSTEM", help="The system that all others are compared with, such as seq_bn/text."
    ),
]
PaperScores = Annotated[bool, typer.Option("--paper-scores", help="Show the scores of arXiv 2502.10140 beside yours.")]
Against = Annotated[str | None, options.renamed_option("--against", "--baseline")]
Compare = Annotated[str | None, options.renamed_option("--compare", "--paper-scores")]


def report_cmd(  # noqa: PLR0913, PLR0917
    scores: Scores = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: Languages = None,
    out: Out = None,
    baseline: Baseline = "base",
    paper_scores: PaperScores = False,
    against: Against = None,
    compare: Compare = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Write an HTML page with all scores, the same tables as CSV, Markdown and LaTeX, and the figures as files."""
    from ..pipeline import report
    from ..recipes.languages import language_code

    terminal = Terminal(as_json=as_json)
    page = report(
        scores or [],
        workspace=workspace,
        languages=[language_code(text, "--language") for text in language or []],
        out=out,
        baseline=baseline,
        paper_scores=paper_scores,
        progress=terminal,
    )
    terminal.result({"report": str(page)}, page)
