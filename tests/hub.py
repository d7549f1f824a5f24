"""A stand-in of the Hugging Face hub on loopback: what its client asks to describe, list, fetch and push repositories.

Repositories are folders of files. What the real hub knows of one besides its files (its commit, whether it is gated) is
a `Repository`. Ordinary downloads (ConceptNet's dump) are files under `web/`, served with Range and a strong ETag.
"""

import hashlib
import json
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml

from .hub_uploads import COMMIT, Uploads

MIB = 1 << 20
LARGE = MIB  # bytes from which a file counts as kept in LFS, as safetensors and parquet files of some size are
JSON = {"Content-Type": "application/json"}
KINDS = ("datasets", "models")


@dataclass(frozen=True)
class Repository:
    """What the hub knows of a repository besides its files."""

    commit: str = COMMIT
    """The commit that the branch main stands for; the only one there is."""
    gated: Literal[False, "auto", "manual"] = False
    """Whether files are given only to those who accepted conditions: at once ("auto"), or after a review ("manual")."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)


class Hub:
    """Serves `folder/{datasets,models}/OWNER/NAME/...` at the revision main and its commit, and `folder/web/...`.

    `known` says more of some repositories, by `datasets/OWNER/NAME` or `models/OWNER/NAME`. `tokens` are those whose
    owner has accepted the conditions of every gated repository.

    To rehearse faults: `status` makes every answer an error, `error` is the hub's name for it. `first` are statuses of
    the next answers about files (0: as usual), `cuts` how many bodies break off half-way, `redirect` sends the client
    elsewhere for a file's content, `ranges` is whether a part of a file may be asked for. `loop` redirects a file to
    itself, `drip` sends bodies in so many pieces, and `lie` sends other content than the headers say: a byte less, or
    another last byte (of large files, which the hub states the SHA-256 of; here all but JSON).
    """

    def __init__(self, folder: Path, known: Mapping[str, Repository] | None = None, port: int = 0) -> None:
        self.folder = folder
        self.known = dict(known or {})
        self.tokens: set[str] = set()
        self.status: int | None = None
        self.error = ""
        self.first: list[int] = []
        self.cuts = 0
        self.redirect = False
        self.ranges = True
        self.loop = False
        self.drip = 1
        self.lie: Literal["", "size", "hash"] = ""
        self.slow = 0.0  # seconds to wait before each MiB
        self.ranges_asked: list[str] = []
        self.logins: list[str] = []
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

            def do_GET(self) -> None:
                hub.answer(self, body=True)

            def do_POST(self) -> None:
                hub.receive(self)

            def do_PUT(self) -> None:
                hub.receive(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.uploads = Uploads(folder, self.address, LARGE)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections from now on."""
        self.server.shutdown()
        self.server.server_close()

    def put(self, path: str, content: str = "x" * 100) -> Path:
        """Write a file of a repository: `datasets/OWNER/NAME/FILE`."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        return file

    def fetched(self) -> list[str]:
        """Paths of the files whose content was asked for."""
        return [line.split(" ", 1)[1] for line in self.requests if line.startswith("GET") and "/resolve/" in line]

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        """Answer a GET, or a HEAD, which has no body."""
        path = unquote(urlsplit(request.path).path)
        self.requests.append(f"{request.command} {path}")
        self.ranges_asked.append(request.headers["Range"] or "")
        self.logins += request.headers.get_all("Authorization") or []
        if self.status is not None:
            answer = Answer(self.status, b"{}", {"X-Error-Code": self.error} if self.error else {})
        elif path.startswith("/api/"):
            answer = self._described(request, path.removeprefix("/api/"))
        elif self.first and (status := self.first.pop(0)):
            answer = Answer(status, b"", {"Retry-After": "1"})
        elif self.loop:
            answer = Answer(302, b"", {"Location": request.path})
        else:
            answer = self._file(request, path)
        self._send(request, answer, body=body)

    def receive(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a POST or a PUT: see `Uploads`."""
        path = unquote(urlsplit(request.path).path)
        self.requests.append(f"{request.command} {path}")
        self.logins += request.headers.get_all("Authorization") or []
        body = request.rfile.read(int(request.headers["Content-Length"] or 0))
        token = (request.headers["Authorization"] or "").removeprefix("Bearer ")
        if self.status is not None:
            status, content = self.status, {}
        elif request.command == "PUT":
            status, content = self.uploads.put(path, body), {}
        else:
            status, content = self.uploads.post(path, body, token)
        self._send(request, Answer(status, json.dumps(content).encode()), body=True)

    def _file(self, request: BaseHTTPRequestHandler, path: str) -> Answer:
        """The content of `[/datasets]/OWNER/NAME/resolve/REVISION/FILE`, of a file under `web/`, or the front page."""
        if path == "/":
            return Answer(200, b"a hub", {"Content-Type": "text/html"})
        path, elsewhere = path.removeprefix("/cdn"), path.startswith("/cdn")
        parts = path.strip("/").split("/")
        kind = "datasets" if parts[0] == "datasets" else "models"
        owner, name, word, revision, *rest = [*parts[kind == "datasets" :], "", "", "", ""]
        rest = [part for part in rest if part]
        if word != "resolve":
            return self._download(request, self.folder / "web" / path.strip("/"))
        file = (self.folder / kind / owner / name).joinpath(*rest)
        if refusal := self._refusal(f"{kind}/{owner}/{name}", revision, found=file.is_file()):
            return refusal
        repository = self._about(f"{kind}/{owner}/{name}")
        if refusal := self._gate(request, repository):
            return refusal
        content = file.read_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = {"ETag": etag, "X-Repo-Commit": repository.commit}
        headers |= {"X-Linked-Size": str(len(content)), "X-Linked-ETag": etag}
        if self.redirect and not elsewhere:
            return Answer(302, b"", headers | {"Location": f"{self.address}/cdn{path}"})
        return self._part(request, content, headers)

    def _download(self, request: BaseHTTPRequestHandler, file: Path) -> Answer:
        """A file as an ordinary web server gives it."""
        if not file.is_file():
            return Answer(404)
        content = file.read_bytes()
        return self._part(request, content, {"ETag": f'"{hashlib.sha256(content).hexdigest()}"'})

    def _part(self, request: BaseHTTPRequestHandler, content: bytes, headers: dict[str, str]) -> Answer:
        """The whole content, or from the byte on that the client asks for."""
        if self.lie == "size" or (self.lie and not request.path.endswith(".json")):
            content = content[:-1] + {"size": b"", "hash": bytes([content[-1] ^ 1])}[self.lie]
        wanted = request.headers["Range"] or ""
        if self.ranges and wanted and request.headers["If-Range"] in (None, headers["ETag"]):
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return Answer(206, content[start:], headers)
        return Answer(200, content, headers | {"Accept-Ranges": "bytes"})

    def _described(self, request: BaseHTTPRequestHandler, path: str) -> Answer:
        """`KIND/OWNER/NAME[/revision/REVISION]`, `.../tree/REVISION[/FOLDER]` and `.../auth-check`."""
        kind, owner, name, what, revision, *rest = [*path.split("/"), "", "", "", ""]
        rest = [part for part in rest if part]
        id_ = f"{kind}/{owner}/{name}"
        if kind not in KINDS or not name or what not in ("", "revision", "tree", "auth-check"):
            return Answer(404, b"{}")
        if refusal := self._refusal(id_, revision or "main", found=True):
            return refusal
        query = parse_qs(urlsplit(request.path).query)
        if what == "auth-check":
            return self._gate(request, self._about(id_)) or Answer(200, b"{}")
        if what == "tree":
            folder = (self.folder / id_).joinpath(*rest)
            if refusal := self._refusal(id_, revision, found=folder.is_dir()):
                return refusal
            entries = _entries(self.folder / id_, folder, recursive=_is_true(query.get("recursive")))
            return Answer(200, json.dumps(entries).encode())
        info = self._info(id_, blobs=_is_true(query.get("blobs")))
        if expand := query.get("expand"):
            info = {name: value for name, value in info.items() if name in ("_id", "id", *expand)}
        return Answer(200, json.dumps(info).encode())

    def _info(self, id_: str, *, blobs: bool) -> dict[str, Any]:
        """What the hub tells of a repository; sizes of its files where `blobs` are asked for."""
        folder, about = self.folder / id_, self._about(id_)
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        kind, _, name = id_.partition("/")
        info: dict[str, Any] = {"_id": about.commit[:24], "id": name, "author": name.split("/")[0]}
        info |= {"sha": about.commit, "gated": about.gated, "private": False, "disabled": False, "tags": []}
        info |= {"downloads": 0, "likes": 0, "lastModified": "2026-01-01T00:00:00.000Z"}
        if kind == "models":
            info["modelId"] = name
        if card := card_data(folder / "README.md"):
            info["cardData"] = card
        info["siblings"] = [
            {"rfilename": str(file.relative_to(folder)), **(_blob(file, "blobId", "sha256") if blobs else {})}
            for file in files
        ]
        return info

    def _about(self, id_: str) -> Repository:
        return self.known.get(id_, Repository())

    def _refusal(self, id_: str, revision: str, *, found: bool) -> Answer | None:
        """The hub's answer where the repository, the revision, or what is asked for in it is not there."""
        about = self._about(id_)
        if not (self.folder / id_).is_dir():
            return Answer(404, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        if revision not in ("main", about.commit):
            message = f"Invalid rev id: {revision}"
            return Answer(404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": message})
        if not found:  # with the commit, so that the client can remember that it has no such file
            headers = {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
            return Answer(404, b"{}", headers | {"X-Repo-Commit": about.commit})
        return None

    def _gate(self, request: BaseHTTPRequestHandler, repository: Repository) -> Answer | None:
        """The refusal of those who did not accept a gated repository's conditions: 401 without a token, else 403."""
        token = (request.headers["Authorization"] or "").removeprefix("Bearer ")
        if not repository.gated or token in self.tokens:
            return None
        message = "Access to this repository is restricted. You must be authenticated and accept its conditions."
        return Answer(403 if token else 401, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": message})

    def _send(self, request: BaseHTTPRequestHandler, answer: Answer, *, body: bool) -> None:
        content = answer.content
        request.send_response(answer.status)
        for name, value in {"Content-Length": str(len(content)), "Connection": "close", **answer.headers}.items():
            request.send_header(name, value)
        request.end_headers()
        if body and content and self.cuts and answer.status in (200, 206) and "ETag" in answer.headers:
            self.cuts -= 1
            content = content[: len(content) // 2]
        piece = min(MIB, max(1, len(content) // self.drip))
        for start in range(0, len(content) if body else 0, piece):
            threading.Event().wait(self.slow)
            request.wfile.write(content[start : start + piece])


def point_client_at(hub: Hub, caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the hub's client in this process ask `hub`, without a token, with empty caches in the folder `caches`."""
    from huggingface_hub import constants, hf_api

    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(caches / "cache"))
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(caches / "assets"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(hf_api.constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(hf_api.api, "endpoint", hub.address)
    if "transformers.utils.hub" in sys.modules:  # keeps a client of its own, with the address of an earlier test's hub
        monkeypatch.setattr("transformers.utils.hub._hf_api", None)


def card_data(card: Path) -> dict[str, Any]:
    """The YAML between the lines `---` at the head of a README.md; empty where there is none."""
    if not card.is_file():
        return {}
    mark, _, rest = card.read_text(encoding="utf-8").partition("---\n")
    front, closing, _ = rest.partition("\n---")
    return yaml.safe_load(front) or {} if not mark and closing else {}


def _entries(repository: Path, folder: Path, *, recursive: bool) -> list[dict[str, Any]]:
    """What a folder holds, as the hub lists it: its files and folders, with those of its folders where `recursive`."""
    entries = []
    for path in sorted(folder.rglob("*") if recursive else folder.iterdir()):
        name = str(path.relative_to(repository))
        if path.is_dir():
            entries.append({"type": "directory", "oid": _oid(name), "size": 0, "path": name})
        else:
            entries.append({"type": "file", "path": name, **_blob(path, "oid", "oid")})
    return entries


def _blob(file: Path, id_field: str, digest_field: str) -> dict[str, Any]:
    """A file's id and size, and its digest where it is large enough for LFS; the two answers name these differently."""
    size = file.stat().st_size
    blob: dict[str, Any] = {id_field: _oid(f"{file.name} {size}"), "size": size}
    if size >= LARGE:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        blob["lfs"] = {digest_field: digest, "size": size, "pointerSize": 134}
    return blob


def _oid(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def _is_true(values: list[str] | None) -> bool:
    return (values or [""])[0].lower() in ("true", "1")
