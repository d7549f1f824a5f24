"""`lrl-adapt languages`: the table of languages and their codes."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from . import options
from .console import Terminal
from .guard import guarded
from .options import examples

if TYPE_CHECKING:
    from ..recipes.languages import Language

EPILOG = examples("lrl-adapt languages", "lrl-adapt languages --search urdu", "lrl-adapt languages --paper --json")
TITLE = "Languages, with their codes in FLORES and SIB-200"
LISTED = ("ConceptNet, WikiANN", "class", "mBERT GB", "XLM-R GB", "GlotCC pages")
LEGEND = (
    "?: not known to lrl-adapt; no: not in the model's pre-training data; —: none\n"
    "class: resources, from 0 (fewest) to 5 (Joshi et al. 2020)"
)
SIDE_BY_SIDE = 3  # languages, shown in full; more become lines of a list


def languages_cmd(
    search: Annotated[
        str | None, typer.Option("--search", "-s", help="Part of a name or code.", show_default=False)
    ] = None,
    paper: Annotated[bool, typer.Option("--paper", help="Only the 30 languages of the paper.")] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show languages with their codes, and what mBERT and XLM-R saw of them. Any other GlotCC label works too."""
    from ..recipes.languages import all_languages, search_languages, suggestion
    from ..workspace.errors import UserError

    terminal = Terminal(as_json=as_json)
    matching = search_languages(search) if search else all_languages()
    found = [language for language in matching if language.paper or not paper]
    if not matching:
        raise UserError(f"no language matches {search!r}; {suggestion(search or '')}")
    if not found:
        raise UserError(f"no language of the paper matches {search!r}; leave out --paper to see the others")
    facts = [_facts(language) for language in found]
    if len(found) <= SIDE_BY_SIDE:
        columns = ("", *(language.code for language in found))
        terminal.table(TITLE, columns, [(name, *(fact[name] for fact in facts)) for name in facts[0]], LEGEND)
    else:
        rows = [
            (language.code, language.name, *(fact[name] for name in LISTED))
            for language, fact in zip(found, facts, strict=True)
        ]
        narrow = (name.replace(" ", "\n") for name in LISTED)
        terminal.table(TITLE, ("code", "name", *narrow), rows, LEGEND)
        for language in found if search else ():
            if language.note:
                terminal.say(f"{language.code}: {language.note}")
    if search:
        _warn(terminal, search)
    terminal.result({"languages": [_as_json(language) for language in found]})


def _facts(language: "Language") -> dict[str, str]:
    """Everything known of a language, in words."""
    documents, resources = language.glotcc_documents, language.joshi_class
    return {
        "name": language.name,
        "GlotCC": language.glotcc,
        "ConceptNet, WikiANN": f"{language.conceptnet or '—'}, {language.wikiann or '—'}",
        "sentiment set": language.sentiment or "—",
        "class": "?" if resources is None else str(resources),
        "mBERT GB": _seen(language.mbert_gb),
        "XLM-R GB": _seen(language.xlmr_gb),
        "GlotCC pages": "?" if documents is None else f"{documents:,}",
        "note": language.note or "—",
    }


def _seen(gigabytes: float | None) -> str:
    """How much of a language a model saw in pre-training, in GB, or that it saw none."""
    if gigabytes is None:
        return "?"
    return f"{gigabytes:.2f}" if gigabytes else "no"


def _warn(terminal: Terminal, text: str) -> None:
    """Say so when `text` is not enough to name a language in a recipe."""
    from ..recipes.languages import AmbiguousLanguageError, UnknownLanguageError, find_language

    try:
        find_language(text)
    except AmbiguousLanguageError as error:
        terminal.say(str(error))
    except UnknownLanguageError:
        return  # part of a name, as searches are


def _as_json(language: "Language") -> dict[str, object]:
    return {**asdict(language), "glotcc": language.glotcc}


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("languages", epilog=EPILOG)(guarded(languages_cmd))
