"""What each text source has for a language, asked before anything is downloaded."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ..workspace.errors import UserError
from ..workspace.hub import is_offline
from ..workspace.hub_errors import is_gated, is_unreachable
from .corpus_sources import NoTextError, find_source_files
from .languages import Language
from .preflight import check_may_download
from .text_sources import TextSource

OfferState = Literal["found", "cached", "partly cached", "not cached", "missing", "gated", "unreachable"]


@dataclass(frozen=True)
class Offer:
    """What a text source has for a language."""

    source: TextSource
    state: OfferState
    """missing: it does not have the language; partly cached, not cached: only offline."""
    files: int | None = None
    cached: int = 0
    """Files in the local cache."""
    size: int | None = None
    """Bytes of all files, compressed."""
    licence: str = ""
    note: str = ""
    """Why there is nothing, and what to do."""


def list_offers(sources: Iterable[TextSource], language: Language) -> list[Offer]:
    """Ask the hub what each source has for a language; offline, look into the local cache. Downloads nothing."""
    return [_offer(source, language) for source in sources]


def _offer(source: TextSource, language: Language) -> Offer:
    try:
        files = find_source_files(source, language)
        cached = len(files.cached_paths)
        state: OfferState = "cached" if files.cached else "found"
        if state == "found" and is_offline():
            state = "partly cached" if cached else "not cached"
        elif state == "found":
            check_may_download(files.repo, files.card.gated, files.fresh, cached=False)
    except UserError as error:
        state = _state(error)
        note = "" if state == "not cached" else str(error)
        return Offer(source, state, licence=source.licence, note=note)
    size = sum(files.sizes) if files.sizes else None
    return Offer(source, state, len(files.paths), cached, size, files.card.licence or source.licence)


def _state(error: UserError) -> OfferState:
    if isinstance(error, NoTextError):
        return "missing"
    if is_offline():
        return "not cached"
    if is_gated(error):
        return "gated"
    return "unreachable" if is_unreachable(error) else "missing"
