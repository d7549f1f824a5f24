"""Files of data sets on the hub, through its own client: resumed, checked, cached under HF_HOME, offline if asked."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import UserError

HUB_FILE = re.compile(
    r"hf://datasets/(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>refs/(convert|pr)/[^/]+|[^/]+))?/(?P<path>.+)"
)
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class HubFolder:
    """A folder of a data set repository at one commit: paths from the repository's root, and their bytes."""

    commit: str
    files: dict[str, int]


def hub_file(repo: str, path: str, revision: str) -> Path:
    """One file of a data set repository, from the local cache if it is there already.

    Raises UserError when it cannot be had; a download that broke off is resumed by the next call.
    """
    from huggingface_hub import hf_hub_download

    with hub_errors(f"{repo}: {path}"):
        return Path(hf_hub_download(repo, path, repo_type="dataset", revision=revision.replace("%2F", "/")))


def hub_folder(repo: str, folder: str, revision: str, cache: Path) -> HubFolder:
    """What a folder of a data set repository holds; nothing where there is no such folder.

    The answer is kept in `cache` and used while the hub cannot be reached. Raises UserError when neither is there.
    """
    name = hashlib.sha256(f"{repo}@{revision}/{folder}".encode()).hexdigest()[:8]
    kept = cache / f"listing-{name}.json"
    try:
        found = _list(repo, folder, revision)
    except UserError:
        if not kept.is_file():
            raise
        return HubFolder(**json.loads(kept.read_text(encoding="utf-8")))
    cache.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"commit": found.commit, "files": found.files}), encoding="utf-8")
    return found


def _list(repo: str, folder: str, revision: str) -> HubFolder:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import EntryNotFoundError
    from huggingface_hub.hf_api import RepoFile

    with hub_errors(repo):
        api = HfApi()
        commit = api.dataset_info(repo, revision=revision, expand=["sha"]).sha or revision
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
        errors.OfflineModeIsEnabled: "not in the local cache, and HF_HUB_OFFLINE forbids asking the hub",
    }
    status = _status(error)
    found = next((by_class[cls] for cls in type(error).__mro__ if cls in by_class), "")
    if found or status in STATUS:
        return found or f"{STATUS[status]} ({status})"
    if isinstance(error, errors.LocalEntryNotFoundError):
        return "not in the local cache and the hub cannot be reached (offline?)"
    if isinstance(error, errors.EntryNotFoundError):
        return "no such file in the repository"
    told = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, OSError | errors.HfHubHTTPError | errors.HFValidationError):
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
