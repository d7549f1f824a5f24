"""Artifacts: folders that a command creates once and finds again by a hash of their settings and inputs.

A folder is written as a hidden sibling and renamed when complete, under a lock, so an interrupted command leaves
nothing that a later one could take for complete.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from glob import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .errors import UserError
from .locks import locked
from .new_folder import partial_folder, remove_folder
from .progress import QUIET, Progress

MANIFEST = "manifest.json"
SCHEMA_VERSION = 1
PACKAGES = ("lrl-adapt", "torch", "transformers", "tokenizers", "datasets", "peft", "accelerate", "networkx", "pyarrow")


@dataclass
class Draft:
    """An artifact being written: put files into `folder`, and facts for the manifest into `facts`."""

    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)
    costs: dict[str, Any] = field(default_factory=dict)
    """Measurements that differ each time, for the manifest beside `wall_seconds`."""


@dataclass(frozen=True)
class Artifact:
    """A folder `root/name-<hash>`, whose hash covers `section`, `inputs` and the parents' keys.

    `section` holds the recipe values that shape the content, `inputs` the hashes of outside data (never their paths).
    """

    root: Path
    name: str
    kind: str
    section: Mapping[str, Any]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    parents: "tuple[Artifact, ...]" = ()
    sources: tuple[str, ...] = ()
    """Names of the local files and folders that the recipe takes the data from, for messages; see `local_names`."""
    recorded_key: str = ""
    """The key of a finished artifact that was read from its manifest."""
    note: str = ""
    """Why this finished artifact is used although its inputs are missing."""

    def __repr__(self) -> str:
        """Short, for notebooks: settings and inputs are in the manifest."""
        return f"Artifact(kind={self.kind!r}, folder={str(self.folder)!r})"

    @property
    def key(self) -> str:
        """Hex SHA-256 of everything that determines the content."""
        if self.recorded_key:
            return self.recorded_key
        decides = {
            "schema": SCHEMA_VERSION,
            "kind": self.kind,
            "section": self.section,
            "inputs": self.inputs,
            "parents": [parent.key for parent in self.parents],
        }
        return hashlib.sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()

    @property
    def folder(self) -> Path:
        """Where the artifact is stored when it is complete."""
        return self.root / f"{self.name}-{self.key[:8]}"

    @property
    def resume_dir(self) -> Path:
        """What is needed to resume an interrupted run; removed when the artifact is complete."""
        return self.root / f".{self.folder.name}.unfinished"

    @property
    def lock(self) -> Path:
        """The file that is locked while the artifact is made."""
        return self.root / f".{self.folder.name}.lock"

    @property
    def exists(self) -> bool:
        """Whether the artifact is complete."""
        return is_finished(self.folder)

    def manifest(self) -> dict[str, Any]:
        """The manifest of a finished artifact."""
        return read_manifest(self.folder)

    def build(self, make: Callable[[Draft], None], progress: Progress = QUIET) -> bool:
        """Let `make` fill the artifact's folder unless it exists; returns whether it was created now.

        If `make` raises, nothing is left behind. A second process that needs the same artifact waits.
        """
        with self.draft(progress) as draft:
            if draft is not None:
                make(draft)
        return draft is not None

    @contextmanager
    def draft(self, progress: Progress = QUIET, *, wait: bool = True) -> Iterator[Draft | None]:
        """A draft to fill inside `with`, moved into place at its end; None if the artifact exists.

        If the block raises, nothing is left behind. Raises UserError if the folder cannot be written. Takes the
        artifact's lock: a second process waits, or raises UserError if `wait` is false.
        """
        if self.exists:  # without the lock, so that a read-only workspace can be used
            yield None
            return
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write to {self.root} ({error.strerror}): choose another --workspace") from error
        with locked(self.lock, f"writing {self.folder.name}", progress, wait=wait):
            if self.exists:
                yield None
            else:
                self._set_aside_damaged(progress)
                with self._written() as draft:
                    yield draft

    def _set_aside_damaged(self, progress: Progress) -> None:
        """Keep a folder whose manifest is damaged under a hidden name: its other files may still be wanted."""
        if (self.folder / MANIFEST).is_file():
            aside = self.root / f".{self.folder.name}.damaged"
            remove_folder(aside)
            self.folder.replace(aside)
            progress.say(f"{self.folder / MANIFEST} is damaged, so it is made again; the old files are in {aside}")

    @contextmanager
    def _written(self) -> Iterator[Draft]:
        started = time.monotonic()
        with partial_folder(self.folder) as partial:  # a folder without a manifest, which is not complete, goes
            draft = Draft(partial)
            yield draft
            manifest = self.make_manifest(draft.facts, time.monotonic() - started) | draft.costs
            write_json(partial / MANIFEST, manifest)
        remove_folder(self.resume_dir)

    def make_manifest(self, facts: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """What `manifest.json` holds: all that determines the content, `facts` about it and `seconds` of work."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": self.kind,
            "key": self.key,
            "section": self.section,
            "inputs": self.inputs,
            "parents": [str(parent.folder) for parent in self.parents],
            "sources": list(self.sources),
            "facts": facts,
            "versions": library_versions(),
            "wall_seconds": round(seconds, 3),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }


@dataclass(frozen=True)
class Prepared:
    """The prepared data of a recipe: each a folder with train, validation and test parquet files (document, text)."""

    corpus: Artifact | None
    graph: Artifact | None

    @property
    def all(self) -> tuple[Artifact, ...]:
        """Every artifact that the recipe asks for."""
        return tuple(artifact for artifact in (self.corpus, self.graph) if artifact is not None)

    def of(self, source: str) -> tuple[Artifact, ...]:
        """What an adapter with this `source` (text, graph, both or fusion) is trained on."""
        chosen = {"text": (self.corpus,), "graph": (self.graph,)}.get(source, (self.corpus, self.graph))
        return tuple(artifact for artifact in chosen if artifact is not None)


def resolve_inputs(artifact: Artifact, inputs: Mapping[str, Callable[[], Any]]) -> Artifact:
    """`artifact` with more inputs, computed by these functions.

    A finished artifact does not need its inputs: if a function raises UserError because a file is missing, the newest
    finished artifact with the same section, sources, parents and other inputs is used, and its `note` says so. Raises
    the UserError if there is none.
    """
    known, missing = dict(artifact.inputs), None
    for name, compute in inputs.items():
        try:
            known[name] = compute()
        except UserError as error:
            missing = missing or error
    artifact = replace(artifact, inputs=known)
    if missing is None:
        return artifact
    manifests = finished_like(artifact)
    if not manifests:
        raise missing
    folder = max(manifests, key=lambda folder: manifests[folder]["created"])
    return replace(read_artifact(folder), note=_note_on(folder, manifests[folder], len(manifests), missing))


def read_artifact(folder: Path) -> Artifact:
    """A finished artifact as its manifest describes it; parents are looked for in this workspace, which may have moved.

    Parents that were deleted are omitted.
    """
    manifest = read_manifest(folder)
    workspace = [*folder.absolute().parents][:3][-1]  # a copy may lie nearer to the root
    parents = parent_folders(manifest, workspace)
    return Artifact(
        folder.parent,
        folder.name.rpartition("-")[0],
        manifest["kind"],
        manifest["section"],
        manifest["inputs"],
        tuple(read_artifact(parent) for parent in parents if is_finished(parent)),
        tuple(manifest.get("sources", ())),
        manifest["key"],
    )


def parent_folders(manifest: Mapping[str, Any], workspace: Path) -> list[Path]:
    """The folders of an artifact's parents: in this workspace, which may have moved, or else as recorded."""
    folders = []
    for recorded in map(Path, manifest.get("parents", [])):
        moved = workspace.joinpath(*recorded.parts[-3:])
        folders.append(moved if moved.is_dir() else recorded)
    return folders


def finished_like(artifact: Artifact) -> dict[Path, dict[str, Any]]:
    """Manifests, by folder, of the finished artifacts that agree with all that is known of `artifact`."""
    section, inputs = json.loads(json.dumps([artifact.section, artifact.inputs], default=str))
    parents = [parent.folder.name for parent in artifact.parents]
    sources = [name.rstrip("/") for name in artifact.sources]
    matches = {}
    for folder in finished_folders(artifact.root, f"{escape(artifact.name)}-*"):
        manifest = read_manifest(folder)
        recorded = [name.rstrip("/") for name in manifest.get("sources", artifact.sources)]  # not in old manifests
        if (
            (manifest["kind"], manifest["section"]) == (artifact.kind, section)
            and all(manifest["inputs"].get(name) == value for name, value in inputs.items())
            and (not parents or parents == [Path(parent).name for parent in manifest["parents"]])
            and recorded == sources
        ):
            matches[folder] = manifest
    return matches


def _note_on(folder: Path, manifest: Mapping[str, Any], matches: int, missing: UserError) -> str:
    verb = "scored" if manifest["kind"] == "scores" else "prepared"
    origin = ", ".join(manifest.get("sources", ()))
    newest = f", the newest of {matches}" if matches > 1 else ""
    return f"{missing}; using {folder.name}{newest}, {verb} {manifest['created'][:10]}" + (
        f" from {origin}" if origin else ""
    )


def local_names(locations: Iterable[str]) -> tuple[str, ...]:
    """Names for the local ones among `locations`: the last part of the path, with a slash for a folder.

    The full path would reveal details of the machine. A pattern keeps the folder that it is applied to (texts/*.txt).
    """
    names = []
    for location in locations:
        if "://" not in location:
            path = Path(location)
            parts = path.parts[-2:] if "*" in path.name else path.parts[-1:]
            names.append("/".join(parts) + ("/" if path.is_dir() else ""))
    return tuple(names)


def library_versions() -> dict[str, str]:
    """Versions of the packages that affect results; packages that are not installed are omitted."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read `manifest.json` of an artifact's folder. Raises UserError if it is damaged."""
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or not in UTF-8
        raise UserError(
            f"{folder / MANIFEST} is damaged ({error}): run the command that made it again, or delete its folder"
        ) from error


def is_finished(folder: Path) -> bool:
    """Whether a folder is a complete artifact: it has a manifest that is whole.

    Raises OSError if that cannot be told, for example because the file system does not answer.
    """
    try:
        return bool(read_manifest(folder))
    except (FileNotFoundError, NotADirectoryError, UserError):
        return False


def finished_folders(root: Path, pattern: str) -> list[Path]:
    """The complete artifacts among the folders under `root` that match a glob pattern, in order."""
    return [file.parent for file in sorted(root.glob(f"{pattern}/{MANIFEST}")) if is_finished(file.parent)]


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


@contextmanager
def replace_with(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; after `with` it replaces `path` in one step.

    If the block raises, `path` stays as it was.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def file_hash(path: Path) -> str:
    """Hex SHA-256 of a file's content, cached until its size or modification time changes."""
    status = path.stat()
    return _file_hash(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1024)
def _file_hash(path: Path, *_: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
