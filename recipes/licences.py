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


def glotcc_terms(source: Mapping[str, Any]) -> str:
    """Terms of text from GlotCC, by the `source` among a corpus's facts.

    The licence on GlotCC's page covers the packaging. Corpora of earlier versions did not record it.
    """
    licence = source.get("licence")
    return f"packaging {licence}, the text under {COMMON_CRAWL}" if licence else COMMON_CRAWL


def task_data_terms(address: str) -> tuple[str, str] | None:
    """Name and terms of the task data at an address; None for data that are not listed here."""
    return next(((name, terms) for part, name, terms in TASK_DATA if part in address.lower()), None)
