"""Terms of the data that lrl-adapt reads, where they are not written beside the data themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COMMON_CRAWL = "Common Crawl's terms of use"
CONCEPTNET = "CC BY-SA 4.0"
LOCAL_FILES = "local files; see their own terms"
UNKNOWN = "see the data set's page"

# (part of an address in lower case, name, terms), for task data whose card was not read or states no licence
TASK_DATA = (
    ("sib200", "SIB-200", "CC BY-SA 4.0"),
    ("sib-200", "SIB-200", "CC BY-SA 4.0"),
    ("wikiann", "WikiANN", "licence unknown"),
    ("masakhaner", "MasakhaNER", "CC BY-NC 4.0"),
    ("afrisenti", "AfriSenti", "CC BY 4.0"),
    ("nusax", "NusaX", "CC BY-SA 4.0"),
    ("flores", "FLORES+", "CC BY-SA 4.0"),
    ("dgurgurov/romanian_sa", "Sentiment sets of arXiv 2502.10140", "CC BY-SA 4.0"),
    ("dgurgurov/", "Sentiment sets of arXiv 2502.10140", f"most of them MIT; {UNKNOWN}"),
)

# The hub's names of the licences that this module can combine, the least demanding first.
COMBINABLE = (
    *("cc0-1.0", "pddl", "mit", "bsd-3-clause", "apache-2.0", "odc-by", "cc-by-3.0", "cc-by-4.0"),
    *("cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
)
OTHER = "other"


@dataclass(frozen=True)
class RolledUp:
    """One licence for what was made from several sources, by the hub's name, and a sentence on why it is this one."""

    licence: str
    reason: str


def roll_up(terms: Mapping[str, str]) -> RolledUp:
    """The most demanding of the licences of several sources, given as source -> terms.

    It is "other" if the terms of a source are not one of the licences that can be combined, if two of them exclude each
    other (share-alike and non-commercial), or if there are no sources.
    """
    if not terms:
        return RolledUp(
            OTHER, "Nothing is recorded about the data that it was trained on, so their terms are not known."
        )
    open_licences = {source: hub_licence(stated) for source, stated in terms.items()}
    others = [source for source, licence in open_licences.items() if licence is None]
    if others:
        listed = "; ".join(f"{source}: {terms[source]}" for source in others)
        return RolledUp(OTHER, f"Not all of the training data has a licence that decides this one ({listed}).")
    licences = {source: licence for source, licence in open_licences.items() if licence is not None}
    strictest = max(licences.values(), key=COMBINABLE.index)
    decisive = " and ".join(source for source, licence in licences.items() if licence == strictest)
    share_alike = [source for source, licence in licences.items() if licence.startswith("cc-by-sa")]
    if "-nc" in strictest and share_alike:
        return RolledUp(
            OTHER,
            f"The licences of the training data exclude each other: {decisive} ({strictest}) allows no commercial use, "
            f"{' and '.join(share_alike)} must be shared under its own licence.",
        )
    return RolledUp(strictest, f"The most demanding licence of the training data, that of {decisive}.")


def hub_licence(terms: str) -> str | None:
    """The hub's name of the licence that `terms` (`CC BY-SA 4.0`, `cc-by-sa-4.0`) are; None for other terms."""
    name = terms.lower().replace(" ", "-")
    return name if name in COMBINABLE else None


def recorded_sources(facts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a corpus was made from, by the facts in its manifest: a record for its files and for each source.

    Corpora of earlier versions were made from files or from GlotCC, and recorded that in another form.
    """
    if "sources" in facts:
        return facts["sources"]
    source = facts.get("source", {})
    if "glotcc" in source:
        return [{"name": "glotcc", "title": "GlotCC", "repository": source["glotcc"], "terms": COMMON_CRAWL, **source}]
    return [{"name": "files", **source}]


def source_terms(record: Mapping[str, Any]) -> str:
    """Terms of the text from one of the `recorded_sources`. The licence of a web crawl covers its packaging."""
    if "repository" not in record:
        return LOCAL_FILES
    licence, terms = record.get("licence"), record.get("terms")
    if not terms:
        return licence or UNKNOWN
    return f"packaging {licence}, the text under {terms}" if licence else terms


def task_data_terms(address: str) -> tuple[str, str] | None:
    """Name and terms of the task data at an address; None for data that are not listed here."""
    return next(((name, terms) for part, name, terms in TASK_DATA if part in address.lower()), None)
