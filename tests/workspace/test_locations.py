"""Locations, and files of the hub through its true client, against a hub on loopback."""

import errno
from pathlib import Path

import pytest
from lrl_adapt.recipes.evaluation import PseudoPerplexity
from lrl_adapt.recipes.task_files import read_sentences
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.hub import forget_answers
from lrl_adapt.workspace.hub_errors import hub_errors
from lrl_adapt.workspace.locations import expand_files, identity, local_file, local_files

from ..hub import COMMIT, Hub

REPO = "datasets/mteb/sib200"
TABLE = "text,label\na,b\n"


@pytest.fixture
def table(hub: Hub) -> Path:
    file = hub.folder / REPO / "test/mlt_Latn.csv"
    file.parent.mkdir(parents=True)
    file.write_text(TABLE)
    return file


def refusal(location: str, cache: Path) -> str:
    with pytest.raises(UserError) as error:
        local_file(location, cache)
    assert "\n" not in str(error.value)
    return str(error.value)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_local_file_is_itself(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TABLE)
    assert local_file(str(tmp_path / "a.csv"), tmp_path / "cache") == tmp_path / "a.csv"
    assert refusal(str(tmp_path / "b.csv"), tmp_path) == f"no such file: {tmp_path / 'b.csv'}"
    assert "is a folder; expected a file" in refusal(str(tmp_path), tmp_path)


def test_a_folder_stands_for_its_files_in_order(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="contains no data files"):
        local_files(str(tmp_path), tmp_path)
    for name in ("b.jsonl", "a/c.tsv", ".hidden.csv", "notes.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert local_files(str(tmp_path), tmp_path) == [tmp_path / "a/c.tsv", tmp_path / "b.jsonl"]
    before = identity(str(tmp_path))
    (tmp_path / "notes.md").write_text("other")
    assert identity(str(tmp_path)) == before
    (tmp_path / "b.jsonl").write_text("other")
    assert identity(str(tmp_path)) != before


def test_brats_texts_belong_to_their_annotations(tmp_path: Path) -> None:
    for name in ("a.txt", "a.ann", "b.txt"):
        (tmp_path / name).write_text(name)
    with pytest.raises(UserError, match=r"b\.txt lacks its annotations, b\.ann"):
        local_files(str(tmp_path), tmp_path)
    (tmp_path / "b.ann").write_text("")
    assert local_files(str(tmp_path), tmp_path) == [tmp_path / "a.ann", tmp_path / "b.ann"]
    before = identity(str(tmp_path)), identity(str(tmp_path / "a.ann"))
    (tmp_path / "a.txt").write_text("other")
    assert [before[0] == identity(str(tmp_path)), before[1] == identity(str(tmp_path / "a.ann"))] == [False, False]


@pytest.mark.parametrize("revision", ["", "@main", f"@{COMMIT}"])
@pytest.mark.usefixtures("table")
def test_a_hub_file_at_its_revision(hub: Hub, tmp_path: Path, revision: str) -> None:
    path = local_file(f"hf://datasets/mteb/sib200{revision}/test/mlt_Latn.csv", tmp_path / "downloads")
    assert path.read_text() == TABLE
    assert hub.fetched() == [f"/datasets/mteb/sib200/resolve/{COMMIT}/test/mlt_Latn.csv"]  # the listing's commit
    assert not (tmp_path / "downloads").exists()  # hub files go to the hub's cache


@pytest.mark.usefixtures("table")
def test_a_hub_file_is_fetched_once_and_used_offline(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    address = "hf://datasets/mteb/sib200/test/mlt_Latn.csv"
    first = local_file(address, tmp_path)
    assert local_file(address, tmp_path) == first
    assert len(hub.fetched()) == 1
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    before = list(hub.requests)
    assert local_file(address, tmp_path).read_text() == TABLE
    assert "not in the local cache" in refusal("hf://datasets/mteb/sib200/train/mlt_Latn.csv", tmp_path)
    assert hub.requests == before  # offline asks nobody


@pytest.mark.usefixtures("table", "no_waiting")
def test_a_cached_file_does_while_the_hub_is_down(hub: Hub, tmp_path: Path) -> None:
    address = "hf://datasets/mteb/sib200/test/mlt_Latn.csv"
    local_file(address, tmp_path)
    hub.status = 503
    assert local_file(address, tmp_path).read_text() == TABLE
    hub.close()
    assert local_file(address, tmp_path).read_text() == TABLE
    assert "cannot be reached" in refusal("hf://datasets/mteb/sib200/train/mlt_Latn.csv", tmp_path)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("mteb/sib200/test/deu_Latn.csv", "mteb/sib200/test has no deu_Latn.csv; it holds mlt_Latn.csv"),
        ("mteb/sib200/tests/mlt_Latn.csv", "mteb/sib200 has no tests; it holds test"),
        ("mteb/sib200@v9/test/mlt_Latn.csv", "mteb/sib200: no such revision"),
        ("mteb/sib20/test/mlt_Latn.csv", "mteb/sib20: no such repository on the hub"),
    ],
)
@pytest.mark.usefixtures("table")
def test_what_the_hub_does_not_have(tmp_path: Path, location: str, message: str) -> None:
    assert refusal(f"hf://datasets/{location}", tmp_path).startswith(message)


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (401, "", "set HF_TOKEN (401)"),
        (401, "RepoNotFound", "private: set HF_TOKEN"),
        (403, "GatedRepo", "access is gated: accept its conditions"),
        (404, "", "no such repository or file on the hub: check the name (404)"),
        (429, "", "too many requests"),
        (503, "", "the hub is down: try again later (503)"),
    ],
)
@pytest.mark.usefixtures("table", "no_waiting")
def test_what_the_hub_refuses(hub: Hub, tmp_path: Path, status: int, error: str, message: str) -> None:
    hub.status, hub.error = status, error
    text = refusal("hf://datasets/mteb/sib200/test/mlt_Latn.csv", tmp_path)
    assert text.startswith("mteb/sib200: ")
    assert message in text
    hub.status = None
    forget_answers()
    assert local_file("hf://datasets/mteb/sib200/test/mlt_Latn.csv", tmp_path).read_text() == TABLE


@pytest.mark.usefixtures("table", "no_waiting")
def test_gated_sentences_tell_how_to_get_in(hub: Hub, tmp_path: Path) -> None:
    settings = PseudoPerplexity(files=["hf://datasets/mteb/sib200/test/mlt_Latn.csv"])
    hub.status, hub.error = 403, "GatedRepo"
    with pytest.raises(
        UserError, match=r"eval\.mlm\.files: mteb/sib200: .* accept its conditions on the hub, then set HF_"
    ):
        list(read_sentences(settings, tmp_path))


@pytest.mark.usefixtures("table", "no_waiting")
def test_a_hub_file_that_breaks_off_is_not_kept(hub: Hub, tmp_path: Path) -> None:
    address = "hf://datasets/mteb/sib200/test/mlt_Latn.csv"
    hub.cuts = 99
    assert "test/mlt_Latn.csv: the download was interrupted; run the command again" in refusal(address, tmp_path)
    hub.cuts = 0
    assert local_file(address, tmp_path).read_text() == TABLE


def test_a_repository_name_that_cannot_be_one_is_told() -> None:
    from huggingface_hub import HfApi

    with pytest.raises(UserError, match=r"^/data/glotcc: Repo id must be"), hub_errors("/data/glotcc"):
        list(HfApi().list_repo_tree("/data/glotcc", repo_type="dataset"))


def test_mistakes_of_ours_are_not_dressed_up_as_the_hubs() -> None:
    with pytest.raises(TypeError, match="ours"), hub_errors("a/b"):
        raise TypeError("ours")
    with pytest.raises(KeyboardInterrupt), hub_errors("a/b"):
        raise KeyboardInterrupt


def test_files_folders_and_globs(tmp_path: Path) -> None:
    for name in (
        "b/1.txt",
        "b/.hidden.txt",
        "b/~$open.txt",  # the lock file of a document that is open in Word
        "b/.ipynb_checkpoints/1.txt",
        "b/2.csv",
        "b/deep/3.parquet",
        "b/ignored.pdf",
        "c.jsonl",
        "[d].txt",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")

    def names(*given: str) -> list[str]:
        return [path.name for path in expand_files([str(tmp_path / name) for name in given], "corpus.files")]

    (tmp_path / "b" / "folder.csv").mkdir()
    assert names("b") == ["1.txt", "2.csv", "3.parquet"]
    assert names("c.jsonl", "b/*.txt", "b") == ["c.jsonl", "1.txt", "2.csv", "3.parquet"]
    assert names("b/**/*.parquet") == ["3.parquet"]
    assert names("[d].txt") == ["[d].txt"]  # a file of that name goes before a glob
    for nothing in ("nothing*.txt", "nothing.txt"):
        with pytest.raises(UserError, match=r"^corpus\.files: no such file or folder: .*nothing"):
            names("c.jsonl", nothing)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "letter.DOC").write_text("x")
    with pytest.raises(UserError, match=r"^corpus\.files: no file that can be read in .*old \(only \.doc\)$"):
        names("old")


@pytest.mark.usefixtures("table", "no_waiting")
@pytest.mark.parametrize("status", [429, 503])
def test_the_hub_is_asked_again(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.first = [status]
    hub.redirect = True
    hub.cuts = 1
    assert local_file("hf://datasets/mteb/sib200/test/mlt_Latn.csv", tmp_path).read_text() == TABLE


def test_an_address_of_another_kind_is_told_without_its_secrets(tmp_path: Path) -> None:
    assert refusal("s3://me:pw@bucket/a.csv?token=hush", tmp_path).startswith("s3://bucket/a.csv: expected https://")


def test_a_full_disk(hub: Hub, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    assert "the disk is full" in refusal("hf://datasets/mteb/sib200/test/mlt_Latn.csv", tmp_path)
    monkeypatch.undo()


def test_what_decides_the_data_of_a_location(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TABLE)
    (tmp_path / "b.csv").write_text(TABLE)
    assert identity(str(tmp_path / "a.csv")) == identity(str(tmp_path / "b.csv"))
    assert identity("hf://datasets/a/b@main/c.csv") == "hf://datasets/a/b@main/c.csv"
    secret = identity("https://me:pw@example.org/a.csv?token=abc")
    assert secret.startswith("https://example.org/a.csv ")
    assert "abc" not in secret
    assert secret != identity("https://me:pw@example.org/a.csv?token=abd")
    with pytest.raises(UserError, match="no such file"):
        identity(str(tmp_path / "c.csv"))
