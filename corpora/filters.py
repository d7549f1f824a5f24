"""The filters: which pages are dropped by GlotCC's annotations, and which lines by their features.

A new filter of lines needs a feature in line_features.py, a line in `line_filters`, a field of `Corpus` in
recipes/schema.py, its reason with that field in reasons.py, and a higher
`CACHE_VERSION` in prepare.py if existing recipes give another corpus.
"""

from ..recipes.schema import Corpus
from .code_points import Array
from .line_features import LineFeatures
from .readers import Document
from .reasons import KEPT

RELIGIOUS = frozenset({"religious", "associations_religieuses"})  # GlotCC's categories of religious sites


def page_outcome(document: Document, corpus: Corpus) -> str:
    """KEPT, or the reason why a page is dropped."""
    if document.probability is not None and document.probability < corpus.min_probability:
        return "uncertain language"
    if document.warnings and not document.warnings.isdisjoint(corpus.drop_warnings):
        return "quality warning"
    if corpus.drop_religious and not document.categories.isdisjoint(RELIGIOUS):
        return "religious"
    return KEPT


def line_filters(features: LineFeatures, corpus: Corpus) -> dict[str, Array]:
    """The lines that each filter drops, bool (lines,), by its reason; a line counts for the first that drops it."""
    filters = {
        "too short": features.characters < corpus.min_characters,
        "too long": features.characters > corpus.max_characters,
        "few letters": features.letter_share < corpus.min_letters,
        "other script": features.script_share < corpus.min_script,
    }
    if corpus.drop_boilerplate:
        filters["boilerplate"] = features.boilerplate
    return filters
