"""The stand-in of the hub, asked by the hub's own client."""

import urllib.request
from pathlib import Path

import pytest
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile, RepoFolder

from .hub import COMMIT, LARGE, Hub, Repository

PINNED = "38977a667f6fc264d5c26ec57a01e16db040b358"
CARD = "---\nlicense: cc-by-sa-4.0\nlanguage:\n- mt\n---\n\n# A data set\n"


@pytest.fixture
def sib(hub: Hub) -> Path:
    """A data set with a card, files in folders, and a commit of its own."""
    repository = hub.folder / "datasets/Davlan/sib200"
    for name in ("data/mlt_Latn/train.tsv", "data/swh_Latn/train.tsv", "labels.txt"):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(f"this is {name}")
    (repository / "README.md").write_text(CARD)
    hub.known["datasets/Davlan/sib200"] = Repository(commit=PINNED)
    return repository


def listing(folder: str | None = None, *, recursive: bool = False) -> dict[str, type]:
    entries = HfApi().list_repo_tree("Davlan/sib200", folder, repo_type="dataset", recursive=recursive)
    return {entry.path: type(entry) for entry in entries}


@pytest.mark.usefixtures("sib")
def test_a_listing_has_files_and_folders() -> None:
    assert listing() == {"README.md": RepoFile, "labels.txt": RepoFile, "data": RepoFolder}
    assert listing("data") == {"data/mlt_Latn": RepoFolder, "data/swh_Latn": RepoFolder}
    assert listing("data/mlt_Latn") == {"data/mlt_Latn/train.tsv": RepoFile}
    assert set(listing("data", recursive=True)) == {
        *("data/mlt_Latn", "data/mlt_Latn/train.tsv", "data/swh_Latn", "data/swh_Latn/train.tsv")
    }
    with pytest.raises(EntryNotFoundError):
        listing("data/bre_Latn")


@pytest.mark.usefixtures("sib")
def test_a_description_has_the_card_and_the_commit() -> None:
    info = HfApi().dataset_info("Davlan/sib200", revision=PINNED, expand=["sha", "cardData", "gated"])
    assert (info.sha, info.gated, info.siblings) == (PINNED, False, None)
    assert info.card_data is not None
    assert info.card_data["license"] == "cc-by-sa-4.0"
    whole = HfApi().dataset_info("Davlan/sib200", files_metadata=True)
    assert {sibling.rfilename: sibling.size for sibling in whole.siblings or []} == {
        "README.md": len(CARD),
        "data/mlt_Latn/train.tsv": 31,
        "data/swh_Latn/train.tsv": 31,
        "labels.txt": 18,
    }


@pytest.mark.usefixtures("sib")
def test_each_repository_has_its_own_commit(hub: Hub) -> None:
    path = hf_hub_download("Davlan/sib200", "data/mlt_Latn/train.tsv", repo_type="dataset", revision=PINNED)
    assert Path(path).read_text() == "this is data/mlt_Latn/train.tsv"
    (hub.folder / "datasets/owner/other").mkdir(parents=True)
    assert HfApi().dataset_info("owner/other").sha == COMMIT
    with pytest.raises(RevisionNotFoundError):
        HfApi().dataset_info("Davlan/sib200", revision=COMMIT)
    with pytest.raises(RepositoryNotFoundError):
        HfApi().dataset_info("Davlan/sib2000")


def test_a_model_tells_its_files_and_their_sizes(hub: Hub) -> None:
    folder = hub.folder / "models/owner/small"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"\0" * LARGE)
    info = HfApi().model_info("owner/small", revision="main", files_metadata=True)
    assert {one.rfilename: one.size for one in info.siblings or []} == {"config.json": 2, "model.safetensors": LARGE}
    assert [one.lfs is not None for one in info.siblings or []] == [False, True]


@pytest.mark.usefixtures("sib")
def test_a_gated_repository_describes_itself_and_keeps_its_files(hub: Hub) -> None:
    hub.known["datasets/Davlan/sib200"] = Repository(commit=PINNED, gated="auto")
    hub.tokens.add("hf_accepted")
    assert HfApi().dataset_info("Davlan/sib200", expand=["gated"]).gated == "auto"
    assert "data" in listing()
    for token, status in ((False, 401), ("hf_other", 403)):
        with pytest.raises(GatedRepoError) as refusal:
            HfApi(token=token).auth_check("Davlan/sib200", repo_type="dataset")
        assert refusal.value.response.status_code == status
        with pytest.raises(GatedRepoError):
            hf_hub_download("Davlan/sib200", "labels.txt", repo_type="dataset", token=token)
    HfApi(token="hf_accepted").auth_check("Davlan/sib200", repo_type="dataset")
    path = hf_hub_download("Davlan/sib200", "labels.txt", repo_type="dataset", token="hf_accepted")
    assert Path(path).read_text() == "this is labels.txt"


def test_other_files_are_served_as_by_any_web_server(hub: Hub) -> None:
    dump = hub.folder / "web/downloads/dump.csv.gz"
    dump.parent.mkdir(parents=True)
    dump.write_bytes(b"0123456789")
    with urllib.request.urlopen(hub.address) as front_page:
        assert front_page.status == 200
    address = f"{hub.address}/downloads/dump.csv.gz"
    with urllib.request.urlopen(urllib.request.Request(address, method="HEAD")) as reply:
        etag = reply.headers["ETag"]
        assert (reply.headers["Content-Length"], etag[0]) == ("10", '"')
    part = urllib.request.Request(address, headers={"Range": "bytes=4-", "If-Range": etag})
    with urllib.request.urlopen(part) as reply:
        assert (reply.status, reply.read(), reply.headers["Content-Range"]) == (206, b"456789", "bytes 4-9/10")
