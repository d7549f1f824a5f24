"""One licence for what was made from several sources."""

import pytest
from lrl_adapt.recipes.licences import COMMON_CRAWL, CONCEPTNET, LOCAL_FILES, hub_licence, roll_up, source_terms

GLOTCC = {"repository": "x/y", "licence": "cc0-1.0", "terms": COMMON_CRAWL}


@pytest.mark.parametrize(
    ("terms", "licence", "reason"),
    [
        ({"A": "MIT", "B": "CC BY-SA 4.0", "C": "cc0-1.0"}, "cc-by-sa-4.0", "that of B."),
        ({"A": "CC BY 4.0", "B": "cc-by-4.0"}, "cc-by-4.0", "that of A and B."),
        ({"A": "cc-by-sa-3.0", "ConceptNet": CONCEPTNET}, "cc-by-sa-4.0", "that of ConceptNet."),
        ({"A": "CC BY-NC 4.0", "B": "MIT"}, "cc-by-nc-4.0", "that of A."),
        ({"A": "CC BY-NC 4.0", "B": "cc-by-sa-4.0"}, "other", "A (cc-by-nc-4.0) allows no commercial use, B must be"),
        ({"A": "MIT", "B": LOCAL_FILES}, "other", "(B: local files; see their own terms)"),
        ({"GlotCC": source_terms(GLOTCC)}, "other", COMMON_CRAWL),
        ({"WikiANN": "licence unknown", "B": ""}, "other", "(WikiANN: licence unknown; B: )"),
        ({}, "other", "Nothing is recorded"),
    ],
)
def test_the_most_demanding_licence_wins(terms: dict[str, str], licence: str, reason: str) -> None:
    rolled_up = roll_up(terms)
    assert rolled_up.licence == licence
    assert reason in rolled_up.reason


def test_licences_have_the_names_that_the_hub_gives_them() -> None:
    assert hub_licence("CC BY-SA 4.0") == "cc-by-sa-4.0"
    assert hub_licence("apache-2.0") == "apache-2.0"
    assert hub_licence("see the data set's page") is None
