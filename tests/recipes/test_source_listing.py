"""What text sources have for a language, asked of the stand-in of the hub."""

from pathlib import Path

import pytest
from lrl_adapt.recipes.languages import find_language
from lrl_adapt.recipes.source_listing import Offer, list_offers
from lrl_adapt.recipes.text_sources import TextSource, bundled_sources
from lrl_adapt.workspace.hub import forget_answers
from lrl_adapt.workspace.hub_files import find_hub_files

from ..hub import COMMIT, Hub, Repository

WIKIPEDIA = "datasets/wikimedia/wikipedia"
FINEWEB2 = "datasets/HuggingFaceFW/fineweb-2"
CARD = "---\nlicense:\n- cc-by-sa-3.0\n- gfdl\n---\n"


def offer(name: str, language: str = "mlt") -> Offer:
    (result,) = list_offers([bundled_sources()[name]], find_language(language))
    return result


@pytest.fixture
def wikipedia(hub: Hub) -> Hub:
    """The Maltese and the Swahili Wikipedia, the first in two files."""
    hub.known[WIKIPEDIA] = Repository(commit=bundled_sources()["wikipedia"].revision)
    for number in range(2):
        hub.put(f"{WIKIPEDIA}/20231101.mt/train-0000{number}-of-00002.parquet")
    hub.put(f"{WIKIPEDIA}/20231101.sw/train-00000-of-00001.parquet")
    hub.put(f"{WIKIPEDIA}/README.md", CARD)
    return hub


def test_files_bytes_and_licence_are_asked_for_and_nothing_is_downloaded(wikipedia: Hub) -> None:
    result = offer("wikipedia")
    assert (result.state, result.files, result.cached, result.size) == ("found", 2, 0, 200)
    assert (result.licence, result.note) == ("cc-by-sa-3.0, gfdl", "")
    assert not wikipedia.fetched()


def test_a_language_that_the_source_lacks(wikipedia: Hub) -> None:
    result = offer("wikipedia", "yor")
    assert (result.state, result.files, result.note) == ("missing", None, "Wikipedia has no text for yo")


def test_a_language_whose_code_means_another_one_elsewhere(wikipedia: Hub) -> None:
    result = offer("wikipedia", "nrm_Latn")  # Narom; nrm.wikipedia.org is in Norman
    assert (result.state, result.note) == ("missing", "Wikipedia has no text in nrm_Latn")


def test_another_layout_is_no_missing_language(hub: Hub) -> None:
    hub.put(f"{FINEWEB2}/mlt_Latn/000_00000.parquet")
    hub.known[FINEWEB2] = Repository(commit=bundled_sources()["fineweb2"].revision)
    result = offer("fineweb2")
    assert result.state == "missing"
    assert result.note == (
        "fineweb2: HuggingFaceFW/fineweb-2 has no data; it holds mlt_Latn; its layout was taken from pages of the hub "
        "and has never been run: correct a copy of recipes/sources/fineweb2.yaml, and name the copy in corpus.sources"
    )
    forget_answers()
    hub.put(f"{FINEWEB2}/data/mlt_Latn/train.csv")
    source = bundled_sources()["fineweb2"].model_copy(update={"revision": "main", "layout": "unseen"})
    (result,) = list_offers([source], find_language("mlt"))
    assert "HuggingFaceFW/fineweb-2/data/mlt_Latn has no train; it holds train.csv; nobody has seen" in result.note


def test_a_gated_source_says_what_to_do(hub: Hub) -> None:
    hub.known["datasets/me/gated"] = Repository(gated="auto")
    hub.put("datasets/me/gated/mlt_Latn.txt")
    source = TextSource(name="gated", repository="me/gated", files="{code}.txt", licence="mit")
    (result,) = list_offers([source], find_language("mlt"))
    assert (result.state, result.licence) == ("gated", "mit")
    assert "accept its conditions on the hub, then set HF_TOKEN" in result.note


@pytest.mark.usefixtures("no_waiting")
def test_a_hub_that_is_down(hub: Hub) -> None:
    hub.status = 503
    assert offer("hplt").state == "unreachable"


def test_offline_the_cache_is_asked(wikipedia: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    files = find_hub_files(bundled_sources()["wikipedia"].address(find_language("mlt")))
    files.fetch(files.paths[0])
    offer("wikipedia", "sw")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    forget_answers()
    asked = list(wikipedia.requests)
    partly, none, unknown = offer("wikipedia"), offer("wikipedia", "sw"), offer("madlad")
    assert (partly.state, partly.files, partly.cached, partly.size) == ("partly cached", 2, 1, 200)
    assert (none.state, none.files, none.cached) == ("not cached", 1, 0)
    assert (unknown.state, unknown.files, unknown.licence, unknown.note) == ("not cached", None, "odc-by", "")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    files.fetch(files.paths[1])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert offer("wikipedia").state == "cached"
    assert [line for line in wikipedia.requests[len(asked) :] if "/api/" in line] == []


def test_a_branch_is_listed_at_its_commit(hub: Hub) -> None:
    hub.put("datasets/cis-lmu/GlotCC-V1/v1.0/mlt-Latn/mlt-Latn_0.parquet")
    assert offer("glotcc").state == "found"
    assert any(f"tree/{COMMIT}/v1.0/mlt-Latn" in line for line in hub.requests)
