"""Addresses and patterns of files on the hub, resolved by listing a repository on a loopback hub."""

import json
from pathlib import Path

import pytest
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.hub import forget_answers, list_folder
from lrl_adapt.workspace.hub_files import NotOnHubError, expand_braces, find_hub_files
from lrl_adapt.workspace.locations import hub_licences, identity, local_files

from ..hub import COMMIT, Hub, Repository

CARD = """---
license: cc-by-sa-4.0
dataset_info:
- config_name: mlt_Latn
  features:
  - name: label
    dtype:
      class_label:
        names: {'0': geography, '1': health, '10': travel, '2': sports}
  - name: tags
    sequence:
      class_label:
        names: {'0': O, '1': B-PER}
---
"""


@pytest.fixture
def sib(hub: Hub) -> Hub:
    for language in ("mlt_Latn", "swh_Latn", "ben_Beng"):
        for split in ("train", "dev", "test"):
            hub.put(f"datasets/me/sib/data/{language}/{split}.tsv", f"{language} {split}")
    hub.put("datasets/me/sib/README.md", CARD)
    return hub


def refusal(path: str) -> str:
    with pytest.raises(UserError) as error:
        find_hub_files(f"hf://datasets/{path}")
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("pattern", "expanded"),
    [
        ("a.csv", ["a.csv"]),
        ("{dev,validation}.csv", ["dev.csv", "validation.csv"]),
        ("{a,b}/{c,d}", ["a/c", "a/d", "b/c", "b/d"]),
        ("{wikiann}/x", ["{wikiann}/x"]),
    ],
)
def test_braces_stand_for_alternatives(pattern: str, expanded: list[str]) -> None:
    assert expand_braces(pattern) == expanded


def test_braces_that_stand_for_too_many_paths_are_refused() -> None:
    assert refusal(f"me/sib/{'{a,b}' * 40}.csv").endswith(
        "its braces stand for 1,099,511,627,776 paths; at most 1,000 are allowed"
    )


def test_a_pattern_names_the_one_file_that_matches(sib: Hub) -> None:
    files = find_hub_files("hf://datasets/me/sib/data/mlt_Latn/{validation,dev,valid}*.{parquet,jsonl,csv,tsv}")
    assert files.paths == ("data/mlt_Latn/dev.tsv",)
    assert (files.commit, files.sizes, files.card.licence) == (COMMIT, (len("mlt_Latn dev"),), "cc-by-sa-4.0")
    assert files.addresses() == [f"hf://datasets/me/sib@{COMMIT}/data/mlt_Latn/dev.tsv"]
    assert not files.cached
    assert [path.read_text() for path in files.download()] == ["mlt_Latn dev"]
    assert files.cached


def test_all_shards_of_a_split_in_their_order(hub: Hub, tmp_path: Path) -> None:
    for number in range(11):
        hub.put(f"datasets/me/wiki/mt/train-{number:05}-of-00011.parquet", str(number))
        hub.put(f"datasets/me/glot/mlt-Latn_{number}.parquet", str(number))
    hub.put("datasets/me/wiki/mt/test-00000-of-00001.parquet")
    train = local_files("hf://datasets/me/wiki/mt/train-*.parquet", tmp_path)
    assert [path.read_text() for path in train] == [str(number) for number in range(11)]
    assert find_hub_files("hf://datasets/me/glot/*.parquet").paths[-1] == "mlt-Latn_10.parquet"


def test_files_that_are_no_shards_of_one_are_an_error(sib: Hub, hub: Hub) -> None:
    message = refusal("me/sib/data/mlt_Latn/*.tsv")
    assert message.startswith("me/sib: data/mlt_Latn/*.tsv names ")
    assert message.endswith(", which are not shards of one file; name the file")
    assert "data/mlt_Latn/dev.tsv" in message
    hub.put("datasets/me/half/train-00000-of-00003.parquet")
    hub.put("datasets/me/half/train-00002-of-00003.parquet")
    assert "are not shards of one file" in refusal("me/half/train-*.parquet")  # one of the three is not there
    hub.put("datasets/me/one/train-00000-of-00002.parquet")
    assert "the others are missing" in refusal("me/one/train-*.parquet")
    hub.put("datasets/me/years/x-2019.csv")
    hub.put("datasets/me/years/x-2020.csv")
    assert "are not shards of one file" in refusal("me/years/x-*.csv")


@pytest.mark.parametrize(
    ("path", "message", "missing"),
    [
        ("data/mlt_Latm/dev.tsv", "me/sib/data has no mlt_Latm; it holds mlt_Latn, ", "mlt_Latm"),
        (
            "data/mlt_Latn/val*.tsv",
            "me/sib/data/mlt_Latn has no val*.tsv; it holds dev.tsv, train.tsv, test.tsv",
            "val*",
        ),
        ("sib200/test/mlt_Latn.parquet", "me/sib has no sib200; it holds README.md, data", "sib200"),
        ("data/bre_Latn/dev.tsv", "me/sib/data has no bre_Latn; it holds ", "bre_Latn"),
    ],
)
def test_a_file_that_is_missing_is_told_with_what_is_there(sib: Hub, path: str, message: str, missing: str) -> None:
    assert refusal(f"me/sib/{path}").startswith(message)
    with pytest.raises(NotOnHubError) as error:
        find_hub_files(f"hf://datasets/me/sib/{path}")
    assert error.value.missing == missing


def test_an_address_without_a_file_is_told() -> None:
    assert refusal("me/sib") == "hf://datasets/me/sib: expected hf://datasets/OWNER/NAME/FILE"


def test_of_alternatives_the_first_that_exists_counts(sib: Hub, tmp_path: Path) -> None:
    dev, missing = "hf://datasets/me/sib/data/mlt_Latn/dev.tsv", "hf://datasets/me/sib/data/mlt_Latn/valid.tsv"
    assert [path.read_text() for path in local_files([missing, dev], tmp_path)] == ["mlt_Latn dev"]
    (tmp_path / "own.csv").write_text("own")
    own = [str(tmp_path / "none.csv"), str(tmp_path / "own.csv"), dev]
    assert [path.read_text() for path in local_files(own, tmp_path)] == ["own"]
    assert identity(own) == identity(str(tmp_path / "own.csv"))
    assert identity([missing, dev]) == f"{missing} | {dev}"  # nothing is asked
    with pytest.raises(UserError, match=r"has no nothing\.tsv; it holds"):
        local_files([missing, "hf://datasets/me/sib/data/mlt_Latn/nothing.tsv"], tmp_path)
    with pytest.raises(UserError, match="no such file"):
        local_files([missing, str(tmp_path / "none.csv")], tmp_path)


@pytest.mark.usefixtures("no_waiting")
def test_a_server_that_fails_is_no_reason_to_take_the_next_alternative(sib: Hub, tmp_path: Path) -> None:
    sib.status = 503
    with pytest.raises(UserError, match="the hub is down"):
        local_files(["hf://datasets/me/sib/data/mlt_Latn/dev.tsv", str(tmp_path)], tmp_path)


def test_wildcards_stand_in_the_files_name_alone(sib: Hub) -> None:
    assert refusal("me/sib/data/*/dev.tsv").startswith(
        "me/sib: data/*/dev.tsv: *, ? and [...] are allowed in the name of"
    )


def test_a_name_that_no_repository_can_have_is_an_error_not_a_bug(sib: Hub) -> None:
    assert "me/my--data" in refusal("me/my--data/a.csv")


@pytest.mark.usefixtures("no_waiting")
def test_files_of_an_older_commit_serve_while_the_hub_is_down(sib: Hub, tmp_path: Path) -> None:
    address = "hf://datasets/me/sib/data/mlt_Latn/dev.tsv"
    (old,) = local_files(address, tmp_path)
    sib.known["datasets/me/sib"] = Repository(commit="f" * 40)  # the branch moves on, and its listing is seen
    forget_answers()
    assert find_hub_files(address).commit == "f" * 40
    sib.close()
    forget_answers()
    assert find_hub_files(address).commit == COMMIT
    assert local_files(address, tmp_path) == [old]


def test_what_stands_before_the_first_local_file_counts(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("own")
    own = str(tmp_path / "own.csv")
    assert identity(["hf://datasets/a/b/c.csv", own]) == f"hf://datasets/a/b/c.csv | {identity(own)}"
    assert identity([str(tmp_path / "none.csv"), "hf://datasets/a/b/c.csv"]) == "hf://datasets/a/b/c.csv"


@pytest.mark.parametrize(
    "revision", ["refs/convert/parquet", "refs/pr/3", "refs%2Fpr%2F3", "release%2f1", "main", COMMIT]
)
def test_a_revision_may_have_slashes(monkeypatch: pytest.MonkeyPatch, revision: str) -> None:
    asked = []
    monkeypatch.setattr("lrl_adapt.workspace.hub_files.list_folder", lambda *given: asked.append(given) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        find_hub_files(f"hf://datasets/a/b@{revision}/data/x.parquet")
    assert asked == [("a/b", "data", revision)]


def test_the_card_tells_licence_and_names_of_labels(sib: Hub) -> None:
    card = list_folder("me/sib", "data", "main").card
    assert card.licence == "cc-by-sa-4.0"
    assert card.class_names == {
        "mlt_Latn": {"label": ["geography", "health", "sports", "travel"], "tags": ["O", "B-PER"]}
    }
    addresses = hub_licences(["hf://datasets/me/sib/data/mlt_Latn/dev.tsv", "local.csv"])
    assert addresses == {f"hf://datasets/me/sib@{COMMIT}/data/mlt_Latn/dev.tsv": "cc-by-sa-4.0"}


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: [mit, cc0-1.0]\n---\n", "mit, cc0-1.0"),
        ("---\nlicense: other\nlicense_name: weird\n---\n", "weird"),
        ("---\nlanguage: mt\n---\n", ""),
        ("no metadata", ""),
    ],
)
def test_licences_of_every_form(hub: Hub, card: str, licence: str) -> None:
    hub.put("datasets/me/other/README.md", card)
    assert list_folder("me/other", "", "main").card.licence == licence


def test_one_request_for_a_listing_and_one_for_the_card(sib: Hub) -> None:
    for split in ("train", "dev", "test"):
        find_hub_files(f"hf://datasets/me/sib/data/mlt_Latn/{split}.tsv")
    assert len(sib.requests) == 2


def test_a_listing_of_a_commit_is_asked_for_once_ever(sib: Hub) -> None:
    for _ in range(2):
        find_hub_files(f"hf://datasets/me/sib@{COMMIT}/data/mlt_Latn/dev.tsv")
        forget_answers()
    assert len(sib.requests) == 2
    find_hub_files("hf://datasets/me/sib/data/mlt_Latn/dev.tsv")
    forget_answers()
    find_hub_files("hf://datasets/me/sib/data/mlt_Latn/dev.tsv")
    assert len(sib.requests) == 6  # a branch may move


@pytest.mark.usefixtures("no_waiting")
def test_a_listing_serves_while_the_hub_cannot_be_reached(sib: Hub) -> None:
    before = list_folder("me/sib", "data/mlt_Latn", "main")
    assert sorted(before.files) == [f"data/mlt_Latn/{split}.tsv" for split in ("dev", "test", "train")]
    assert not list_folder("me/sib", "none", "main").exists
    sib.close()
    forget_answers()
    assert list_folder("me/sib", "data/mlt_Latn", "main") == before
    assert not list_folder("me/sib", "none", "main").exists
    with pytest.raises(UserError, match="cannot be reached"):
        list_folder("me/sib", "other", "main")


@pytest.mark.parametrize(("error", "told"), [("GatedRepo", "access is gated"), ("RepoNotFound", "no such repository")])
def test_an_old_listing_does_not_stand_for_a_repository_that_is_closed_now(sib: Hub, error: str, told: str) -> None:
    list_folder("me/sib", "data", "main")
    forget_answers()
    sib.status, sib.error = 403, error
    with pytest.raises(UserError, match=told):
        list_folder("me/sib", "data", "main")


@pytest.mark.parametrize(
    "content", ['{"commit": "01', "{}", json.dumps({"commit": "1", "files": {}, "card": {"x": 1}})]
)
@pytest.mark.usefixtures("no_waiting")
def test_a_broken_listing_counts_for_none(sib: Hub, tmp_path: Path, content: str) -> None:
    before = list_folder("me/sib", "data", "main")
    (kept,) = (tmp_path / "assets").rglob("*.json")
    kept.write_text(content)
    forget_answers()
    sib.status = 503
    with pytest.raises(UserError, match="the hub is down"):
        list_folder("me/sib", "data", "main")
    sib.status = None
    forget_answers()
    assert list_folder("me/sib", "data", "main") == before


def test_a_hub_that_is_down_is_waited_for_once(sib: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    sib.status = 503
    for name in ("me/sib", "me/other", "me/third"):
        with pytest.raises(UserError, match=rf"^{name}: the hub is down"):
            list_folder(name, "a", "main")
    assert waits == [1.0, 4.0]
    assert len(sib.requests) == 3  # and not asked again for each folder


def test_a_cached_file_is_found_offline_without_a_listing(
    sib: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants, hf_hub_download

    hf_hub_download("me/sib", "data/mlt_Latn/dev.tsv", repo_type="dataset")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (path,) = local_files("hf://datasets/me/sib/data/mlt_Latn/dev.tsv", tmp_path)
    assert path.read_text() == "mlt_Latn dev"
    with pytest.raises(UserError, match="not in the local cache"):
        local_files("hf://datasets/me/sib/data/mlt_Latn/test.tsv", tmp_path)
