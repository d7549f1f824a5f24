"""What a recipe needs from elsewhere, asked before anything is downloaded."""

import json
from pathlib import Path

import pytest
from lrl_adapt.recipes.loading import load_recipe
from lrl_adapt.recipes.preflight import Source, check_sources, unusable_sources
from lrl_adapt.recipes.schema import Recipe
from lrl_adapt.recipes.text_sources import bundled_sources
from lrl_adapt.workspace.hub import forget_answers

from ..hub import COMMIT, Hub, Repository
from .hub_data_sets import SIB200, SIB200_COMMIT, put_sib200, put_wikiann

MBERT = "models/google-bert/bert-base-multilingual-cased"
OWN_SOURCE = "[{name: mine, repository: me/nothing, files: '{code}.txt'}]"
CARD = "---\nlicense: cc-by-sa-4.0\n---\n"


@pytest.fixture
def full(hub: Hub) -> Hub:
    """Everything that the recipe mbert needs for Maltese."""
    put_sib200(hub, "mlt_Latn")
    hub.put(f"{SIB200}/README.md", CARD)
    put_wikiann(hub, "mt")
    for number in range(2):
        hub.put(f"datasets/cis-lmu/GlotCC-V1/v1.0/mlt-Latn/mlt-Latn_{number}.parquet")
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        hub.put(f"{MBERT}/{name}")
    hub.put(f"{MBERT}/README.md", "---\nlicense: apache-2.0\n---\n")
    return hub


def by_part(recipe: Recipe, folder: Path, finished: tuple[str, ...] = ()) -> dict[str, Source]:
    return {source.part: source for source in check_sources(recipe, folder, None, finished)}


def maltese(*changes: str) -> Recipe:
    return load_recipe("mbert", ["language=mlt", *changes])


def test_everything_is_there(full: Hub, tmp_path: Path) -> None:
    sources = by_part(maltese(), tmp_path)
    assert {part: (source.state, source.size, source.licence) for part, source in sources.items()} == {
        "base": ("found", 200, "apache-2.0"),
        "corpus": ("found", 200, "cc0-1.0"),  # as recipes/sources/glotcc.yaml says, since the card is missing
        "eval.mlm": ("found", 100, "cc-by-sa-4.0"),
        "eval.topic": ("found", 300, "cc-by-sa-4.0"),
        "eval.ner": ("found", 300, ""),
    }
    assert sources["corpus"].place == f"cis-lmu/GlotCC-V1 at {COMMIT[:8]}, v1.0/mlt-Latn (2 files, enough for the cap)"
    assert sources["eval.topic"].place == f"Davlan/sib200 at {SIB200_COMMIT[:8]}, data/mlt_Latn/train.tsv and 2 more"
    assert unusable_sources(sources.values()) == ""
    assert not full.fetched()


def test_what_is_cached_is_not_asked_for_again(full: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants, hf_hub_download
    from lrl_adapt.workspace.locations import local_files

    topic = maltese().eval.topic
    assert topic is not None
    for location in (topic.train, topic.validation, topic.test):
        local_files(location or "", tmp_path)
    for name in ("model.safetensors", "tokenizer.json"):
        hf_hub_download(MBERT.removeprefix("models/"), name)
    by_part(maltese(), tmp_path)  # the listings of the rest are kept
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    forget_answers()
    asked = list(full.requests)
    sources = by_part(maltese(), tmp_path)
    assert full.requests == asked
    assert [sources[part].state for part in ("base", "eval.mlm", "eval.topic")] == ["cached"] * 3
    assert sources["eval.ner"].unusable
    assert "not in the local cache, and HF_HUB_OFFLINE is set" in sources["eval.ner"].note
    assert sources["corpus"].unusable


def test_what_the_user_must_do_for_a_gated_data_set(full: Hub, tmp_path: Path) -> None:
    full.known["datasets/me/gated"] = Repository(gated="auto")
    full.put("datasets/me/gated/lines.txt")
    recipe = maltese("eval.mlm.files=hf://datasets/me/gated/lines.txt")
    mlm = by_part(recipe, tmp_path)["eval.mlm"]
    assert (mlm.state, mlm.unusable) == ("gated", True)
    assert "accept its conditions on the hub, then set HF_TOKEN" in mlm.note


@pytest.mark.parametrize(
    ("change", "part", "note"),
    [
        ("base=me/nothing", "base", "no such repository"),
        (f"corpus.sources={OWN_SOURCE}", "corpus", "no such repository"),
        (
            "eval.mlm.files=hf://datasets/Davlan/sib200/data/mlt_Latn/tset.tsv",
            "eval.mlm",
            "has no tset.tsv; it holds test",
        ),
        ("eval.topic.test=hf://datasets/me/nothing/a.csv", "eval.topic", "no such repository"),
    ],
)
def test_what_is_missing_is_named(full: Hub, tmp_path: Path, change: str, part: str, note: str) -> None:
    sources = by_part(maltese(change), tmp_path)
    assert [name for name, source in sources.items() if source.unusable] == [part]
    assert sources[part].state == "missing"
    assert note in sources[part].note
    assert unusable_sources(sources.values()).startswith(f"{part}: ")


def test_a_model_without_weights_or_tokenizer(full: Hub, tmp_path: Path) -> None:
    (full.folder / MBERT / "tokenizer.json").unlink()
    assert "no tokenizer files" in by_part(maltese(), tmp_path)["base"].note
    forget_answers()
    (full.folder / MBERT / "model.safetensors").unlink()
    full.put(f"{MBERT}/tf_model.h5")
    assert "neither safetensors nor pytorch_model.bin" in by_part(maltese(), tmp_path)["base"].note


@pytest.mark.usefixtures("no_waiting")
def test_a_hub_that_is_down(full: Hub, tmp_path: Path) -> None:
    full.status = 503
    sources = by_part(maltese(), tmp_path)
    assert {source.state for source in sources.values()} == {"unreachable"}


def test_what_only_finished_steps_need_may_be_gone(full: Hub, tmp_path: Path) -> None:
    recipe = maltese("base=me/nothing")
    assert by_part(recipe, tmp_path)["base"].unusable
    assert by_part(recipe, tmp_path, ("base",))["base"].state == "finished"


def test_a_task_that_the_language_lacks_is_skipped(full: Hub, tmp_path: Path) -> None:
    full.put("datasets/cis-lmu/GlotCC-V1/v1.0/bre-Latn/bre-Latn_0.parquet")
    sources = by_part(load_recipe("mbert", ["language=bre"]), tmp_path)
    assert (sources["eval.topic"].state, sources["eval.topic"].note) == ("skipped", "SIB-200 has no bre_Latn")
    assert sources["eval.mlm"].state == "skipped"
    assert not sources["eval.topic"].unusable


def test_a_language_without_text_is_told_before_the_download(full: Hub, tmp_path: Path) -> None:
    corpus = by_part(load_recipe("mbert", ["language=kab"]), tmp_path)["corpus"]
    assert (corpus.state, corpus.note) == (
        "missing",
        "GlotCC has no text for kab-Latn: name local files in corpus.files, or sources that have it "
        "(lrl-adapt languages kab_Latn --sources)",
    )


def test_every_source_of_text_has_a_row(full: Hub, tmp_path: Path) -> None:
    """A source without the language is skipped, files on the hub may be globs, and a missing one is an error."""
    for number in range(2):
        full.put(f"datasets/HPLT/HPLT2.0_cleaned/mlt_Latn/train-0000{number}-of-00002.parquet")
    full.put("datasets/wikimedia/wikipedia/20231101.sw/train-00000-of-00001.parquet")
    for name in ("hplt", "wikipedia"):
        source = bundled_sources()[name]
        full.known[f"datasets/{source.repository}"] = Repository(commit=source.revision)
    full.put("datasets/me/books/a.txt")
    full.put("datasets/me/books/b.pdf")
    (tmp_path / "own.txt").write_text("Moja.\n")
    recipe = maltese(
        f"corpus.files=[{tmp_path}/own.txt, hf://datasets/me/books/*]",
        "corpus.sources=[hplt, wikipedia, finepdfs]",
        "corpus.share={wikipedia: 0.3}",
    )
    rows = [source for source in check_sources(recipe, tmp_path) if source.part.startswith("corpus")]
    assert [(row.part, row.state, row.size, row.licence) for row in rows] == [
        ("corpus files", "local", 6, ""),
        ("corpus files", "found", 200, ""),
        ("corpus hplt", "found", 200, "cc0-1.0"),
        ("corpus wikipedia", "skipped", None, ""),
        ("corpus finepdfs", "missing", None, ""),
    ]
    assert rows[1].place == f"me/books at {COMMIT[:8]}, a.txt (2 files, enough for the cap)"
    assert rows[2].place == "HPLT/HPLT2.0_cleaned at d1324a52, mlt_Latn (2 files, enough for the cap)"
    assert rows[3].note == "Wikipedia has no text for mt"
    assert (
        unusable_sources(rows) == "corpus finepdfs: HuggingFaceFW/finepdfs: no such repository on the hub, or it is "
        "private: set HF_TOKEN"
    )
    assert not full.fetched()
    finished = check_sources(recipe, tmp_path, None, ("corpus",))
    assert [row.state for row in finished if row.part.startswith("corpus")] == ["finished"] * 5


def test_a_dump_over_http(full: Hub, tmp_path: Path) -> None:
    full.put("web/dump.gz", "y" * 1234)
    recipe = maltese("graph={}", f"graph.conceptnet={full.address}/dump.gz")
    assert (by_part(recipe, tmp_path)["graph"].state, by_part(recipe, tmp_path)["graph"].size) == ("found", 1234)
    missing = maltese("graph={}", f"graph.conceptnet={full.address}/none.gz")
    assert "no such file (404)" in by_part(missing, tmp_path)["graph"].note


def test_local_files_need_nobody(hub: Hub, tmp_path: Path) -> None:
    sources = check_sources(load_recipe("quickstart"), tmp_path)
    assert {source.state for source in sources} == {"local"}
    assert not hub.requests
    assert json.dumps([source.note for source in sources]) == json.dumps([""] * len(sources))


def test_tasks_may_lie_in_a_folder(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "brat").mkdir()
    (tmp_path / "brat/a.txt").write_text("Juma yuko")
    (tmp_path / "brat/a.ann").write_text("T1\tPER 0 4\tJuma\n")
    recipe = load_recipe("quickstart", ["eval.topic=null", f"eval.ner={{file: {tmp_path / 'brat'}}}"])
    assert by_part(recipe, tmp_path)["eval.ner"].state == "local"
    (tmp_path / "brat/b.txt").write_text("Asha")
    assert "b.txt lacks its annotations, b.ann" in by_part(recipe, tmp_path)["eval.ner"].note


def test_sentences_may_lie_in_a_folder(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines/a.txt").write_text("Moja.\n")
    (tmp_path / "lines/b.txt").write_text("Mbili.\n")
    for files in ("lines", "lines/*.txt"):
        recipe = load_recipe("quickstart", [f"eval.mlm.files={tmp_path / files}"])
        mlm = by_part(recipe, tmp_path)["eval.mlm"]
        assert (mlm.state, mlm.size, mlm.unusable) == ("local", 13, False)
    missing = by_part(load_recipe("quickstart", [f"eval.mlm.files={tmp_path}/none*.txt"]), tmp_path)["eval.mlm"]
    assert "no such file" in missing.note


def test_what_identifies_languages(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    for name in ("corpus", "own", "other"):
        (tmp_path / f"{name}.txt").write_text("x" * 50)
    hub.put("datasets/Davlan/sib200/data/zsm_Latn/train.tsv")
    section = {"trusted": "own.txt", "neighbours": {"ind": "other.txt"}}

    def identify(section: dict[str, object], finished: tuple[str, ...] = ()) -> Source | None:
        corpus = {"files": "corpus.txt", "drop_task_lines": False, "identify": section}
        recipe = {"language": "swh", "base": {"from_scratch": {}}, "corpus": corpus}
        (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
        return by_part(load_recipe(str(tmp_path / "recipe.yaml")), tmp_path, finished).get("corpus.identify")

    assert identify(section) == Source("corpus.identify", f"{tmp_path}/own.txt and 1 more", "local", 100)
    assert identify(section, finished=("corpus",)) is None
    remote = {"zsm": "hf://datasets/Davlan/sib200/data/zsm_Latn/train.tsv"}
    assert identify({"trusted": "own.txt", "neighbours": remote}).state == "found"
    missing = identify({"trusted": "own.txt", "neighbours": {"ind": ["none.txt"]}})
    assert (missing.state, "none.txt" in missing.note) == ("missing", True)
    hub.put("models/cis-lmu/glotlid/model_v3.bin")
    glotlid = Source("corpus.identify", "cis-lmu/glotlid", "found", 1_690_000_000, "apache-2.0")
    assert identify({}) == glotlid
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert identify({}).note.startswith("cis-lmu/glotlid: not in the local cache, and HF_HUB_OFFLINE is set")
