"""Downloads through urllib, against a hub and a bare server on loopback."""

import base64
import errno
import hashlib
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path

import pytest
from lrl_adapt.workspace.checksums import CONCEPTNET_DUMP, SHA256
from lrl_adapt.workspace.downloads import NotFoundError, UnreachableError, download, public_address, remote_size
from lrl_adapt.workspace.errors import UserError
from lrl_adapt.workspace.locations import local_file

from ..hub import Hub

pytestmark = pytest.mark.usefixtures("no_waiting")
CONTENT = b"0123456789" * 100


@pytest.fixture
def dump(hub: Hub) -> str:
    file = hub.folder / "datasets/a/b/dump.csv.gz"
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    return f"{hub.address}/datasets/a/b/resolve/main/dump.csv.gz"


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Starts servers that give these answers in turn, the last for ever, and hang up; gives their addresses."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    sockets = []

    def start(*answers: bytes) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        sockets.append(server)

        def serve() -> None:
            for answer in chain(answers, repeat(answers[-1])):
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


def refusal(address: str, cache: Path) -> str:
    with pytest.raises(UserError) as error:
        download(address, cache)
    assert "\n" not in str(error.value)
    return str(error.value)


def whole(folder: Path) -> list[Path]:
    """The files that a later command could take for downloaded ones."""
    return [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


@pytest.mark.parametrize("refused", ["401 Unauthorized", "403 Forbidden", "405 Not Allowed", "501 Not Implemented"])
@pytest.mark.parametrize(
    ("reply", "size"),
    [
        (b"206 Partial Content\r\nContent-Range: bytes 0-0/7340032\r\nContent-Length: 1\r\n\r\nx", 7340032),
        (b"206 Partial Content\r\nContent-Range: bytes 0-0/*\r\nContent-Length: 1\r\n\r\nx", None),
        (b"200 OK\r\nContent-Length: 7340032\r\n\r\nthe first bytes", 7340032),  # a body that never comes whole
        (b"416 Range Not Satisfiable\r\nContent-Range: bytes */0\r\nContent-Length: 0\r\n\r\n", 0),
    ],
)
def test_the_size_is_asked_with_get_where_head_is_refused(
    answering: Callable[..., str], refused: str, reply: bytes, size: int | None
) -> None:
    head = f"HTTP/1.1 {refused}\r\nContent-Length: 0\r\n\r\n".encode()
    assert remote_size(answering(head, b"HTTP/1.1 " + reply) + "/signed.csv?X-Amz-Signature=hush") == size


def test_the_size_is_asked_once(hub: Hub, dump: str) -> None:
    assert [remote_size(dump) for _ in range(3)] == [len(CONTENT)] * 3
    assert hub.requests == ["HEAD /datasets/a/b/resolve/main/dump.csv.gz"]


def test_a_server_that_is_down_is_asked_again_after_a_minute(
    hub: Hub, dump: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.status = 503
    for _ in range(3):
        with pytest.raises(UnreachableError, match=r"\(503\)$"):
            remote_size(dump)
    assert hub.requests == ["HEAD /datasets/a/b/resolve/main/dump.csv.gz"]
    hub.status = None
    monkeypatch.setattr(time, "monotonic", lambda now=time.monotonic: now() + 61)
    assert remote_size(dump) == len(CONTENT)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, NotFoundError), (410, NotFoundError), (429, UnreachableError), (503, UnreachableError), (403, UserError)],
)
def test_a_refused_size_tells_files_that_do_not_exist_from_servers_that_are_busy(
    hub: Hub, dump: str, status: int, kind: type[UserError]
) -> None:
    hub.status = status
    with pytest.raises(UserError, match=rf"^{dump}: .* \({status}\)$") as error:
        remote_size(f"{dump}?token=hush")
    assert type(error.value) is kind


@pytest.mark.parametrize("status", [404, 410])
def test_a_download_of_what_does_not_exist(hub: Hub, dump: str, tmp_path: Path, status: int) -> None:
    hub.status = status
    with pytest.raises(NotFoundError, match=rf"\({status}\)$"):
        download(dump, tmp_path)


def test_once_is_enough(hub: Hub, dump: str, tmp_path: Path) -> None:
    path = download(dump, tmp_path)
    assert (path.name, path.read_bytes()) == ("dump.csv.gz", CONTENT)
    assert download(dump, tmp_path) == path
    assert len(hub.requests) == 1
    assert whole(tmp_path / path.parent.name) == [path]
    assert not list(tmp_path.rglob("*.partial"))


def test_the_content_is_checked_once(hub: Hub, dump: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []

    def count(path: Path) -> str:
        hashed.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr("lrl_adapt.workspace.downloads.file_hash", count)
    monkeypatch.setitem(SHA256, dump, hashlib.sha256(CONTENT).hexdigest())
    hub.cuts = 1
    for _ in range(3):
        assert local_file(dump, tmp_path).read_bytes() == CONTENT
    assert len(hashed) == 1


def test_other_content_than_expected_is_refused_and_fetched_anew(
    hub: Hub, dump: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, received = (hashlib.sha256(content).hexdigest() for content in (CONTENT, CONTENT[::-1]))
    monkeypatch.setitem(SHA256, dump, expected)
    file = hub.folder / "datasets/a/b/dump.csv.gz"
    file.write_bytes(CONTENT[::-1])
    with pytest.raises(UserError) as error:
        local_file(dump, tmp_path)
    message = str(error.value)
    assert message.startswith(f"{dump}: expected SHA-256 {expected}, received {received}: run the command again")
    assert "\n" not in message
    assert len(hub.requests) == 1  # the same file would come again
    assert not list(tmp_path.rglob(".dump*"))
    file.write_bytes(CONTENT)
    assert local_file(dump, tmp_path).read_bytes() == CONTENT
    assert hub.ranges_asked == ["", ""]


def test_conceptnets_dump_has_a_checksum() -> None:
    assert SHA256[CONCEPTNET_DUMP] == "accd65fe94038584295574ddc26e1500c1919c8c4532bf771811cafd0948af7e"


def test_what_broke_off_is_resumed(hub: Hub, dump: str, tmp_path: Path) -> None:
    hub.cuts = 2  # 500 bytes, then 250 more
    hub.redirect = True
    assert download(dump, tmp_path).read_bytes() == CONTENT
    ranges = [line for line in hub.ranges_asked if line]
    assert ranges == ["bytes=500-", "bytes=500-", "bytes=750-", "bytes=750-"]  # each asked here, then there


def test_a_call_goes_on_where_the_last_gave_up(hub: Hub, dump: str, tmp_path: Path) -> None:
    hub.cuts = 3
    assert refusal(dump, tmp_path).startswith(f"{dump}: interrupted; run the command again")
    assert not [path for path in whole(tmp_path) if path.parent.parent == tmp_path]
    assert download(dump, tmp_path).read_bytes() == CONTENT
    assert hub.ranges_asked[-1] == "bytes=875-"


def test_a_file_that_changed_meanwhile_is_begun_anew(hub: Hub, dump: str, tmp_path: Path) -> None:
    hub.cuts = 3
    refusal(dump, tmp_path)
    (hub.folder / "datasets/a/b/dump.csv.gz").write_bytes(CONTENT[::-1] + b"more")
    assert download(dump, tmp_path).read_bytes() == CONTENT[::-1] + b"more"


def test_a_server_without_ranges(hub: Hub, dump: str, tmp_path: Path) -> None:
    hub.ranges, hub.cuts = False, 2
    assert download(dump, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_tried_again(hub: Hub, dump: str, tmp_path: Path, status: int) -> None:
    hub.first = [status, status]
    assert download(dump, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "requires a login"),
        (403, "refuses access"),
        (404, "no such file"),
        (429, "too many"),
        (503, "the server is down"),
    ],
)
def test_a_refusal(hub: Hub, dump: str, tmp_path: Path, status: int, told: str) -> None:
    hub.status = status
    assert f"{dump}: {told}" in refusal(dump, tmp_path)
    assert f"({status})" in refusal(dump, tmp_path)
    hub.status = None
    assert download(dump, tmp_path).read_bytes() == CONTENT


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
def test_a_server_that_answers_badly(answering: Callable[..., str], tmp_path: Path, answer: bytes) -> None:
    address = f"{answering(answer)}/train.csv"
    assert refusal(address, tmp_path / "downloads").startswith(f"{address}: ")
    assert not whole(tmp_path / "downloads")


def test_nobody_answers(answering: Callable[..., str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert "cannot be downloaded" in refusal(f"http://127.0.0.1:{port}/train.csv", tmp_path)
    assert "cannot be downloaded" in refusal(f"{answering(b'')}/a name with spaces.csv", tmp_path)


def test_addresses_that_end_alike_are_different_files(answering: Callable[..., str], tmp_path: Path) -> None:
    topic, sentiment = (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        for text in (b"topic", b"moods")
    )
    assert download(f"{topic}/train.csv", tmp_path).read_text() == "topic"
    assert download(f"{sentiment}/train.csv", tmp_path).read_text() == "moods"
    assert download(f"{topic}/train.csv.gz?download=1", tmp_path).name == "train.csv.gz"  # the name tells the format


ETAG = b'HTTP/1.1 %s\r\nETag: "%d"\r\nContent-Length: %d\r\n%s\r\n%s'
OLD, NEW = b"A" * 1000, b"B" * 1000


@pytest.mark.parametrize(
    "second",
    [
        ETAG % (b"206 Part", 2, 500, b"Content-Range: bytes 500-999/1000\r\n", NEW[500:]),
        ETAG % (b"206 Part", 1, 1000, b"Content-Range: bytes 0-999/1000\r\n", OLD),
        ETAG % (b"206 Part", 1, 500, b"", OLD[500:]),
        ETAG % (b"416 No", 1, 0, b"", b""),
    ],
    ids=["changed", "another start", "no start", "no such range"],
)
def test_a_reply_that_does_not_go_on_is_not_added(answering: Callable[..., str], tmp_path: Path, second: bytes) -> None:
    address = answering(ETAG % (b"200 OK", 1, 1000, b"", OLD[:500]), second, ETAG % (b"200 OK", 2, 1000, b"", NEW))
    assert download(f"{address}/x.gz", tmp_path).read_bytes() == NEW


def test_a_part_of_what_was_asked_for_is_not_the_whole(answering: Callable[..., str], tmp_path: Path) -> None:
    parts = [
        ETAG % (b"206 Part", 1, 250, b"Content-Range: bytes %d-%d/1000\r\n" % (start, start + 249), OLD[:250])
        for start in (500, 750)
    ]
    address = answering(ETAG % (b"200 OK", 1, 1000, b"", OLD[:500]), *parts)
    assert download(f"{address}/x.gz", tmp_path).read_bytes() == OLD


def test_killed_before_the_old_bytes_are_dropped(
    answering: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut, whole_new = ETAG % (b"200 OK", 1, 1000, b"", OLD[:500]), ETAG % (b"200 OK", 2, 1000, b"", NEW)
    going_on = ETAG % (b"206 Part", 2, 500, b"Content-Range: bytes 500-999/1000\r\n", NEW[500:])
    address = answering(cut, cut, cut, whole_new, going_on, whole_new) + "/x.gz"
    refusal(address, tmp_path)

    def kill(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "write_bytes", kill)
        download(address, tmp_path)
    assert download(address, tmp_path).read_bytes() == NEW


def test_killed_before_a_whole_file_has_its_name(
    hub: Hub, dump: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", kill)
        download(dump, tmp_path)
    assert download(dump, tmp_path).read_bytes() == CONTENT
    assert len(hub.requests) == 1


@pytest.mark.parametrize("address", ["http://[::1/x.csv?token=hush", "http://127.0.0.1:port/x.csv?token=hush"])
def test_what_is_no_address(tmp_path: Path, address: str) -> None:
    assert refusal(address, tmp_path) == f"{address.partition('?')[0]}: not a valid address"


def test_names_with_spaces_and_other_scripts(hub: Hub, dump: str, tmp_path: Path) -> None:
    (hub.folder / "datasets/a/b/il-ħobż tajjeb.csv").write_bytes(CONTENT)
    path = download(dump.replace("dump.csv.gz", "il-ħobż tajjeb.csv?token=hush"), tmp_path)
    assert (path.name, path.read_bytes()) == ("il-ħobż tajjeb.csv", CONTENT)


def test_secrets_are_used_and_not_told(hub: Hub, dump: str, tmp_path: Path) -> None:
    address = dump.replace("http://", "http://me:p%40ss@") + "?token=hush"
    assert download(address, tmp_path).read_bytes() == CONTENT
    assert hub.logins == ["Basic " + base64.b64encode(b"me:p@ss").decode()]
    hub.status = 403
    message = refusal(address + "2", tmp_path)
    assert message.startswith(f"{dump}: refuses access")
    assert not any(secret in message for secret in ("hush", "p%40ss", "p@ss"))
    assert public_address("data/a@b?c.csv") == "data/a@b?c.csv"


def test_a_full_disk(dump: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lrl_adapt.workspace.downloads._receive", full)
        assert "the disk is full: free some space" in refusal(dump, tmp_path)
    assert download(dump, tmp_path).read_bytes() == CONTENT


def test_a_killed_download_is_resumed_while_others_wait(hub: Hub, dump: str, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40_000  # 10 MB
    (hub.folder / "datasets/a/b/dump.csv.gz").write_bytes(content)
    hub.slow = 0.05  # seconds a MiB
    script = "import sys, pathlib; from lrl_adapt.workspace.downloads import download as get"
    command = [sys.executable, "-c", f"{script}; get({dump!r}, pathlib.Path({str(tmp_path / 'downloads')!r}))"]
    process = subprocess.Popen(command)
    while not any(path.stat().st_size > 2e6 for path in tmp_path.rglob(".*.partial")):
        assert process.poll() is None
        _nap()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not whole(tmp_path / "downloads")
    two = [subprocess.Popen(command) for _ in range(2)]
    assert [one.wait(60) for one in two] == [0, 0]
    assert download(dump, tmp_path / "downloads").read_bytes() == content
    assert sum(1 for line in hub.ranges_asked if line) == 1
    assert len(hub.requests) == 2


def _nap() -> None:
    threading.Event().wait(0.01)  # time.sleep is patched away
