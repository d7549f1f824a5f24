"""Where a recipe's locations lead: local files, files on the hub (`hf://datasets/ID@REV/PATH`), https addresses."""

import glob
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from .artifacts import file_hash
from .checksums import SHA256
from .downloads import NotThereError, download, public_address
from .errors import UserError
from .hub_files import NotOnHubError, find_hub_files
from .progress import QUIET, Progress
from .tables import is_table, is_text

T = TypeVar("T")


class NoSuchFileError(UserError):
    """A local file does not exist."""


MISSING = (NotOnHubError, NotThereError, NoSuchFileError)


def alternatives(locations: str | Sequence[str]) -> list[str]:
    """A location, or several alternatives, as a list."""
    return [locations] if isinstance(locations, str) else list(locations)


def local_files(locations: str | Sequence[str], cache: Path, progress: Progress = QUIET) -> list[Path]:
    """Local paths to the file at a location, or to its shards; downloaded first if it is not local.

    Of several locations, alternatives to each other, the first that exists counts. Hub files go to the Hugging Face
    cache (HF_HOME), others to `cache`. Raises UserError when none can be had.
    """
    return find_files(locations, cache, progress)[1]


def find_files(locations: str | Sequence[str], cache: Path, progress: Progress = QUIET) -> tuple[str, list[Path]]:
    """The same, with the one of the locations that the files come from."""
    return first_that_exists(locations, lambda location: (location, _local_files(location, cache, progress)))


def first_that_exists(locations: str | Sequence[str], use: Callable[[str], T]) -> T:
    """What `use` gives for the first of several alternatives that exists.

    Only that a file does not exist leads to the next alternative; any other error of `use` is raised.
    """
    *first, last = alternatives(locations)
    for location in first:
        try:
            return use(location)
        except MISSING:
            continue
    return use(last)


def local_file(location: str, cache: Path, progress: Progress = QUIET) -> Path:
    """The same for a location that is one file."""
    paths = _local_files(location, cache, progress)
    if len(paths) > 1:
        raise UserError(f"{location} has {len(paths)} shards; expected one file")
    return paths[0]


def _local_files(location: str, cache: Path, progress: Progress) -> list[Path]:
    if location.startswith("hf://"):
        return find_hub_files(location).download()
    if location.startswith(("https://", "http://")):
        return [download(location, cache, progress, sha256=SHA256.get(location))]
    path = Path(location)
    if path.is_file():
        return [path]
    if "://" in location:
        raise UserError(f"{public_address(location)}: expected https://... or hf://datasets/OWNER/NAME/FILE")
    raise NoSuchFileError(f"no such file: {location}")


def hub_licences(locations: Iterable[str | Sequence[str]]) -> dict[str, str]:
    """Address (at its commit) -> licence in the data set's card, "" if it states none, of the locations on the hub."""
    licences: dict[str, str] = {}
    for location in locations:
        with suppress(UserError):  # a file that cannot be had is reported where it is read
            licences |= first_that_exists(location, _hub_licences)
    return licences


def _hub_licences(location: str) -> dict[str, str]:
    if location.startswith("hf://"):
        files = find_hub_files(location)
        return dict.fromkeys(files.addresses(), files.card.licence)
    if "://" not in location and not Path(location).is_file():
        raise NoSuchFileError(f"no such file: {location}")
    return {}


def identity(locations: str | Sequence[str]) -> str:
    """What decides the data at a location: the content's hash of a local file, the address (no secrets) of another.

    Of alternatives, all addresses up to the first local file that exists: which of them exist is not asked, since
    nothing is fetched. Raises UserError where a local file is missing.
    """
    if isinstance(locations, str):
        return _identity(locations)
    parts = []
    for location in locations:
        if "://" in location:
            parts.append(_identity(location))
        elif Path(location).is_file():
            return " | ".join([*parts, _identity(location)])  # those behind it are never read
    return " | ".join(parts) or _identity(locations[-1])


def _identity(location: str) -> str:
    if "://" not in location:
        return file_hash(local_file(location, Path()))
    public = public_address(location)
    return public if public == location else f"{public} {hashlib.sha256(location.encode()).hexdigest()[:8]}"


def expand_files(patterns: list[str]) -> list[Path]:
    """The files that paths, folders and globs name, in order, once each. Raises UserError where one names none."""
    found: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            matches = sorted(file for file in path.rglob("*") if _is_data(file.relative_to(path)) and file.is_file())
        elif path.is_file():
            matches = [path]
        else:
            matches = sorted(path for path in glob_files(pattern) if path.is_file())
        if not matches:
            raise UserError(f"no such file: {pattern}")
        found.update(dict.fromkeys(matches))
    return list(found)


def _is_data(path: Path) -> bool:
    return (is_table(path) or is_text(path)) and not _is_hidden(path)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _told_ending(path: Path) -> str:
    return "".join(path.suffixes[-2:] if path.suffix.lower() == ".gz" else path.suffixes[-1:]) or path.name


def unread_files(patterns: list[str]) -> dict[Path, Counter[str]]:
    """For each of the folders among `patterns`, the endings of the files in it that `expand_files` leaves out."""
    unread = {}
    for folder in (path for path in map(Path, patterns) if path.is_dir()):
        files = [file.relative_to(folder) for file in sorted(folder.rglob("*")) if file.is_file()]
        endings = Counter(_told_ending(file) for file in files if not _is_data(file) and not _is_hidden(file))
        if endings:
            unread[folder] = endings
    return unread


def glob_files(pattern: str) -> list[Path]:
    """Paths that match an absolute or relative glob."""
    return [Path(match) for match in glob.glob(pattern, recursive=True)]  # noqa: PTH207 - Path.glob takes no absolute one
