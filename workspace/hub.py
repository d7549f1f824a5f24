"""Ask the Hugging Face hub for listings, files, models and access, with its client; cached under HF_HOME."""

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote

from .artifacts import file_hash
from .errors import UserError
from .hub_errors import OFFLINE, client_has_retried, hub_errors, is_unreachable

COMMIT = re.compile(r"[0-9a-f]{40}")
SHA256 = re.compile(r"[0-9a-f]{64}")
TIMEOUT = 10  # seconds
WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)  # in the order of preference of transformers
TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
    "tokenizer.model",
)
RETRY_WAITS = (1.0, 4.0)  # seconds before the second and third attempt to list or describe a repository
DOWN_SECONDS = 60.0  # for which a hub that did not answer is not asked again
MAX_EARLIER_COMMITS = 5

T = TypeVar("T")


class Failure(NamedTuple):
    """Why the hub did not answer, and when (in `time.monotonic()`) it may be asked again."""

    until: float
    reason: str
    cause: BaseException | None


_down: dict[str, Failure] = {}  # by endpoint


@dataclass(frozen=True)
class Card:
    """Metadata on the card of a repository."""

    licence: str = ""
    """As on the card, cc-by-sa-4.0; "" if it states none."""
    gated: bool = False
    """Whether conditions must be accepted before files can be downloaded."""
    class_names: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Names of numeric labels: configuration -> column -> names in order."""


@dataclass(frozen=True)
class HubFolder:
    """One folder of a data set repository at one commit; paths start at the root of the repository."""

    commit: str
    files: dict[str, int]
    """Path -> size in bytes."""
    folders: tuple[str, ...] = ()
    card: Card = field(default_factory=Card)
    exists: bool = True
    """False if the repository has no such folder."""
    earlier: tuple[str, ...] = ()
    """Commits listed before, newest first, whose files may still be cached."""
    fresh: bool = field(default=True, compare=False)
    """Whether the hub answered now; False for a stored answer."""


def hub_file(repo: str, path: str, revision: str, repo_type: str = "dataset") -> Path:
    """Download a file of a repository unless it is cached; returns its local path.

    huggingface_hub resumes and retries an interrupted download within a call; the next call starts again. Raises
    UserError if it fails, or if the content is not what the hub says.
    """
    from huggingface_hub import hf_hub_download

    def fetch() -> Path:
        with hub_errors(f"{repo}: {path}"), checked_download(repo, repo_type):
            return Path(hf_hub_download(repo, path, repo_type=repo_type, revision=unquote(revision)))

    return ask_again(fetch)


@contextmanager
def checked_download(repo: str, repo_type: str = "dataset") -> Iterator[None]:
    """Check the content of large files of `repo` that are downloaded inside `with`; if it is wrong, raise a UserError.

    The client checks sizes alone. The SHA-256 of a large file (in LFS or Xet) is its name in the client's cache:
    https://huggingface.co/docs/huggingface_hub/guides/manage-cache
    """
    before = _large_files(repo, repo_type)
    try:
        yield
    finally:  # also where it raised, since wrong content may be why
        wrong = [file for file in _large_files(repo, repo_type) - before if is_damaged(file)]
        names = [_path_in_repository(file) for file in wrong]
        for file in wrong:
            with suppress(OSError):
                file.unlink()
        if wrong:
            raise UserError(
                f"{repo}: {min(names)}: the content received does not have the SHA-256 that the hub states: run the "
                "command again; if that does not help, try another network"
            )


def _large_files(repo: str, repo_type: str) -> set[Path]:
    """The complete files of a repository in the client's cache that are named by their SHA-256, of all commits."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE, f"{repo_type}s/{repo}".replace("/", constants.REPO_ID_SEPARATOR))
    return {file for file in folder.glob("blobs/*") if SHA256.fullmatch(file.name)}


def _path_in_repository(content: Path) -> str:
    snapshots = content.parent.parent / "snapshots"
    links = (link for link in snapshots.rglob("*") if link.resolve() == content.resolve())
    return next(("/".join(link.relative_to(snapshots).parts[1:]) for link in links), content.name)


def is_damaged(file: Path) -> bool:
    """Whether a file of the client's cache is named by a SHA-256 that it does not have."""
    content = file.resolve()
    return bool(SHA256.fullmatch(content.name)) and file_hash(content) != content.name


def discard_if_damaged(file: Path) -> bool:
    """Delete a file of the client's cache if it `is_damaged`; returns whether it has been deleted."""
    with suppress(OSError):  # such as a cache that this user may only read
        if is_damaged(file):
            file.resolve().unlink()
            return True
    return False


def discard_damaged_files(repo: str, revision: str) -> bool:
    """Delete the damaged files of a model repository in the client's cache; returns whether there were any."""
    config = cached_file(repo, "config.json", revision, "model")
    files = [file for file in config.parent.rglob("*") if file.is_file()] if config else []
    return sum(map(discard_if_damaged, files)) > 0


def cached_file(repo: str, path: str, revision: str, repo_type: str = "dataset") -> Path | None:
    """The local path of a file of the hub if it is cached, else None; sends no request."""
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(
            repo, path, cache_dir=constants.HF_HUB_CACHE, revision=unquote(revision), repo_type=repo_type
        )
    except HFValidationError:  # not a valid name of a repository
        return None
    return Path(cached) if isinstance(cached, str) else None


def list_folder(repo: str, folder: str, revision: str) -> HubFolder:
    """List a folder of a data set repository, with the metadata on the repository's card.

    Answers are stored in the Hugging Face assets cache. The stored answer is used if `revision` is a commit, which
    never changes, or if the hub cannot be reached. Raises UserError without any answer.
    """
    from huggingface_hub import constants

    return _list_folder(repo, folder, revision, f"{constants.ENDPOINT} {constants.HF_ASSETS_CACHE}")


@lru_cache(maxsize=1024)
def _list_folder(repo: str, folder: str, revision: str, _: str) -> HubFolder:
    path = _listing_file(repo, folder, revision)
    stored = _read_listing(path)
    if stored is not None and COMMIT.fullmatch(revision):
        return stored
    try:
        listing = _ask(repo, lambda: _ask_for_folder(repo, folder, unquote(revision)), retry=stored is None)
    except UserError as error:
        if stored is not None and is_unreachable(error):
            return stored
        raise
    if stored is not None:
        commits = (stored.commit, *stored.earlier)
        listing = replace(
            listing, earlier=tuple(commit for commit in commits if commit != listing.commit)[:MAX_EARLIER_COMMITS]
        )
    with suppress(OSError):  # the listing is valid even if it cannot be stored
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(json.dumps(asdict(listing)), encoding="utf-8")
        partial.replace(path)
    return listing


def _ask(what: str, request: Callable[[], T], *, retry: bool = True) -> T:
    """The answer of the hub to a `request` about `what`, retried after some seconds where that may help.

    If the hub does not answer, further requests fail at once for DOWN_SECONDS: a command sends many. Raises UserError.
    """
    from huggingface_hub import constants

    failure = _down.get(constants.ENDPOINT)
    if failure is not None and time.monotonic() < failure.until:
        raise UserError(f"{what}: {failure.reason}") from failure.cause
    try:
        return ask_again(request, RETRY_WAITS if retry else ())
    except UserError as error:
        if is_unreachable(error):
            reason = str(error).removeprefix(f"{what}: ")
            _down[constants.ENDPOINT] = Failure(time.monotonic() + DOWN_SECONDS, reason, error.__cause__)
        raise


def ask_again(request: Callable[[], T], waits: Iterable[float] = RETRY_WAITS) -> T:
    """The result of `request`, made again after each of `waits` (seconds) if the hub did not answer.

    `request` must use `hub_errors` itself. A UserError for which that does not help, such as a repository that does not
    exist or is gated, is raised at once.
    """
    from huggingface_hub.errors import OfflineModeIsEnabled

    for wait in waits:
        try:
            return request()
        except UserError as error:
            offline = isinstance(error.__cause__, OfflineModeIsEnabled)
            if offline or not is_unreachable(error) or client_has_retried(error):
                raise
        time.sleep(wait)
    return request()


def forget_answers() -> None:
    """Forget the answers of the hub, as a new process has none."""
    _list_folder.cache_clear()
    _describe_model.cache_clear()
    _down.clear()


def _listing_file(repo: str, folder: str, revision: str) -> Path:
    from huggingface_hub import constants

    name = hashlib.sha256(f"{constants.ENDPOINT} {repo}@{revision}/{folder}".encode()).hexdigest()[:16]
    return Path(constants.HF_ASSETS_CACHE) / "lrl-adapt" / "listings" / f"{name}.json"


def _read_listing(path: Path) -> HubFolder | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        lists = {name: tuple(record[name]) for name in ("folders", "earlier")}
        return HubFolder(**record | lists | {"card": Card(**record["card"]), "fresh": False})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _ask_for_folder(repo: str, folder: str, revision: str) -> HubFolder:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import EntryNotFoundError
    from huggingface_hub.hf_api import RepoFile

    with hub_errors(repo):
        api = HfApi()
        info = api.dataset_info(repo, revision=revision, expand=["sha", "cardData", "gated"], timeout=TIMEOUT)
        commit, card = info.sha or revision, _card(info)
        try:
            entries = list(api.list_repo_tree(repo, folder or None, repo_type="dataset", revision=commit))
        except EntryNotFoundError:
            return HubFolder(commit, {}, card=card, exists=False)
        files = {entry.path: entry.size for entry in entries if isinstance(entry, RepoFile)}
        return HubFolder(commit, files, tuple(entry.path for entry in entries if entry.path not in files), card)


def _card(info: Any) -> Card:
    metadata = info.card_data.to_dict() if info.card_data is not None else {}
    licence = metadata.get("license") or ""
    names = licence if isinstance(licence, list) else [licence]
    if names == ["other"]:
        names = [str(metadata.get("license_name") or "other")]
    infos = metadata.get("dataset_info") or []
    class_names = {}
    for number, entry in enumerate(infos if isinstance(infos, list) else [infos]):
        if isinstance(entry, dict) and (columns := _class_names(entry.get("features"))):
            class_names[str(entry.get("config_name", number))] = columns
    return Card(", ".join(map(str, names)), bool(info.gated), class_names)


def _class_names(features: Any) -> dict[str, list[str]]:
    """Names of the ClassLabel columns in the `features` of a card's `dataset_info`."""
    columns = {}
    for feature in features if isinstance(features, list) else []:
        names = _names_within(feature)
        if names:
            columns[str(feature.get("name"))] = names
    return columns


def _names_within(feature: Any) -> list[str]:
    """The names in `class_label: {names: {"0": ..., "1": ...}}`, which lists wrap in `sequence` or `list`."""
    if not isinstance(feature, dict):
        return []
    label = feature.get("class_label")
    names = label.get("names") if isinstance(label, dict) else None
    if isinstance(names, dict):
        return [str(names[number]) for number in sorted(names, key=int)]
    if isinstance(names, list):
        return [str(name) for name in names]
    return next((inner for key in ("dtype", "sequence", "list") if (inner := _names_within(feature.get(key)))), [])


@dataclass(frozen=True)
class Model:
    """The files of a model on the hub or in the local cache."""

    weights: tuple[str, ...]
    """Weight files that transformers would load."""
    tokenizer: tuple[str, ...]
    size: int | None
    """Size of these files in bytes; None if only the cache is known."""
    licence: str
    gated: bool
    cached: bool


def describe_model(name: str, revision: str) -> Model:
    """The files of a model repository; of the local cache if the hub cannot be reached.

    Raises UserError if the hub refuses access, or cannot be reached and the model is not cached.
    """
    from huggingface_hub import constants

    return _describe_model(name, revision, f"{constants.ENDPOINT} {constants.HF_HUB_CACHE}")


@lru_cache(maxsize=64)
def _describe_model(name: str, revision: str, _: str) -> Model:
    from huggingface_hub import HfApi

    def ask() -> Any:
        with hub_errors(name):
            return HfApi().model_info(name, revision=unquote(revision), files_metadata=True, timeout=TIMEOUT)

    try:
        info = _ask(name, ask)
    except UserError:
        weights = [file for file in WEIGHTS if cached_file(name, file, revision, "model")]
        tokenizer = [file for file in TOKENIZER_FILES if cached_file(name, file, revision, "model")]
        if weights and tokenizer:
            return Model(tuple(weights), tuple(tokenizer), None, "", gated=False, cached=True)
        raise
    sizes = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or []}
    weights = next(([file] for file in WEIGHTS if file in sizes), [])
    if weights and weights[0].endswith(".index.json"):
        suffix = Path(weights[0].removesuffix(".index.json")).suffix
        weights = [file for file in sizes if re.fullmatch(rf"[^/]+-of-\d+{re.escape(suffix)}", file)]
    tokenizer = [file for file in TOKENIZER_FILES if file in sizes]
    commit = info.sha or revision
    cached = all(cached_file(name, file, commit, "model") for file in [*weights, *tokenizer[:1]])
    size = sum(sizes[file] for file in [*weights, *tokenizer])
    return Model(tuple(weights), tuple(tokenizer), size, _card(info).licence, bool(info.gated), cached)


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE is set."""
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE


def check_online(what: str) -> None:
    """Raise a UserError in offline mode about `what`, which is not cached."""
    if is_offline():
        raise UserError(f"{what}: {OFFLINE}")


def check_access(repo: str, repo_type: str = "dataset") -> None:
    """Raise a UserError if this user may not download files of a repository."""
    from huggingface_hub import HfApi

    def ask() -> None:
        with hub_errors(repo):
            HfApi().auth_check(repo, repo_type=repo_type)

    _ask(repo, ask)
