"""Files of data sets on the hub, through its own client: resumed, checked, cached under HF_HOME, offline if asked."""

import errno
import hashlib
import json
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from .downloads import public_address
from .errors import UserError

HUB_FILE = re.compile(
    r"hf://datasets/(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>refs/(convert|pr)/[^/]+|[^/]+))?/(?P<path>.+)"
)
COMMIT = re.compile(r"[0-9a-f]{40}")
TIMEOUT = 10  # seconds without an answer
WAITS = (1.0, 4.0)  # seconds before asking again


@dataclass(frozen=True)
class HubFolder:
    """A folder of a data set repository at one commit: paths from the repository's root, and their bytes."""

    commit: str
    files: dict[str, int]


def hub_file(repo: str, path: str, revision: str) -> Path:
    """One file of a data set repository, from the local cache if it is there already.

    Raises UserError when it cannot be had; what breaks off is resumed within a call, and begun anew by the next one.
    """
    from huggingface_hub import hf_hub_download

    with hub_errors(f"{repo}: {path}"):
        return Path(hf_hub_download(repo, path, repo_type="dataset", revision=unquote(revision)))


def hub_folder(repo: str, folder: str, revision: str, cache: Path) -> HubFolder:
    """What a folder of a data set repository holds; nothing where there is no such folder.

    The answer is kept in `cache` and used while the hub cannot be reached. Raises UserError when neither is there.
    """
    from huggingface_hub.errors import OfflineModeIsEnabled

    name = hashlib.sha256(f"{repo}@{revision}/{folder}".encode()).hexdigest()[:8]
    kept = cache / f"listing-{name}.json"
    record = _read_listing(kept)
    waits = list(WAITS)
    while True:
        try:
            found = _list(repo, folder, unquote(revision))
            break
        except UserError as error:
            if not _may_pass(error.__cause__):  # a repository that is gone or gated is no matter of patience
                raise
            if record is not None:
                return record
            if not waits or isinstance(error.__cause__, OfflineModeIsEnabled):
                raise
            time.sleep(waits.pop(0))
    with suppress(OSError):  # a listing that cannot be kept is a listing all the same
        cache.mkdir(parents=True, exist_ok=True)
        partial = kept.with_name(f".{kept.name}.{os.getpid()}")
        partial.write_text(json.dumps({"commit": found.commit, "files": found.files}), encoding="utf-8")
        partial.replace(kept)
    return found


def _read_listing(kept: Path) -> HubFolder | None:
    try:
        return HubFolder(**json.loads(kept.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _list(repo: str, folder: str, revision: str) -> HubFolder:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import EntryNotFoundError
    from huggingface_hub.hf_api import RepoFile

    with hub_errors(repo):
        api = HfApi()
        commit = api.dataset_info(repo, revision=revision, expand=["sha"], timeout=TIMEOUT).sha or revision
        try:
            tree = api.list_repo_tree(repo, folder, repo_type="dataset", revision=commit)
            return HubFolder(commit, {entry.path: entry.size for entry in tree if isinstance(entry, RepoFile)})
        except EntryNotFoundError:
            return HubFolder(commit, {})


class hub_errors:  # noqa: N801 - reads as a word in `with hub_errors(...)`
    """Context manager that turns what the hub client raises into one UserError line about `what`."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, UserError) and (advice := _advice(error)):
            raise UserError(f"{self.what}: {advice}") from error


def _advice(error: Exception) -> str:
    """One line on what to do; "" for an error that is none of the hub's."""
    from huggingface_hub import errors

    by_class = {
        errors.GatedRepoError: "access is gated: accept its conditions on the hub, then set HF_TOKEN",
        errors.RepositoryNotFoundError: "no such repository on the hub, or it is private: set HF_TOKEN",
        errors.RevisionNotFoundError: "no such revision",
        errors.RemoteEntryNotFoundError: "no such file in the repository",
        errors.OfflineModeIsEnabled: "not in the local cache, and HF_HUB_OFFLINE forbids asking the hub",
    }
    if found := next((by_class[cls] for cls in type(error).__mro__ if cls in by_class), ""):
        return found
    if status := _status(error):
        return f"{STATUS.get(status, 'the hub refuses')} ({status})"
    if isinstance(error, errors.LocalEntryNotFoundError):
        return "not in the local cache and the hub cannot be reached (offline?)"
    return _trouble(error)


def _trouble(error: Exception) -> str:
    """`_advice` where no answer of the hub is behind the error."""
    from huggingface_hub.errors import HFValidationError

    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: make room, or set HF_HOME to a folder on another disk"
    told = (str(error).strip() or type(error).__name__).splitlines()[0]
    told = re.sub(r"\w+://[^\s'\"]+", lambda match: public_address(match[0]), told)  # of a CDN, with its signature
    if "Consistency check failed" in told or "peer closed connection" in told:
        return "the download broke off; run the command again"
    if isinstance(error, OSError | HFValidationError):
        return told
    if type(error).__module__.startswith("http"):  # httpx or whatever the hub's client speaks through
        return f"the hub cannot be reached ({told}); HF_HUB_OFFLINE=1 uses cached files"
    return ""


STATUS = {
    401: "the hub wants a token: set HF_TOKEN",
    403: "the hub refuses access: accept the data set's conditions there, then set HF_TOKEN",
    429: "the hub has had too many requests: wait some minutes, or set HF_TOKEN",
    500: "the hub has a fault: try again later",
    502: "the hub is down: try again later",
    503: "the hub is down: try again later",
    504: "the hub is down: try again later",
}


def _status(error: BaseException | None) -> int:
    """The HTTP status behind an error, which the client may have wrapped; 0 if there is none."""
    while error is not None:
        response: Any = getattr(error, "response", None)
        if response is not None:
            return int(response.status_code)
        error = error.__cause__ or error.__context__
    return 0


def _may_pass(error: BaseException | None) -> bool:
    """Whether asking again later, or elsewhere, may help: the hub is not there, or busy."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    status = _status(error)
    unreachable = status == 0 and type(error).__module__.startswith("http")
    return unreachable or status in (408, 429, 500, 502, 503, 504) or isinstance(error, OfflineModeIsEnabled)
