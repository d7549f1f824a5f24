"""What a corpus is read from: its files are fetched one by one, each when it is its turn, and recorded."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..recipes.corpus_files import unread_corpus_files
from ..recipes.corpus_sources import NoTextError, Origin, OriginFiles, no_text, origins
from ..recipes.languages import find_language
from ..recipes.schema import Corpus
from ..recipes.text_sources import OWN_FILES, bundled_sources
from ..workspace.contents import SAVE_AS
from ..workspace.errors import UserError
from ..workspace.formatting import format_count
from ..workspace.hub import COMMIT
from ..workspace.progress import QUIET, Progress

FETCHED = 4  # files are downloaded until they hold this many times the cap


@dataclass
class OpenOrigin:
    """One origin of a corpus, with its files."""

    origin: Origin
    files: OriginFiles
    lacks: str = ""
    """Why it has no files: its source does not have the language."""
    read: list[str] = field(default_factory=list)
    """Names of the files handed out so far."""

    def paths(self, progress: Progress = QUIET) -> Iterator[Path]:
        """Local paths, one by one. Raises UserError for a file that cannot be downloaded."""
        names = Counter(path.name for path in self.files.local)
        for path in self.files.local:
            self.read.append(path.name if names[path.name] == 1 else f"{path.parent.name}/{path.name}")
            yield path
        if self.files.hub is None:
            return
        for name in self.files.hub.paths:
            progress.say(f"{self.origin.name}, file {len(self.read) + 1} of {len(self.files.hub.paths)}: {name}")
            self.read.append(name)
            yield self.files.hub.fetch(name)

    def is_enough(self, characters: int, documents: int) -> bool:
        """Whether this much text of it is enough for the caps, so that no further file has to be downloaded."""
        corpus, share = self.origin.corpus, self.origin.share or 1.0
        caps = ((characters, corpus.max_bytes), (documents, corpus.max_documents))
        downloads = self.files.hub is not None
        return downloads and any(cap is not None and amount >= FETCHED * share * cap for amount, cap in caps)

    def facts(self) -> dict[str, Any]:
        """Where the text came from, for the manifest: no paths of this machine."""
        facts: dict[str, Any] = {"name": self.origin.name}
        source, hub = self.origin.source, self.files.hub
        if source is not None:
            facts |= {"title": source.shown, "repository": source.repository, "revision": source.revision}
        if self.lacks:
            return facts | {"lacks": self.lacks}
        if hub is not None:
            licence = hub.card.licence or (source.licence if source else "")
            facts |= {"repository": hub.repo, "revision": hub.revision, "commit": hub.commit, "licence": licence}
            facts |= {"terms": source.terms} if source and source.terms else {}
            facts["of"] = len(hub.paths)
        return facts | {"files": self.read}


def open_origins(corpus: Corpus, language: str, progress: Progress = QUIET) -> list[OpenOrigin]:
    """What a corpus is read from, the preferred first; nothing is downloaded yet.

    A source without the language is left out with a message, if another origin has text. Raises UserError if none has,
    or if files cannot be found.
    """
    opened = [_opened(origin) for origin in origins(corpus, language)]
    lacking = [open_origin.lacks for open_origin in opened if open_origin.lacks]
    if len(lacking) == len(opened):
        raise UserError(no_text(lacking, find_language(language)))
    for reason in lacking:
        progress.say(f"{reason}: left out")
    _say_unread(corpus, progress)
    for open_origin in opened:
        _say_commit(open_origin, progress)
    return opened


def _opened(origin: Origin) -> OpenOrigin:
    try:
        return OpenOrigin(origin, origin.find())
    except NoTextError as error:
        return OpenOrigin(origin, OriginFiles(), str(error))


def _say_unread(corpus: Corpus, progress: Progress) -> None:
    for folder, endings in unread_corpus_files(corpus).items():
        counts = ", ".join(f"{count} {ending}" for ending, count in endings.items())
        others = [
            f"save {ending} files as {SAVE_AS[ending.lower()]}" for ending in endings if ending.lower() in SAVE_AS
        ]
        advice = f": {', '.join(others)}" if others else ""
        progress.say(f"{folder}: {format_count(endings.total(), 'file')} not read ({counts}){advice}")


def _say_commit(opened: OpenOrigin, progress: Progress) -> None:
    """How to pin the version that a branch or tag stands for now."""
    hub, name = opened.files.hub, opened.origin.name
    if hub is None or COMMIT.fullmatch(hub.revision):
        return
    if name == OWN_FILES:
        pin = f"hf://datasets/{hub.repo}@{hub.commit}/… in corpus.files"
    elif name in bundled_sources():
        pin = f"{name}@{hub.commit} in corpus.sources"
    else:
        pin = f"revision: {hub.commit} in the source's YAML"
    progress.say(f"{hub.repo}: {hub.revision} is at {hub.commit}; to pin it, write {pin}")
