"""Terms of the data that lrl-adapt reads, where they are not written beside the data themselves."""

from collections.abc import Mapping
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
