"""A corpus from several text sources: their layouts, which text wins, how caps are shared out, and what is recorded.

The stand-in's repositories are those of the rehearsal, made from its table of facts.
"""

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from lrl_adapt.corpora.origins import open_origins
from lrl_adapt.corpora.prepare import corpus_artifact, prepare_corpus
from lrl_adapt.corpora.readers import DocumentReader
from lrl_adapt.corpora.sampling import share_out
from lrl_adapt.recipes.schema import Corpus, Recipe
from lrl_adapt.recipes.splits import SPLITS
from lrl_adapt.workspace.artifacts import Artifact
from lrl_adapt.workspace.errors import UserError

from ..hub import Hub
from ..rehearsal.facts import load_facts
from ..rehearsal.items import SHARDS, pages, source_pages
from ..rehearsal.standin import write_repositories
from .test_readers import Said

SOURCES = ("glotcc", "fineweb2", "wikipedia", "finepdfs", "hplt", "madlad")
FINEWEB2 = "datasets/HuggingFaceFW/fineweb-2"


@pytest.fixture
def full(hub: Hub) -> Hub:
    """All text sources, in the layouts of the real ones."""
    hub.known |= write_repositories(hub.folder, load_facts(), SOURCES)
    return hub


def recipe(language: str = "mlt_Latn", **corpus: object) -> Recipe:
    return Recipe.model_validate({"language": language, "base": {"from_scratch": {}}, "corpus": corpus})


def texts(artifact: Artifact) -> list[str]:
    tables = [pyarrow.parquet.read_table(artifact.folder / f"{split}.parquet") for split in SPLITS]
    return [text for table in tables for text in table["text"].to_pylist()]


def lines_of(name: str, shards: range = range(SHARDS)) -> list[str]:
    """The lines of a source's Maltese pages that no rule drops."""
    if name == "glotcc":
        kept = [page for shard in shards for page in pages("mlt_Latn", shard) if page["probability"] >= 0.5]
        kept = [page for page in kept if not page["warnings"]]
    else:
        kept = [page for shard in shards for page in source_pages(name, "mlt_Latn", shard)]
    return [line for page in kept for line in page["text"].split("\n")]


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("name", SOURCES)
def test_every_source_is_read_from_its_layout(name: str, tmp_path: Path) -> None:
    artifact = prepare_corpus(recipe(sources=[name]), tmp_path / "runs")
    assert Counter(texts(artifact)) == Counter(lines_of(name))
    (facts,) = artifact.manifest()["facts"]["sources"]
    about = load_facts()[name]
    assert (facts["name"], f"datasets/{facts['repository']}") == (name, about["repository"])
    licence = about["licence"] if isinstance(about["licence"], str) else ", ".join(about["licence"])
    assert (facts["licence"], facts["of"], len(facts["files"])) == (licence, SHARDS, SHARDS)
    assert facts["lines"] == len(lines_of(name))
    assert facts["bytes"] == sum(len(line.encode()) for line in lines_of(name))


def test_several_sources_are_recorded_each_with_its_licence_and_counts(full: Hub, tmp_path: Path) -> None:
    chosen = recipe(sources=["wikipedia", "glotcc", "madlad"])
    artifact = prepare_corpus(chosen, tmp_path / "runs")
    assert Counter(texts(artifact)) == Counter(lines_of("wikipedia") + lines_of("glotcc") + lines_of("madlad"))
    records = artifact.manifest()["facts"]["sources"]
    assert [record["name"] for record in records] == ["wikipedia", "glotcc", "madlad"]
    assert [record["pages"] for record in records] == [120, 120, 120]
    assert [record["lines"] for record in records] == [len(lines_of(record["name"])) for record in records]
    card = (artifact.folder / "card.md").read_text()
    assert "- From Wikipedia, wikimedia/wikipedia at revision b04c8d1c" in card
    assert "Licence: cc-by-sa-3.0, gfdl." in card
    assert "Licence: packaging odc-by, the text under Common Crawl's terms of use." in card
    assert f"| wikimedia/wikipedia | 120 | {len(lines_of('wikipedia')):,} | " in card
    full.close()
    assert prepare_corpus(chosen, tmp_path / "runs").folder == artifact.folder


def write_texts(hub: Hub, repository: str, path: str, lines: Sequence[str]) -> None:
    rows = "".join(json.dumps({"text": line}, ensure_ascii=False) + "\n" for line in lines)
    hub.put(f"datasets/{repository}/{path}", rows)


def source(name: str) -> dict[str, str]:
    return {"name": name, "repository": f"me/{name}", "files": "{code}.jsonl"}


def made_up(name: str, count: int) -> list[str]:
    """Lines of about 100 bytes that resemble no other."""
    rng = random.Random(name)
    words = ["".join(rng.choices("abdefghiklmnoprstuwyz", k=7)) for _ in range(2000)]
    return [" ".join(rng.choices(words, k=12)) + "." for _ in range(count)]


@pytest.mark.parametrize("cap", [{}, {"max_bytes": "100KB"}])
def test_the_text_of_an_earlier_source_wins_over_its_near_twin(hub: Hub, tmp_path: Path, cap: dict) -> None:
    """With a cap, whatever the pages' ranks are: each source is the preferred one once."""
    lines = made_up("twins", 60)
    write_texts(hub, "me/one", "swh_Latn.jsonl", [f"{line} Tena." for line in lines])
    write_texts(hub, "me/two", "swh_Latn.jsonl", [f"{line} Pia" for line in lines])
    for first, second, ending in (("one", "two", " Tena."), ("two", "one", " Pia")):
        chosen = recipe("swh_Latn", sources=[source(first), source(second)], **cap)
        artifact = prepare_corpus(chosen, tmp_path / "runs")
        assert sorted(texts(artifact)) == sorted(line + ending for line in lines)
        assert [record["lines"] for record in artifact.manifest()["facts"]["sources"]] == [len(lines), 0]


def bytes_by_source(artifact: Artifact) -> dict[str, int]:
    return {record["name"]: record["bytes"] for record in artifact.manifest()["facts"]["sources"]}


def test_max_bytes_is_shared_out(hub: Hub, tmp_path: Path) -> None:
    for name, count in (("one", 1000), ("two", 1000), ("small", 40)):
        write_texts(hub, f"me/{name}", "swh_Latn.jsonl", made_up(name, count))
    chosen = {"sources": [source(name) for name in ("one", "two", "small")], "max_bytes": "30KB"}
    equal = bytes_by_source(prepare_corpus(recipe("swh_Latn", **chosen), tmp_path / "runs"))
    small = sum(map(len, made_up("small", 40)))
    assert equal["small"] == small  # less than a third: the others divide the rest
    for name in ("one", "two"):
        assert equal[name] == pytest.approx((30_000 - small) / 2, abs=100)
    shared = recipe("swh_Latn", share={"two": 0.2}, **chosen)
    parts = bytes_by_source(prepare_corpus(shared, tmp_path / "runs"))
    assert parts["two"] == pytest.approx(6_000, abs=100)
    assert parts["one"] == pytest.approx(24_000 - small, abs=100)
    assert parts["small"] == small


def test_what_is_over_the_cap_of_one_source_is_no_duplicate_for_the_next(hub: Hub, tmp_path: Path) -> None:
    """Both have the same lines: what the first may not give, the second gives."""
    lines = made_up("same", 1000)
    for name in ("one", "two"):
        write_texts(hub, f"me/{name}", "swh_Latn.jsonl", lines)
    share = {"one": 0.5, "two": 0.5}
    chosen = recipe("swh_Latn", sources=[source("one"), source("two")], share=share, max_bytes="20KB")
    artifact = prepare_corpus(chosen, tmp_path / "runs")
    result = texts(artifact)
    assert len(result) == len(set(result))
    parts = bytes_by_source(artifact)
    assert parts["one"] == pytest.approx(10_000, abs=100)
    assert parts["two"] == pytest.approx(10_000, abs=100)


def test_the_sample_does_not_depend_on_the_batches(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        write_texts(hub, f"me/{name}", "swh_Latn.jsonl", made_up(name, 3000))
    chosen = recipe("swh_Latn", sources=[source("one"), source("two")], max_bytes="10KB", share={"one": 0.7})
    whole = prepare_corpus(chosen, tmp_path / "whole")
    monkeypatch.setattr("lrl_adapt.corpora.prepare.BATCH_CHARACTERS", 10_000)
    parts = prepare_corpus(chosen, tmp_path / "parts")
    assert parts.manifest()["facts"]["pages"]["not sampled"] > 1000
    assert texts(parts) == texts(whole)


@pytest.mark.parametrize(
    ("available", "limits", "amounts"),
    [
        ([100, 100], [None, None], [30, 30]),
        ([10, 100], [None, None], [10, 50]),
        ([100, 100, 100], [None, 30, None], [15, 30, 15]),
        ([100, 5, 100], [None, 30, None], [27.5, 5, 27.5]),
        ([10, 10], [None, None], [10, 10]),
        ([100, 100], [12, 18], [12, 18]),
        ([100], [None], [60]),
        ([0, 100], [None, None], [0, 60]),
    ],
)
def test_how_a_cap_is_shared_out(available: list[float], limits: list[float | None], amounts: list[float]) -> None:
    assert share_out(60, available, limits) == pytest.approx(amounts)


def test_sharing_out_equals_giving_byte_by_byte() -> None:
    """A second implementation: whoever has something left gets the next byte in turn."""
    rng = random.Random(0)
    for _ in range(50):
        available = [rng.randint(0, 60) for _ in range(rng.randint(1, 5))]
        given = [0] * len(available)
        for _ in range(100):
            hungry = [number for number, amount in enumerate(given) if amount < available[number]]
            if hungry:
                given[min(hungry, key=lambda number: given[number])] += 1
        amounts = share_out(100, available, [None] * len(available))
        assert all(abs(amount - one) <= 1 for amount, one in zip(amounts, given, strict=True))


def test_addresses_on_the_hub_may_be_globs_and_stand_beside_sources(full: Hub, tmp_path: Path) -> None:
    full.put("datasets/me/books/README.md", "---\nlicense: cc-by-4.0\n---\n")
    for title, lines in (("a-life", made_up("a", 30)), ("b-death", made_up("b", 20))):
        full.put(f"datasets/me/books/mlt_Latn/{title}.txt", "\n".join(lines))
    (tmp_path / "own.txt").write_text("\n".join(made_up("own", 10)))
    files = [str(tmp_path / "own.txt"), "hf://datasets/me/books/{language}/*.txt"]
    chosen = recipe(files=[file.replace("{language}", "mlt_Latn") for file in files], sources=["hplt"])
    artifact = prepare_corpus(chosen, tmp_path / "runs")
    expected = [*made_up("own", 10), *made_up("a", 30), *made_up("b", 20), *lines_of("hplt")]
    assert Counter(texts(artifact)) == Counter(expected)
    own, books, hplt = artifact.manifest()["facts"]["sources"]
    assert (own["name"], own["files"], own["lines"]) == ("files", ["own.txt"], 10)
    assert (books["name"], books["repository"], books["licence"]) == ("files", "me/books", "cc-by-4.0")
    assert (books["files"], books["lines"]) == (["mlt_Latn/a-life.txt", "mlt_Latn/b-death.txt"], 50)
    assert hplt["name"] == "hplt"
    assert artifact.manifest()["sources"] == ["own.txt"]
    assert artifact.manifest()["inputs"]["files"][1] == "hf://datasets/me/books/mlt_Latn/*.txt"


def test_a_source_without_the_language_is_left_out_with_a_message(full: Hub, tmp_path: Path) -> None:
    said = Said()
    chosen = recipe("grn_Latn", sources=["finepdfs", "hplt"])
    artifact = prepare_corpus(chosen, tmp_path / "runs", said)
    assert "FinePDFs has no text for gug_Latn: left out" in said.lines
    pdfs, hplt = artifact.manifest()["facts"]["sources"]
    assert (pdfs["lacks"], pdfs["lines"], hplt["lines"] > 0) == ("FinePDFs has no text for gug_Latn", 0, True)
    assert "- FinePDFs has no text for gug_Latn: left out." in (artifact.folder / "card.md").read_text()
    with pytest.raises(UserError) as error:
        prepare_corpus(recipe("grn_Latn", sources=["finepdfs", "madlad"]), tmp_path / "runs")
    assert str(error.value) == (
        "FinePDFs has no text for gug_Latn; MADLAD-400 has no text for gn: name local files in corpus.files, or "
        "sources that have it (lrl-adapt languages grn_Latn --sources)"
    )


def test_a_column_that_is_missing_names_the_source(full: Hub, tmp_path: Path) -> None:
    path = full.folder / FINEWEB2 / "data/mlt_Latn/train/000_00000.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"content": ["Moja."], "id": ["1"]}), path)
    with pytest.raises(
        UserError, match=r"^fineweb2: .*no column 'text'.*never been run: correct a copy of recipes/sou"
    ):
        prepare_corpus(recipe(sources=["fineweb2"]), tmp_path / "runs")


def test_no_more_is_downloaded_than_the_share_needs(full: Hub) -> None:
    corpus = Corpus.model_validate(
        {"sources": ["wikipedia", "finepdfs"], "max_documents": 40, "share": {"wikipedia": 0.25}}
    )
    wikipedia, finepdfs = open_origins(corpus, "mlt_Latn")
    assert (wikipedia.is_enough(0, 39), wikipedia.is_enough(0, 40)) == (False, True)
    assert (finepdfs.is_enough(0, 159), finepdfs.is_enough(0, 160)) == (False, True)


def test_keys_follow_what_decides_the_text(tmp_path: Path) -> None:
    def key(**corpus: object) -> str:
        return corpus_artifact(recipe(**corpus), tmp_path).key

    assert key() == key(sources=["glotcc"]) == key(sources=["glotcc@main"])
    assert corpus_artifact(recipe(), tmp_path).inputs.items() >= {
        "glotcc": "cis-lmu/GlotCC-V1", "revision": "main"
    }.items()  # fmt: skip
    assert len({key(), key(sources=["glotcc@v1"]), key(sources=["wikipedia"]), key(sources=["wikipedia@v1"])}) == 4
    assert key(sources=["wikipedia", "glotcc"]) != key(sources=["glotcc", "wikipedia"])
    capped = {"sources": ["wikipedia", "glotcc"], "max_bytes": "1MB"}
    assert key(**capped) != key(**capped, share={"wikipedia": 0.3})
    assert key(sources=[source("one")]) == key(sources=[source("one") | {"quality": "good"}])


def test_pages_keep_their_ids_across_sources(full: Hub) -> None:
    """GlotCC's and FineWeb-2's ids are those of Common Crawl's records, so that a page goes to the same split."""
    corpus = Corpus.model_validate({"sources": ["fineweb2"]})
    (opened,) = open_origins(corpus, "mlt_Latn")
    first = next(DocumentReader(corpus).read(next(opened.paths()), opened.origin.source))
    assert first.id == source_pages("fineweb2", "mlt_Latn", 0)[0]["id"]
