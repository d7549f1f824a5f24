"""A small hub on loopback: as much of it as the client needs to list, fetch and push a repository's files."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

MIB = 1 << 20
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves `folder/{datasets,models}/OWNER/NAME/...` at the revisions main and COMMIT.

    `status` makes every answer an error, `error` is the hub's name for it. `first` are statuses of the next answers
    about files, `cuts` how many bodies break off half-way, `redirect` sends the client elsewhere for a file's content.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.status: int | None = None
        self.error = ""
        self.first: list[int] = []
        self.cuts = 0
        self.redirect = False
        self.ranges = True
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

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections from now on."""
        self.server.shutdown()
        self.server.server_close()

    def fetched(self) -> list[str]:
        """Paths of the files whose content was asked for."""
        return [line.split(" ", 1)[1] for line in self.requests if line.startswith("GET") and "/resolve/" in line]

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        path = unquote(urlsplit(request.path).path)
        self.requests.append(f"{request.command} {path}")
        self.ranges_asked.append(request.headers["Range"] or "")
        self.logins += request.headers.get_all("Authorization") or []
        if self.status is not None:
            headers = {"X-Error-Code": self.error} if self.error else {}
            return self._send(request, self.status, b"{}", headers, body=body)
        if path.startswith("/api/"):
            return self._tree(request, path.removeprefix("/api/"), body=body)
        if self.first:
            return self._send(request, self.first.pop(0), b"", {"Retry-After": "1"}, body=body)
        return self._file(request, path, body=body)

    def receive(self, request: BaseHTTPRequestHandler) -> None:
        """Make a repository, ask for every file as base64 in the commit, and take the commit."""
        path = unquote(urlsplit(request.path).path)
        self.requests.append(f"POST {path}")
        lines = request.rfile.read(int(request.headers["Content-Length"] or 0)).decode().splitlines()
        given = [json.loads(line) for line in lines]
        if path == "/api/repos/create":
            name = f"{given[0]['organization']}/{given[0]['name']}"
            (self.folder / "models" / name).mkdir(parents=True)
            answer: dict = {"url": f"{self.address}/{name}"}
        elif "/preupload/" in path:
            entries = [{"path": file["path"], "uploadMode": "regular"} for file in given[0]["files"]]
            answer = {"files": [{**entry, "shouldIgnore": False} for entry in entries]}
        elif path.endswith("/validate-yaml"):
            answer = {"errors": [], "warnings": []}
        else:
            _, _, kind, owner, name, *_ = path.split("/")
            for value in (line["value"] for line in given if line["key"] == "file"):
                file = self.folder / kind / owner / name / value["path"]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(base64.b64decode(value["content"]))
            answer = {
                "success": True,
                "commitOid": COMMIT,
                "commitUrl": f"{self.address}/{owner}/{name}/commit/{COMMIT}",
            }
        self._send(request, 200, json.dumps(answer).encode(), {"Content-Type": "application/json"}, body=True)

    def _file(self, request: BaseHTTPRequestHandler, path: str, *, body: bool) -> None:
        path, elsewhere = path.removeprefix("/cdn"), path.startswith("/cdn")
        kind = "datasets" if path.startswith("/datasets/") else "models"
        owner, name, _, revision, *rest = path.removeprefix("/datasets").strip("/").split("/")
        repo = self.folder / kind / owner / name
        file = repo.joinpath(*rest)
        if missing := _missing(repo, revision, found=file.is_file()):
            return self._send(request, 404, b"", {"X-Error-Code": missing}, body=body)
        content = file.read_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        headers = {"ETag": etag, "X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(content)), "X-Linked-ETag": etag}
        if self.redirect and not elsewhere:
            return self._send(request, 302, b"", headers | {"Location": f"{self.address}/cdn{path}"}, body=body)
        wanted = request.headers["Range"] or ""
        if self.ranges and wanted and request.headers["If-Range"] in (None, etag):
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self._send(request, 206, content[start:], headers, body=body)
        return self._send(request, 200, content, headers, body=body)

    def _tree(self, request: BaseHTTPRequestHandler, path: str, *, body: bool) -> None:
        if path.count("/") < 4:
            return self._send(request, 404, b"{}", {}, body=body)
        kind, owner, name, what, revision, *rest = path.split("/")
        repo = self.folder / kind / owner / name
        if what == "revision":
            if missing := _missing(repo, revision, found=True):
                return self._send(request, 404, b"{}", {"X-Error-Code": missing}, body=body)
            info = json.dumps({"id": f"{owner}/{name}", "sha": COMMIT}).encode()
            return self._send(request, 200, info, {"Content-Type": "application/json"}, body=body)
        folder = repo.joinpath(*rest)
        if missing := _missing(repo, revision, found=folder.is_dir()):
            return self._send(request, 404, b"{}", {"X-Error-Code": missing}, body=body)
        entries = [
            {"type": "file", "path": str(file.relative_to(repo)), "size": file.stat().st_size, "oid": "0"}
            for file in sorted(folder.iterdir())
        ]
        return self._send(request, 200, json.dumps(entries).encode(), {"Content-Type": "application/json"}, body=body)

    def _send(
        self, request: BaseHTTPRequestHandler, status: int, content: bytes, headers: dict[str, str], *, body: bool
    ) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(content)), "Connection": "close", **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        if body and content and self.cuts and status in (200, 206) and "ETag" in headers:
            self.cuts -= 1
            content = content[: len(content) // 2]
        for start in range(0, len(content) if body else 0, MIB):
            threading.Event().wait(self.slow)
            request.wfile.write(content[start : start + MIB])


def _missing(repo: Path, revision: str, *, found: bool) -> str:
    """The hub's name for what is not there, "" if nothing is missing."""
    if not repo.is_dir():
        return "RepoNotFound"
    if revision not in ("main", COMMIT):
        return "RevisionNotFound"
    return "" if found else "EntryNotFound"
