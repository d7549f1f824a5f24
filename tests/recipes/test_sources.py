"""Locations through the true hub client and urllib, against a hub and a bare server on loopback."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lrl_adapt.recipes.errors import UserError
from lrl_adapt.recipes.sources import expand_files, hub_errors, local_file

from ..hub import COMMIT, Hub

REPO = "datasets/mteb/sib200"
TABLE = "text,label\na,b\n"


@pytest.fixture
def table(hub: Hub) -> Path:
    file = hub.folder / REPO / "test/mlt_Latn.csv"
    file.parent.mkdir(parents=True)
    file.write_text(TABLE)
    return file


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], str]]:
    """Starts servers that answer every request with the same bytes and hang up; gives their addresses."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    sockets = []

    def start(answer: bytes) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        sockets.append(server)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}"

    yield start
    for server in sockets:
        server.close()


def refusal(location: str, cache: Path) -> str:
    with pytest.raises(UserError) as told:
        local_file(location, cache)
    assert "\n" not in str(told.value)
    return str(told.value)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_local_file_is_itself(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(TABLE)
    assert local_file(str(tmp_path / "a.csv"), tmp_path / "cache") == tmp_path / "a.csv"
    assert refusal(str(tmp_path / "b.csv"), tmp_path) == f"no such file: {tmp_path / 'b.csv'}"
    assert "no such file" in refusal(str(tmp_path), tmp_path)  # a folder is no file


@pytest.mark.parametrize("revision", ["", "@main", f"@{COMMIT}"])
@pytest.mark.usefixtures("table")
def test_a_hub_file_at_its_revision(hub: Hub, tmp_path: Path, revision: str) -> None:
    path = local_file(f"hf://datasets/mteb/sib200{revision}/test/mlt_Latn.csv", tmp_path / "downloads")
    assert path.read_text() == TABLE
    wanted = revision.removeprefix("@") or "main"
    assert any(f"/resolve/{wanted}/" in line for line in hub.requests)
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
    assert "not in the local cache" in refusal("hf://datasets/mteb/sib200/test/deu_Latn.csv", tmp_path)
    assert hub.requests == before  # offline asks nobody


@pytest.mark.usefixtures("table", "no_waiting")
def test_a_cached_file_does_while_the_hub_is_down(hub: Hub, tmp_path: Path) -> None:
    address = "hf://datasets/mteb/sib200/test/mlt_Latn.csv"
    local_file(address, tmp_path)
    hub.status = 503
    assert local_file(address, tmp_path).read_text() == TABLE
    hub.close()
    assert local_file(address, tmp_path).read_text() == TABLE
    assert "cannot be reached" in refusal("hf://datasets/mteb/sib200/test/deu_Latn.csv", tmp_path)


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("mteb/sib200/test/deu_Latn.csv", "mteb/sib200: test/deu_Latn.csv: no such file in the repository"),
        ("mteb/sib200@v9/test/mlt_Latn.csv", "mteb/sib200: test/mlt_Latn.csv: no such revision"),
        ("mteb/sib20/test/mlt_Latn.csv", "mteb/sib20: test/mlt_Latn.csv: no such repository on the hub"),
    ],
)
@pytest.mark.usefixtures("table")
def test_what_the_hub_does_not_have(tmp_path: Path, location: str, message: str) -> None:
    assert refusal(f"hf://datasets/{location}", tmp_path).startswith(message)


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (401, "", "401"),
        (401, "RepoNotFound", "private: set HF_TOKEN"),
        (403, "GatedRepo", "access is gated: accept its conditions"),
        (404, "", ""),
        (429, "", ""),
        (503, "", ""),
    ],
)
@pytest.mark.usefixtures("table", "no_waiting")
def test_what_the_hub_refuses(hub: Hub, tmp_path: Path, status: int, error: str, message: str) -> None:
    hub.status, hub.error = status, error
    told = refusal("hf://datasets/mteb/sib200/test/mlt_Latn.csv", tmp_path)
    assert told.startswith("mteb/sib200: test/mlt_Latn.csv: ")
    assert message in told
    hub.status = None
    assert local_file("hf://datasets/mteb/sib200/test/mlt_Latn.csv", tmp_path).read_text() == TABLE


@pytest.mark.usefixtures("table", "no_waiting")
def test_a_hub_file_that_breaks_off_is_not_kept(hub: Hub, tmp_path: Path) -> None:
    address = "hf://datasets/mteb/sib200/test/mlt_Latn.csv"
    hub.cut = True
    assert "sib200: test/mlt_Latn.csv" in refusal(address, tmp_path)
    hub.cut = False
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


def test_a_download_comes_whole_or_not_at_all(hub: Hub, tmp_path: Path) -> None:
    file = hub.folder / "datasets/a/b/dump.csv.gz"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"0123456789" * 100)
    address = f"{hub.address}/datasets/a/b/resolve/main/dump.csv.gz"
    downloads = tmp_path / "downloads"
    hub.cut = True
    assert refusal(address, downloads) == f"{address}: the download broke off; run the command again"
    assert not files(downloads)
    hub.cut = False
    path = local_file(address, downloads)
    assert (path.name, path.read_bytes()) == ("dump.csv.gz", file.read_bytes())
    assert files(downloads) == [path]
    asked = len(hub.requests)
    assert local_file(address, downloads) == path
    assert len(hub.requests) == asked
    assert "cannot be downloaded: HTTP Error 404" in refusal(address.replace("dump", "none"), downloads)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n9\r\nabc",
        b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
        b"no http at all",
        b"",
    ],
    ids=["short", "chunked", "busy", "garbage", "silent"],
)
def test_a_server_that_answers_badly(answering: Callable[[bytes], str], tmp_path: Path, answer: bytes) -> None:
    address = f"{answering(answer)}/train.csv"
    assert refusal(address, tmp_path / "downloads").startswith(f"{address}: ")
    assert not files(tmp_path / "downloads")


def test_nobody_answers(answering: Callable[[bytes], str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "cannot be downloaded" in refusal(f"http://127.0.0.1:{port}/train.csv", tmp_path)
    assert "cannot be downloaded" in refusal(f"{answering(b'')}/a name with spaces.csv", tmp_path)


def test_addresses_that_end_alike_are_different_files(answering: Callable[[bytes], str], tmp_path: Path) -> None:
    topic, sentiment = (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        for text in (b"topic", b"moods")
    )
    assert local_file(f"{topic}/train.csv", tmp_path).read_text() == "topic"
    assert local_file(f"{sentiment}/train.csv", tmp_path).read_text() == "moods"
    assert local_file(f"{topic}/train.csv.gz?download=1", tmp_path).name == "train.csv.gz"  # the name tells the format


def test_files_folders_and_globs(tmp_path: Path) -> None:
    for name in ("b/1.txt", "b/2.csv", "b/deep/3.parquet", "b/ignored.pdf", "c.jsonl", "[d].txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")

    def names(*given: str) -> list[str]:
        return [path.name for path in expand_files([str(tmp_path / name) for name in given])]

    assert names("b") == ["1.txt", "2.csv", "3.parquet"]
    assert names("c.jsonl", "b/*.txt", "b") == ["c.jsonl", "1.txt", "2.csv", "3.parquet"]
    assert names("b/**/*.parquet") == ["3.parquet"]
    assert names("[d].txt") == ["[d].txt"]  # a file of that name goes before a glob
    for nothing in ("nothing*.txt", "nothing.txt"):
        with pytest.raises(UserError, match="no such file"):
            names("c.jsonl", nothing)
