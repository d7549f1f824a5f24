"""Where the text of a corpus comes from: local files, addresses on the hub, text sources. Nothing is downloaded here.

`origins` says what a recipe names, in the order of preference; `Origin.find` asks the hub which files there are.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ..workspace.errors import UserError
from ..workspace.hub import list_folder
from ..workspace.hub_files import HubFiles, NotOnHubError, find_hub_files
from .corpus import Corpus
from .corpus_files import HUB, hub_addresses, local_corpus_files
from .languages import Language, find_language
from .text_sources import CODE, OWN_FILES, TextSource

LAYOUTS = {
    "run": "its layout was another when it was read before",
    "seen": "its layout was taken from pages of the hub and has never been run",
    "unseen": "nobody has seen its layout",
}


class NoTextError(UserError):
    """A text source does not have the language."""


def no_text(reasons: Iterable[str], language: Language) -> str:
    """What to do where none of a corpus's sources has the language, for the `reasons` of each."""
    return (
        f"{'; '.join(reasons)}: name local files in corpus.files, or sources that have it "
        f"(lrl-adapt languages {language.code} --sources)"
    )


@dataclass(frozen=True)
class OriginFiles:
    """The files of an origin: local ones, or on the hub."""

    local: tuple[Path, ...] = ()
    hub: HubFiles | None = None


@dataclass(frozen=True)
class Origin:
    """One thing that the text of a corpus comes from."""

    name: str
    """As in `corpus.share`: `files`, or the name of a source."""
    preference: int
    """0 for the most preferred; all of `corpus.files` share one number."""
    place: str
    """Folders, address or hub id, for messages."""
    corpus: Corpus
    language: Language
    address: str = ""
    """The `hf://` address; "" for local files."""
    source: TextSource | None = None

    @property
    def share(self) -> float | None:
        """The largest share of the caps; None if the recipe does not limit it."""
        return self.corpus.share.get(self.name)

    def find(self) -> OriginFiles:
        """The files. Those of the hub are in pseudo-random order if a cap may leave some unread.

        Raises NoTextError if a source does not have the language, and UserError if files cannot be found.
        """
        if not self.address:
            return OriginFiles(local=tuple(local_corpus_files(self.corpus)))
        if self.source is None:
            files = find_hub_files(self.address, several=True)
        else:
            files = find_source_files(self.source, self.language)
        capped = self.corpus.max_bytes is not None or self.corpus.max_documents is not None
        return OriginFiles(hub=files.sorted_by(_shuffled if capped else str))


def origins(corpus: Corpus, language: str) -> list[Origin]:
    """What the text of a corpus comes from, the preferred first."""
    row, listed, entries = find_language(language), [], corpus.files
    local = [entry for entry in entries if not entry.startswith(HUB)]
    if local:
        listed.append(Origin(OWN_FILES, 0, ", ".join(local), corpus, row))
    listed += [Origin(OWN_FILES, 0, address, corpus, row, address) for address in hub_addresses(corpus)]
    first = 1 if entries else 0
    for preference, source in enumerate(corpus.used_sources, first):
        listed.append(Origin(source.name, preference, source.repository, corpus, row, source.address(row), source))
    return listed


def find_source_files(source: TextSource, language: Language) -> HubFiles:
    """The files of a language in a source.

    Raises NoTextError if the source does not have the language, and UserError if the data set cannot be listed or has
    another layout.
    """
    code = source.code_of(language)
    if not code:
        raise NoTextError(f"{source.shown} has no text in {language.name}")
    try:
        return find_hub_files(source.address(language), several=True)
    except NotOnHubError as error:
        if _lacks(source, code):
            raise NoTextError(f"{source.shown} has no text for {code}") from error
        raise UserError(f"{source.name}: {error}; {layout_advice(source)}") from error


def layout_advice(source: TextSource) -> str:
    """What to do where a source does not have the layout that its YAML file describes."""
    return (
        f"{LAYOUTS[source.layout]}: correct a copy of recipes/sources/{source.name}.yaml, and name the copy in "
        "corpus.sources"
    )


def _lacks(source: TextSource, code: str) -> bool:
    """Whether a data set has the expected layout, but not this language: others stand where it would."""
    parts = source.files.split("/")
    level = next(number for number, part in enumerate(parts) if CODE in part)
    listing = list_folder(source.repository, "/".join(parts[:level]), source.revision)
    entries = listing.files if level == len(parts) - 1 else listing.folders
    names = [path.rsplit("/", 1)[-1] for path in entries]
    of_language, of_any = parts[level].replace(CODE, code), parts[level].replace(CODE, "*")
    return any(fnmatchcase(name, of_any) for name in names) and not any(
        fnmatchcase(name, of_language) for name in names
    )


def _shuffled(path: str) -> bytes:
    """A sort key in whose order the first files are no sorted part of the whole."""
    return hashlib.sha256(path.encode()).digest()
