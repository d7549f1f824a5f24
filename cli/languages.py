"""`lrl-adapt languages`: the table of languages and their codes."""

from dataclasses import asdict
from typing import Annotated

import typer

from . import options
from .console import Terminal
from .guard import guarded
from .options import examples

EPILOG = examples("lrl-adapt languages", "lrl-adapt languages --search urdu", "lrl-adapt languages --paper --json")


def languages_cmd(
    search: Annotated[
        str | None, typer.Option("--search", "-s", help="Part of a name or code.", show_default=False)
    ] = None,
    paper: Annotated[bool, typer.Option("--paper", help="Only the 30 languages of the paper.")] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show languages with their codes, and what mBERT and XLM-R saw of them. Any GlotCC label works beside these."""
    from ..recipes.errors import UserError
    from ..recipes.languages import all_languages, search_languages

    terminal = Terminal(as_json=as_json)
    found = [x for x in (search_languages(search) if search else all_languages()) if x.paper or not paper]
    if not found:
        raise UserError(
            f"no language matches {search!r}; a GlotCC label such as mlt-Latn works even when it is not listed"
        )
    rows = [
        (
            x.code,
            x.name,
            *(value or "—" for value in (x.conceptnet, x.wikiann)),
            f"{_number(x.mbert_gb)} / {_number(x.xlmr_gb)}",
            _number(x.glotcc_documents),
        )
        for x in found
    ]
    columns = ("code", "name", "ConceptNet", "WikiANN", "GB in mBERT / XLM-R", "GlotCC pages")
    terminal.table("Languages", columns, rows)
    for language in found if search else ():
        if language.note:
            terminal.say(f"{language.code}: {language.note}")
    terminal.result({"languages": [asdict(language) for language in found]})


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:,}"


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("languages", epilog=EPILOG)(guarded(languages_cmd))
