"""A small hub on loopback: as much of it as the client needs to list and fetch a repository's files."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves `folder/{datasets,models}/OWNER/NAME/...` at the revisions main and COMMIT.

    `status` makes every answer an error, `error` is the hub's name for it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.status: int | None = None
        self.error = ""
        self.cut = False  # end each file's body early
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

            def do_GET(self) -> None:
                hub.answer(self, body=True)

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
        if self.status is not None:
            headers = {"X-Error-Code": self.error} if self.error else {}
            return self._send(request, self.status, b"{}", headers, body=body)
        if path.startswith("/api/"):
            return self._tree(request, path.removeprefix("/api/"), body=body)
        kind = "datasets" if path.startswith("/datasets/") else "models"
        owner, name, _, revision, *rest = path.removeprefix("/datasets").strip("/").split("/")
        repo = self.folder / kind / owner / name
        file = repo.joinpath(*rest)
        if missing := _missing(repo, revision, found=file.is_file()):
            return self._send(request, 404, b"", {"X-Error-Code": missing}, body=body)
        content = file.read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        return self._send(request, 200, content, headers, body=body)

    def _tree(self, request: BaseHTTPRequestHandler, path: str, *, body: bool) -> None:
        kind, owner, name, _, revision, *rest = path.split("/")
        repo = self.folder / kind / owner / name
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
        if body:
            request.wfile.write(content[: len(content) // 2] if self.cut else content)


def _missing(repo: Path, revision: str, *, found: bool) -> str:
    """The hub's name for what is not there, "" if nothing is missing."""
    if not repo.is_dir():
        return "RepoNotFound"
    if revision not in ("main", COMMIT):
        return "RevisionNotFound"
    return "" if found else "EntryNotFound"
