import gzip
import hashlib
import json
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from lrl_adapt.graphs.edges import edges_artifact, extract_edges, try_extract_edges
from lrl_adapt.graphs.prepare import graph_artifact, prepare_graph
from lrl_adapt.recipes.schema import Recipe
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.progress import Quiet

from ..hub import Hub


def row(relation: str, start: str, end: str, license_: str = "cc:by-sa/4.0") -> str:
    details = json.dumps({"license": license_, "weight": 1.0})
    return f"/a/[/r/{relation}/,{start}/,{end}/]\t/r/{relation}\t{start}\t{end}\t{details}\n"


ROWS = [
    *(row("Synonym", f"/c/sw/neno_{number}/n/wn/tag", f"/c/en/word_{number}") for number in range(40)),
    row("RelatedTo", "/c/en/word_1", "/c/sw/neno_1", "cc:by/4.0"),
    row("Synonym", "/c/en/word_1", "/c/sw/neno_1"),  # a mirror
    row("Synonym", "/c/sw/neno_1", "/c/fr/word_1"),  # reads as the first one does
    row("Invented", "/c/sw/a", "/c/sw/b"),
    row("ExternalURL", "/c/sw/a", "http://sw.dbpedia.org/resource/A"),
    row("Synonym", "/c/en/dog", "/c/de/hund"),
]


def recipe(location: object, language: str = "swh_Latn", **more: Any) -> Recipe:
    graph = {"conceptnet": str(location)}
    return Recipe.model_validate(
        {"language": language, "base": {"from_scratch": {}}, "graph": graph, "source": "graph"} | more
    )


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    path = tmp_path / "dump.csv.gz"
    path.write_bytes(gzip.compress("".join(ROWS).encode()))
    return path


def rows_of(folder: Path, name: str) -> list[dict[str, Any]]:
    return pyarrow.parquet.read_table(folder / f"{name}.parquet").to_pylist()


def test_prepare(dump: Path, tmp_path: Path) -> None:
    artifact = prepare_graph(recipe(dump), tmp_path / "runs")
    assert artifact.folder.parent == tmp_path / "runs" / "data" / "swh_Latn"
    triples = rows_of(edges_artifact(recipe(dump), tmp_path / "runs").folder, "edges")
    assert triples[0] == {
        "start": "neno 0",
        "start_language": "sw",
        "start_pos": "n",
        "relation": "Synonym",
        "end": "word 0",
        "end_language": "en",
        "end_pos": "",
        "weight": 1.0,
        "license": "cc:by-sa/4.0",
    }
    splits = {split: rows_of(artifact.folder, split) for split in ("train", "validation", "test")}
    texts = [sentence["text"] for sentences in splits.values() for sentence in sentences]
    assert sorted(texts) == sorted(
        [f"neno {number} is a synonym of word {number}." for number in range(40)] + ["word 1 is related to neno 1."]
    )
    facts = artifact.manifest()["facts"]
    assert facts["counts"] == {
        "rows": 46,
        "kept": 43,
        "other language": 1,
        "malformed": 0,
        "external url": 1,
        "self-loop": 0,
        "duplicate": 1,
        "markup in a term": 0,
        "unpaired bracket in a term": 0,
        "weight of 0 or less": 0,
    }
    assert facts["sentences"] == {split: len(sentences) for split, sentences in splits.items()}
    assert sum(facts["bytes"].values()) == sum(map(len, texts))
    assert facts["unused"] == {"same sentence": 1, "no template": 1}
    assert facts["licenses"] == {"cc:by-sa/4.0": 42, "cc:by/4.0": 1}
    assert facts["statistics"]["edges"] == len(triples) == 43


def test_splits_do_not_share_a_pair(dump: Path, tmp_path: Path) -> None:
    folder = prepare_graph(recipe(dump), tmp_path).folder
    ids = [{sentence["document"] for sentence in rows_of(folder, split)} for split in ("train", "validation", "test")]
    assert sum(map(len, ids)) == len(set.union(*ids)) == 40


def test_card(dump: Path, tmp_path: Path) -> None:
    card = (prepare_graph(recipe(dump), tmp_path).folder / "card.md").read_text(encoding="utf-8")
    for part in ("ConceptNet 5, CC BY-SA 4.0, Speer et al. 2017", "- duplicate: 1", "- Synonym: 41", "- cc:by/4.0: 1"):
        assert part in card


def test_second_call_does_nothing(dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare_graph(recipe(dump), tmp_path)
    before = first.manifest()
    monkeypatch.setattr("lrl_adapt.graphs.edges.DumpReader", None)
    second = prepare_graph(recipe(dump.rename(tmp_path / "moved.csv.gz")), tmp_path)
    assert second.folder == first.folder
    assert second.manifest() == before


def test_other_content_is_another_artifact(dump: Path, tmp_path: Path) -> None:
    first = graph_artifact(recipe(dump), tmp_path)
    dump.write_bytes(gzip.compress(ROWS[0].encode()))
    assert graph_artifact(recipe(dump), tmp_path).key != first.key


class Interrupts(Quiet):
    """A progress during which the user gives up."""

    def track(self, items: Iterable[Any], label: str, total: int | None = None) -> Iterator[Any]:
        yield from items
        raise KeyboardInterrupt


def test_interrupted(dump: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare_graph(recipe(dump), tmp_path, Interrupts())
    artifact = graph_artifact(recipe(dump), tmp_path)
    assert not artifact.exists
    assert not [path for path in artifact.root.iterdir() if path.is_dir()]
    assert prepare_graph(recipe(dump), tmp_path).exists


def test_broken_dump_leaves_nothing(dump: Path, tmp_path: Path) -> None:
    dump.write_bytes(dump.read_bytes()[:-20])
    with pytest.raises(UserError, match="not a readable gzip file"):
        prepare_graph(recipe(dump), tmp_path)
    assert not graph_artifact(recipe(dump), tmp_path).exists


def test_address_is_not_fetched_for_the_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", None)
    address = "https://example.org/dump.csv.gz"
    assert edges_artifact(recipe(address), tmp_path).inputs == {"conceptnet": address}


def test_downloaded_dump_is_used(dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", None)
    address = "https://example.org/dump.csv.gz"
    folder = tmp_path / "downloads" / hashlib.sha256(address.encode()).hexdigest()[:8]
    folder.mkdir(parents=True)
    dump.rename(folder / "dump.csv.gz")
    assert prepare_graph(recipe(address), tmp_path).exists


def test_no_edge_for_the_language(dump: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"dump\.csv\.gz: no edges in ConceptNet's language mt; is this the right file\?"
    ):
        prepare_graph(recipe(dump, "mlt_Latn"), tmp_path)


def test_no_relation_has_a_template(tmp_path: Path) -> None:
    path = tmp_path / "dump.csv"
    path.write_text(row("Invented", "/c/sw/a", "/c/sw/b"), encoding="utf-8")
    with pytest.raises(UserError, match=r"no sentences are left from 1 edge for swh_Latn \(sw\): no template 1"):
        prepare_graph(recipe(path), tmp_path)


def test_missing_dump(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"graph\.conceptnet: no such file: .*absent\.csv\.gz"):
        graph_artifact(recipe(tmp_path / "absent.csv.gz"), tmp_path)


def test_language_without_code(dump: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ConceptNet has no code for Acehnese \(ace_Latn\)"):
        graph_artifact(recipe(dump, "ace_Latn"), tmp_path)


def test_no_graph_section(dump: Path, tmp_path: Path) -> None:
    without = recipe(dump, graph=None, corpus={}, source="text")
    with pytest.raises(UserError, match="no graph section"):
        graph_artifact(without, tmp_path)


def test_one_pass_serves_several_languages(dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = [recipe(dump), recipe(dump, "fra_Latn")]
    extract_edges(both, tmp_path)
    monkeypatch.setattr("lrl_adapt.graphs.edges.DumpReader", None)
    swahili, french = (prepare_graph(each, tmp_path).manifest()["facts"] for each in both)
    assert (swahili["counts"]["kept"], french["counts"]["kept"]) == (43, 1)
    assert french["sentences"]["train"] + french["sentences"]["validation"] + french["sentences"]["test"] == 1


def test_a_language_that_the_dump_lacks_fails_alone(dump: Path, tmp_path: Path) -> None:
    present, absent = recipe(dump), recipe(dump, "mlt_Latn")
    with pytest.raises(UserError, match="no edges in ConceptNet's language mt"):
        extract_edges([absent, present], tmp_path)
    assert edges_artifact(present, tmp_path).manifest()["facts"]["counts"]["kept"] == 43
    assert not edges_artifact(absent, tmp_path).exists
    assert [path for path in (tmp_path / "data" / "mlt_Latn").iterdir() if path.is_dir()] == []
    errors = try_extract_edges([absent, present], tmp_path)
    assert list(errors) == [edges_artifact(absent, tmp_path).folder]


def test_a_dump_that_cannot_be_read_fails_for_its_languages_alone(dump: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(dump.read_bytes()[:-20])
    failing = [recipe(broken), recipe(broken, "fra_Latn")]
    errors = try_extract_edges([*failing, recipe(dump)], tmp_path)
    assert set(errors) == {edges_artifact(each, tmp_path).folder for each in failing}
    assert all(f"{broken}: not a readable gzip file" in str(error) for error in errors.values())
    assert edges_artifact(recipe(dump), tmp_path).exists


def test_another_linearisation_reads_the_dump_no_second_time(
    dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare_graph(recipe(dump), tmp_path)
    monkeypatch.setattr("lrl_adapt.graphs.edges.DumpReader", None)
    walk = recipe(dump, graph={"conceptnet": str(dump), "linearisation": "walk"})
    second = prepare_graph(walk, tmp_path)
    assert second.folder != first.folder
    assert "passages of up to 4 edges" in (second.folder / "card.md").read_text(encoding="utf-8")
    assert graph_artifact(recipe(dump, graph={"conceptnet": str(dump), "seed": 3}), tmp_path).key == first.key


def test_the_card_shows_pictures(dump: Path, tmp_path: Path) -> None:
    folder = prepare_graph(recipe(dump), tmp_path).folder
    for name in ("relations.png", "degrees.png"):
        assert f"({name})" in (folder / "card.md").read_text(encoding="utf-8")
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("no_waiting")
def test_a_dump_from_an_address(hub: Hub, dump: Path, tmp_path: Path) -> None:
    served = hub.folder / "datasets/conceptnet/downloads/assertions.csv.gz"
    served.parent.mkdir(parents=True)
    dump.rename(served)
    hub.first, hub.cuts, hub.redirect = [503, 429], 1, True
    address = f"{hub.address}/datasets/conceptnet/downloads/resolve/main/assertions.csv.gz"
    with pytest.raises(UserError, match=r"assertions\.csv\.gz: interrupted; run the command again"):
        prepare_graph(recipe(address), tmp_path / "runs")
    artifact = prepare_graph(recipe(address), tmp_path / "runs")
    assert artifact.manifest()["facts"]["counts"]["kept"] == 43
    hub.close()
    assert prepare_graph(recipe(address, "fra_Latn"), tmp_path / "runs").exists  # the dump is there already
