"""A small hub on loopback: as much of it as the client needs to list and fetch a repository's files."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves `folder/{datasets,models}/OWNER/NAME/...`; `status` makes every answer an error."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.status: int | None = None
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
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        path = unquote(urlsplit(request.path).path)
        self.requests.append(f"{request.command} {path}")
        if self.status is not None:
            return self._send(request, self.status, b"{}", {}, body=body)
        if path.startswith("/api/"):
            return self._tree(request, path.removeprefix("/api/"), body=body)
        kind = "datasets" if path.startswith("/datasets/") else "models"
        owner, name, _, _, *rest = path.removeprefix("/datasets").strip("/").split("/")
        repo = self.folder / kind / owner / name
        file = repo.joinpath(*rest)
        if not file.is_file():
            code = "EntryNotFound" if repo.is_dir() else "RepoNotFound"
            return self._send(request, 404, b"", {"X-Error-Code": code}, body=body)
        content = file.read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
        return self._send(request, 200, content, headers, body=body)

    def _tree(self, request: BaseHTTPRequestHandler, path: str, *, body: bool) -> None:
        kind, owner, name, _, _, *rest = path.split("/")
        repo = self.folder / kind / owner / name
        folder = repo.joinpath(*rest)
        if not folder.is_dir():
            code = "EntryNotFound" if repo.is_dir() else "RepoNotFound"
            return self._send(request, 404, b"{}", {"X-Error-Code": code}, body=body)
        entries = [
            {"type": "file", "path": str(file.relative_to(repo)), "size": file.stat().st_size, "oid": "0"}
            for file in sorted(folder.iterdir())
        ]
        return self._send(request, 200, json.dumps(entries).encode(), {"Content-Type": "application/json"}, body=body)

    def _send(
        self, request: BaseHTTPRequestHandler, status: int, content: bytes, headers: dict[str, str], *, body: bool
    ) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        if body:
            request.wfile.write(content[: len(content) // 2] if self.cut else content)
            request.close_connection = self.cut or request.close_connection
