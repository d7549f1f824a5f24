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
    "?: unknown; no: not in the pre-training data of the model; —: none\n"
    "class: resource class from 0 (fewest resources) to 5 (Joshi et al. 2020)"
)
SIDE_BY_SIDE = 3  # languages that are shown in full, in columns; more are listed in rows


def languages_cmd(
    search: Annotated[
        str | None, typer.Option("--search", "-s", help="Search for part of a name or code.", show_default=False)
    ] = None,
    paper: Annotated[bool, typer.Option("--paper", help="Only the 30 languages of the paper.")] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """List languages with their codes and their sizes in the pre-training data of mBERT and XLM-R.

    Languages that are not listed work too, by their label in GlotCC.
    """
    from ..recipes.languages import all_languages, search_languages, suggestion
    from ..workspace.errors import UserError

    terminal = Terminal(as_json=as_json)
    matching = search_languages(search) if search else all_languages()
    languages = [language for language in matching if language.paper or not paper]
    if not matching:
        raise UserError(f"no language matches {search!r}; {suggestion(search or '')}")
    if not languages:
        raise UserError(f"no language of the paper matches {search!r}; leave out --paper to see other languages")
    facts = [_facts(language) for language in languages]
    if len(languages) <= SIDE_BY_SIDE:
        columns = ("", *(language.code for language in languages))
        terminal.table(TITLE, columns, [(name, *(fact[name] for fact in facts)) for name in facts[0]], LEGEND)
    else:
        rows = [
            (language.code, language.name, *(fact[name] for name in LISTED))
            for language, fact in zip(languages, facts, strict=True)
        ]
        headers = (name.replace(" ", "\n") for name in LISTED)  # on two lines, to keep the columns narrow
        terminal.table(TITLE, ("code", "name", *headers), rows, LEGEND)
        for language in languages if search else ():
            if language.note:
                terminal.say(f"{language.code}: {language.note}")
    if search:
        _warn_if_ambiguous(terminal, search)
    terminal.result({"languages": [_as_json(language) for language in languages]})


def _facts(language: "Language") -> dict[str, str]:
    """The facts about a language as texts."""
    documents, resource_class = language.glotcc_documents, language.joshi_class
    return {
        "name": language.name,
        "GlotCC": language.glotcc,
        "ConceptNet, WikiANN": f"{language.conceptnet or '—'}, {language.wikiann or '—'}",
        "sentiment set": language.sentiment or "—",
        "class": "?" if resource_class is None else str(resource_class),
        "mBERT GB": _gigabytes(language.mbert_gb),
        "XLM-R GB": _gigabytes(language.xlmr_gb),
        "GlotCC pages": "?" if documents is None else f"{documents:,}",
        "note": language.note or "—",
    }


def _gigabytes(gigabytes: float | None) -> str:
    """The size of a language in the pre-training data of a model, in GB; "no" for none."""
    if gigabytes is None:
        return "?"
    return f"{gigabytes:.2f}" if gigabytes else "no"


def _warn_if_ambiguous(terminal: Terminal, text: str) -> None:
    """Say so if `text` is not enough to name one language in a recipe."""
    from ..recipes.languages import AmbiguousLanguageError, UnknownLanguageError, find_language

    try:
        find_language(text)
    except AmbiguousLanguageError as error:
        terminal.say(str(error))
    except UnknownLanguageError:
        return  # part of a name, as is usual in a search


def _as_json(language: "Language") -> dict[str, object]:
    return {**asdict(language), "glotcc": language.glotcc}


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("languages", epilog=EPILOG)(guarded(languages_cmd))
