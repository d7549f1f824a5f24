"""Terms of data that are not written where the data lie."""

from collections.abc import Mapping
from typing import Any

COMMON_CRAWL = "Common Crawl's terms of use"


def glotcc_terms(source: Mapping[str, Any]) -> str:
    """Terms of text from GlotCC, by the `source` among a corpus's facts.

    The licence on GlotCC's page covers the packaging. Corpora of earlier versions did not record it.
    """
    licence = source.get("licence")
    return f"packaging {licence}, the text under {COMMON_CRAWL}" if licence else COMMON_CRAWL
