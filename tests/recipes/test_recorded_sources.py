"""The sources that corpora record in their manifests, and the terms of their text."""

from lrl_adapt.recipes.licences import LOCAL_FILES, recorded_sources, source_terms

GLOTCC = {"glotcc": "cis-lmu/GlotCC-V1", "revision": "main", "commit": "abc", "licence": "cc0-1.0", "files": ["a"]}


def test_corpora_of_earlier_versions_record_one_source() -> None:
    (glotcc,) = recorded_sources({"source": GLOTCC})
    assert (glotcc["title"], glotcc["repository"], glotcc["commit"]) == ("GlotCC", "cis-lmu/GlotCC-V1", "abc")
    assert source_terms(glotcc) == "packaging cc0-1.0, the text under Common Crawl's terms of use"
    (unlicensed,) = recorded_sources({"source": {"glotcc": "cis-lmu/GlotCC-V1", "revision": "main"}})
    assert source_terms(unlicensed) == "Common Crawl's terms of use"
    (files,) = recorded_sources({"source": {"files": ["a.txt"]}})
    assert (files["name"], files["files"], source_terms(files)) == ("files", ["a.txt"], LOCAL_FILES)


def test_corpora_record_each_source_with_its_terms() -> None:
    records = [
        {"name": "files", "files": ["a.txt"]},
        {"name": "wikipedia", "repository": "wikimedia/wikipedia", "licence": "cc-by-sa-3.0, gfdl"},
        {"name": "mine", "repository": "me/texts", "licence": ""},
    ]
    assert recorded_sources({"sources": records}) == records
    assert [source_terms(record) for record in records] == [
        LOCAL_FILES,
        "cc-by-sa-3.0, gfdl",
        "see the data set's page",
    ]
