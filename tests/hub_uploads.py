"""What the stand-in of the hub does with uploads: repositories, large files that are sent ahead, commits, cards.

Large files go where the LFS protocol says, and are asked for only once; the commit then names them by their SHA-256.
"""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LICENCES = {"mit", "apache-2.0", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "other"}
TEXTS = ("license", "license_name", "license_link", "library_name", "pipeline_tag", "base_model_relation")


@dataclass
class Uploads:
    """The state of uploads: `writers` are tokens that may write (None: all), `visibility` that of each repository.

    `received` are the SHA-256 of the large files in the order in which they came, `commits` the paths in each commit.
    `refuse_large` is how many uploads of large files fail with status 503; `before_large` is called before each.
    """

    folder: Path
    address: str
    large: int
    writers: set[str] | None = None
    visibility: dict[str, str] = field(default_factory=dict)
    received: list[str] = field(default_factory=list)
    commits: list[list[str]] = field(default_factory=list)
    refuse_large: int = 0
    before_large: Callable[[], object] | None = None

    def post(self, path: str, body: bytes, token: str) -> tuple[int, dict[str, Any]]:
        """The status and the answer to a POST."""
        given = [json.loads(line) for line in body.decode().splitlines()]
        if path.endswith("/validate-yaml"):
            errors = card_errors(given[0]["content"])
            return 400 if errors else 200, {"errors": [{"message": error} for error in errors], "warnings": []}
        if self.writers is not None and token not in self.writers:
            return 403 if token else 401, {"error": "You don't have the rights to create this"}
        if path == "/api/repos/create":
            return self._create(given[0])
        if path.endswith("/info/lfs/objects/batch"):
            return 200, {"transfer": "basic", "objects": [self._large_file(one) for one in given[0]["objects"]]}
        _, _, kind, owner, name, *_ = path.split("/")
        repository = self.folder / kind / owner / name
        if "/preupload/" in path:
            return 200, {"files": [self._mode(repository, file) for file in given[0]["files"]]}
        self._commit(repository, given)
        return 200, {
            "success": True,
            "commitOid": COMMIT,
            "commitUrl": f"{self.address}/{owner}/{name}/commit/{COMMIT}",
        }

    def put(self, path: str, body: bytes) -> int:
        """Take a large file; the status."""
        if self.before_large is not None:
            self.before_large()
        if self.refuse_large:
            self.refuse_large -= 1
            return 503
        digest = hashlib.sha256(body).hexdigest()
        assert path.endswith(f"/{digest}")
        self._blob(digest).parent.mkdir(parents=True, exist_ok=True)
        self._blob(digest).write_bytes(body)
        self.received.append(digest)
        return 200

    def _create(self, wanted: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        name = f"{wanted['organization']}/{wanted['name']}"
        url = {"url": f"{self.address}/{name}"}
        if (self.folder / "models" / name).is_dir():
            return 409, url | {"error": "You already created this model repo"}
        (self.folder / "models" / name).mkdir(parents=True)
        self.visibility[name] = wanted.get("visibility") or ("private" if wanted.get("private") else "public")
        return 200, url

    def _large_file(self, wanted: dict[str, Any]) -> dict[str, Any]:
        answer = {"oid": wanted["oid"], "size": wanted["size"]}
        if self._blob(wanted["oid"]).is_file():
            return answer
        return answer | {"actions": {"upload": {"href": f"{self.address}/lfs/{wanted['oid']}"}}}

    def _mode(self, repository: Path, file: dict[str, Any]) -> dict[str, Any]:
        mode = "lfs" if file["size"] >= self.large else "regular"
        answer = {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}
        if (existing := repository / file["path"]).is_file():
            content = existing.read_bytes()
            git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            answer["oid"] = hashlib.sha256(content).hexdigest() if mode == "lfs" else git
        return answer

    def _commit(self, repository: Path, lines: list[dict[str, Any]]) -> None:
        paths = []
        for key, value in ((line["key"], line["value"]) for line in lines if line["key"] != "header"):
            file = repository / value["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            if key == "file":
                file.write_bytes(base64.b64decode(value["content"]))
            elif key == "lfsFile":
                file.write_bytes(self._blob(value["oid"]).read_bytes())
            else:
                file.unlink()
            paths.append(value["path"])
        self.commits.append(paths)

    def _blob(self, digest: str) -> Path:
        return self.folder / "lfs" / digest


def card_errors(text: str) -> list[str]:
    """What is wrong with a card's metadata, by the rules that the hub documents."""
    _, front, _ = text.split("---\n", 2)
    metadata = yaml.safe_load(front)
    languages = metadata.get("language", [])
    languages = [languages] if isinstance(languages, str) else languages
    errors = [f"language: {code}" for code in languages if not (isinstance(code, str) and 2 <= len(code) <= 12)]
    errors += [f"{name} must be a string" for name in TEXTS if not isinstance(metadata.get(name, ""), str)]
    licence = metadata.get("license", "mit")
    if licence not in LICENCES:
        errors.append(f"license must be one of {', '.join(sorted(LICENCES))}")
    if licence == "other" and "license_name" not in metadata:
        errors.append("license other needs license_name")
    bases = metadata.get("base_model", [])
    if not all("/" in name for name in ([bases] if isinstance(bases, str) else bases)):
        errors.append("base_model is not the id of a model")
    for entry in metadata.get("model-index", []):
        for result in entry["results"]:
            if not (result["task"]["type"] and result["dataset"]["type"] and result["dataset"]["name"]):
                errors.append("model-index: task.type, dataset.type and dataset.name are required")
            errors += [
                "model-index: a metric needs type and value"
                for one in result["metrics"]
                if {"type", "value"} - set(one)
            ]
    return errors
