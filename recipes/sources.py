"""Where a recipe's locations lead: local files, files on the hub (`hf://datasets/ID@REV/PATH`), https addresses."""

import glob
import hashlib
import http.client
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from .errors import UserError

HUB_FILE = re.compile(r"hf://datasets/(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[^/]+))?/(?P<path>.+)")
SUFFIXES = (".txt", ".txt.gz", ".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".tsv", ".parquet")


def local_file(location: str, cache: Path, progress=None) -> Path:
    """A local path to the file at `location`, downloaded first if it is not local.

    Hub files go to the Hugging Face cache (HF_HOME), others to `cache`. Raises UserError when it cannot be had.
    """
    if match := HUB_FILE.fullmatch(location):
        return hub_file(match["repo"], match["path"], match["revision"] or "main")
    if location.startswith(("https://", "http://")):
        return _download(location, cache)
    path = Path(location)
    if not path.is_file():
        raise UserError(f"no such file: {location}")
    return path


def glob_files(pattern: str) -> list[Path]:
    """Paths that match an absolute or relative glob."""
    return [Path(match) for match in glob.glob(pattern, recursive=True)]  # noqa: PTH207 - Path.glob takes no absolute one


def hub_file(repo: str, path: str, revision: str) -> Path:
    """One file of a hub data set, from the local cache if it is there already."""
    from huggingface_hub import hf_hub_download

    with hub_errors(f"{repo}: {path}"):
        return Path(hf_hub_download(repo, path, repo_type="dataset", revision=revision))


def expand_files(patterns: list[str]) -> list[Path]:
    """The files that paths, folders and globs name, in order, once each. Raises UserError where one names none."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            matches = sorted(file for file in path.rglob("*") if file.name.endswith(SUFFIXES))
        elif path.is_file():
            matches = [path]
        else:
            matches = sorted(path for path in glob_files(pattern) if path.is_file())
        if not matches:
            raise UserError(f"no such file: {pattern}")
        found.update(dict.fromkeys(matches))
    return list(found)


class hub_errors:  # noqa: N801 - reads as a word in `with hub_errors(...)`
    """Context manager that turns what the hub client raises into one UserError line about `what`."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, UserError):
            return
        from huggingface_hub import errors

        advice = {
            errors.GatedRepoError: "access is gated: accept its conditions on the hub, then set HF_TOKEN",
            errors.RepositoryNotFoundError: "no such repository on the hub, or it is private: set HF_TOKEN",
            errors.RevisionNotFoundError: "no such revision",
            errors.EntryNotFoundError: "no such file in the repository",
            errors.LocalEntryNotFoundError: "not in the local cache and the hub cannot be reached (offline?)",
            errors.OfflineModeIsEnabled: "not in the local cache, and HF_HUB_OFFLINE forbids asking the hub",
        }
        # LocalEntryNotFoundError is an EntryNotFoundError too: the most precise class speaks.
        for cls in type(error).__mro__:
            if cls in advice:
                raise UserError(f"{self.what}: {advice[cls]}") from error
        told = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if isinstance(error, (OSError, errors.HfHubHTTPError, errors.HFValidationError)):
            raise UserError(f"{self.what}: {told}") from error
        if type(error).__module__.startswith("http"):  # httpx or whatever the hub's client speaks through
            raise UserError(
                f"{self.what}: the hub cannot be reached ({told}); HF_HUB_OFFLINE=1 uses cached files"
            ) from error


def _download(address: str, cache: Path) -> Path:
    """Fetch an address into `cache` under its own name, whole or not at all.

    Each address has a folder of its own: many are called train.csv.
    """
    folder = cache / hashlib.sha256(address.encode()).hexdigest()[:8]
    target = folder / urllib.parse.urlsplit(address).path.rsplit("/", 1)[-1]
    if target.is_file():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    try:
        with urllib.request.urlopen(address, timeout=60) as reply, partial.open("wb") as file:  # noqa: S310 - http(s) only
            shutil.copyfileobj(reply, file, 1 << 20)
            expected = reply.headers.get("Content-Length")
        if expected is not None and partial.stat().st_size != int(expected):
            raise UserError(f"{address}: the download broke off; run the command again")
        partial.replace(target)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise UserError(f"{address}: cannot be downloaded: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return target


# --- temporary shims (helper is rewriting this file) ---
def public_address(location: str) -> str:
    return location


def identity(location: str) -> str:
    from .artifacts import file_hash
    if "://" in location:
        return public_address(location)
    return file_hash(Path(location))


from dataclasses import dataclass


@dataclass(frozen=True)
class HubFolder:
    commit: str
    files: dict[str, int]


def hub_folder(repo, folder, revision):
    from huggingface_hub import HfApi
    from huggingface_hub.errors import EntryNotFoundError
    with hub_errors(repo):
        try:
            tree = HfApi().list_repo_tree(repo, folder, repo_type="dataset", revision=revision)
            return HubFolder(revision, {e.path: e.size for e in tree})
        except EntryNotFoundError:
            return HubFolder(revision, {})
