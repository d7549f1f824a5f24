"""`lrl-adapt languages`: the table of languages and their codes."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..workspace.formatting import format_size
from ..workspace.home import DEFAULT_WORKSPACE
from . import options
from .console import Terminal
from .options import examples

if TYPE_CHECKING:
    from ..recipes.languages import Language
    from ..recipes.source_listing import Offer

EPILOG = examples(
    "lrl-adapt languages --search urdu",
    "lrl-adapt languages mlt --sources",
    "lrl-adapt languages mlt --base my-base --text my-text.txt",
    "lrl-adapt languages --paper --json",
)
TITLE = "Languages, with their codes in FLORES and SIB-200"
LISTED = ("ConceptNet, WikiANN", "class", "mBERT GB", "XLM-R GB", "GlotCC pages")
LEGEND = (
    "?: unknown; no: not in the pre-training data of the model; —: none\n"
    "class: resource class from 0 (fewest resources) to 5 (Joshi et al. 2020)"
)
SOURCE_LEGEND = "size: of the compressed files; cached: in the local cache; nothing was downloaded"
READING_LEGEND = "word: what stands between two spaces; with many unknown tokens, see docs/scripts.md"
SIDE_BY_SIDE = 3  # languages that are shown in full, in columns; more are listed in rows


def languages_cmd(  # noqa: PLR0913, PLR0917
    language: Annotated[
        str | None, typer.Argument(metavar="LANGUAGE", help="Only this language, by any of its codes.")
    ] = None,
    search: Annotated[str | None, typer.Option("--search", "-s", help="Search for part of a name or code.")] = None,
    paper: Annotated[bool, typer.Option("--paper", help="Only the 30 languages of the paper.")] = False,
    sources: Annotated[
        bool, typer.Option("--sources", help="Ask the hub which text there is in LANGUAGE: files, size and licence.")
    ] = False,
    base: Annotated[
        list[str] | None,
        typer.Option(
            help="Show how the tokenizer of this base, a hub id or folder, reads text in LANGUAGE: tokens per word and "
            "share of unknown ones; may be repeated.",
        ),
    ] = None,
    text: Annotated[
        list[Path] | None,
        typer.Option(
            help="--base: file of text in LANGUAGE; may be repeated; default: the newest prepared corpus.",
        ),
    ] = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """List languages with their codes and their sizes in the pre-training data of mBERT and XLM-R.

    Languages that are not listed work too, by their label in GlotCC.
    """
    from ..workspace.errors import UserError

    terminal = Terminal(as_json=as_json)
    if language and search:
        raise UserError("give LANGUAGE or --search, not both")
    if sources and not language:
        raise UserError("--sources needs a language: lrl-adapt languages mlt --sources")
    if (base or text) and not (base and language):
        raise UserError("--base and --text need a language and a base: lrl-adapt languages mlt --base FOLDER")
    if base and language:
        _show_readings(terminal, language, base, workspace, text or [])
        return
    if sources and language:
        _show_sources(terminal, language)
        return
    languages = _chosen(language, search, paper=paper)
    facts = [_facts(row) for row in languages]
    if len(languages) <= SIDE_BY_SIDE:
        columns = ("", *(row.code for row in languages))
        terminal.table(TITLE, columns, [(name, *(fact[name] for fact in facts)) for name in facts[0]], LEGEND)
    else:
        rows = [
            (row.code, row.name, *(fact[name] for name in LISTED)) for row, fact in zip(languages, facts, strict=True)
        ]
        headers = (name.replace(" ", "\n") for name in LISTED)  # on two lines, to keep the columns narrow
        terminal.table(TITLE, ("code", "name", *headers), rows, LEGEND)
        for row in languages if search else ():
            if row.note:
                terminal.say(f"{row.code}: {row.note}")
    if search:
        _warn_if_ambiguous(terminal, search)
    terminal.result({"languages": [_as_json(row) for row in languages]})


def _chosen(code: str | None, search: str | None, *, paper: bool) -> "list[Language]":
    """The languages to show. Raises UserError where there are none."""
    from ..recipes.languages import all_languages, find_language, language_code, search_languages, suggestion
    from ..workspace.errors import UserError

    if code:
        matching = [find_language(language_code(code, "LANGUAGE"))]
    else:
        matching = search_languages(search) if search else list(all_languages())
    languages = [language for language in matching if language.paper or not paper]
    if not matching:
        raise UserError(f"no language matches {search!r}; {suggestion(search or '')}")
    if not languages:
        raise UserError(
            f"no language of the paper matches {code or search!r}; leave out --paper to see other languages"
        )
    return languages


def _show_sources(terminal: Terminal, code: str) -> None:
    """Print what each text source has for a language."""
    from ..recipes.languages import find_language, language_code
    from ..recipes.source_listing import list_offers
    from ..recipes.text_sources import bundled_sources

    language = find_language(language_code(code, "LANGUAGE"))
    offers = list_offers(bundled_sources().values(), language)
    columns = ("source", "state", "files", "size", "licence", "note")
    title = f"Text in {language.name} ({language.code}), for corpus.sources"
    rows = [_offer_row(offer) for offer in offers]
    if not any(row[-1] for row in rows):
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    terminal.table(title, columns, rows, SOURCE_LEGEND)
    for source in (offer.source for offer in offers):
        terms = f" The text is under {source.terms}." if source.terms else ""
        terminal.say(f"{source.name}: {source.quality}{terms}")
    terminal.result({"language": language.code, "sources": [_offer_json(offer) for offer in offers]})


def _show_readings(terminal: Terminal, code: str, bases: list[str], workspace: Path, files: list[Path]) -> None:
    """Print how bases read a language."""
    from ..pipeline.base_readings import read_with_bases
    from ..recipes.languages import find_language, language_code

    language = find_language(language_code(code, "LANGUAGE"))
    lines, readings = read_with_bases(language.code, bases, workspace, files)
    rows = [
        (name, f"{reading.tokens_per_word:.2f}", f"{reading.unknown_share:.1%}") for name, reading in readings.items()
    ]
    title = f"How bases read {language.name} ({language.code}), on {lines}"
    terminal.table(title, ("base", "tokens per word", "unknown tokens"), rows, READING_LEGEND)
    facts = [
        {
            "base": name,
            **reading._asdict(),
            "tokens_per_word": reading.tokens_per_word,
            "unknown_share": reading.unknown_share,
        }
        for name, reading in readings.items()
    ]
    terminal.result({"language": language.code, "text": lines, "bases": facts})


def _offer_row(offer: "Offer") -> tuple[str, ...]:
    files = "" if offer.files is None else str(offer.files)
    if offer.state == "partly cached":
        files = f"{offer.cached} of {files}"
    return (offer.source.name, offer.state, files, format_size(offer.size), offer.licence, offer.note)


def _offer_json(offer: "Offer") -> dict[str, object]:
    about = offer.source.model_dump(include={"name", "title", "repository", "revision", "terms", "quality", "layout"})
    return about | {name: value for name, value in asdict(offer).items() if name != "source"}


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
