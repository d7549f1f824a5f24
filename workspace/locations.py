"""Resolve the locations in a recipe: local files, files on the hub (`hf://datasets/ID@REV/PATH`), https addresses."""

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from .artifacts import file_hash
from .checksums import SHA256
from .downloads import NotFoundError, download, public_address
from .errors import UserError
from .hub_files import NotOnHubError, find_hub_files
from .progress import QUIET, Progress
from .tables import is_brat, is_conll, is_table, is_text

T = TypeVar("T")


class NoSuchFileError(UserError):
    """A local file does not exist."""


LOCK_FILE = "~$"
"""Beginning of the name of the file that Word keeps beside an open document."""
MISSING = (NotOnHubError, NotFoundError, NoSuchFileError)


def exists(path: str | Path) -> bool:
    """Whether there is a file or folder. Unlike Path.exists, False where a name is too long for the file system."""
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: str | Path) -> bool:
    """Whether there is a file. Unlike Path.is_file, False where a name is too long for the file system."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: str | Path) -> bool:
    """Whether there is a folder. Unlike Path.is_dir, False where a name is too long for the file system."""
    return os.path.isdir(path)  # noqa: PTH112


def alternatives(locations: str | Sequence[str]) -> list[str]:
    """One location or several alternatives as a list."""
    return [locations] if isinstance(locations, str) else list(locations)


def local_files(locations: str | Sequence[str], cache: Path, progress: Progress = QUIET) -> list[Path]:
    """Local paths of the file at a location, of its shards or of the files in a folder, downloaded if not local.

    Of several alternatives, the first that exists is used. Files on the hub go to the Hugging Face cache (HF_HOME),
    others to `cache`. Raises UserError if no file is available.
    """
    return find_files(locations, cache, progress)[1]


def find_files(locations: str | Sequence[str], cache: Path, progress: Progress = QUIET) -> tuple[str, list[Path]]:
    """As `local_files`, with the alternative that was used in front."""
    return first_that_exists(locations, lambda location: (location, _local_files(location, cache, progress)))


def first_that_exists(locations: str | Sequence[str], use: Callable[[str], T]) -> T:
    """The result of `use` for the first of several alternatives that exists.

    Only if a file does not exist is the next alternative tried; other errors of `use` are raised.
    """
    *earlier, last = alternatives(locations)
    for location in earlier:
        try:
            return use(location)
        except MISSING:
            continue
    return use(last)


def local_file(location: str, cache: Path, progress: Progress = QUIET) -> Path:
    """The local path of a location that is one file; see `local_files`."""
    if is_folder(location):
        raise UserError(f"{location} is a folder; expected a file")
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
    if is_file(path):
        return [path]
    if is_folder(path):
        return folder_files(path)
    if "://" in location:
        raise UserError(f"{public_address(location)}: expected https://... or hf://datasets/OWNER/NAME/FILE")
    raise NoSuchFileError(f"no such file: {location}")


def folder_files(folder: Path) -> list[Path]:
    """The data files in a folder and those below it, in order; of brat's pairs (.txt, .ann), the annotations.

    Raises UserError if there are none, or a text lacks its annotations.
    """
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and not _is_hidden(file.relative_to(folder))]
    annotations = [file for file in files if is_brat(file)]
    if not annotations:
        if data := [file for file in files if is_table(file) or is_conll(file)]:
            return data
        raise UserError(f"{folder} contains no data files (csv, tsv, jsonl, json, parquet, CoNLL, or .txt with .ann)")
    for file in files:
        if is_text(file) and file.with_suffix(".ann") not in annotations:
            raise UserError(
                f"{file} lacks its annotations, {file.with_suffix('.ann').name}: move it away, or add an empty file if "
                "nothing is marked in it"
            )
    return annotations


def hub_licences(locations: Iterable[str | Sequence[str]]) -> dict[str, str]:
    """Licences of the locations on the hub: address at its commit -> licence on the card, "" if it states none."""
    licences: dict[str, str] = {}
    for location in locations:
        with suppress(UserError):  # a file that is not available is reported where it is read
            licences |= first_that_exists(location, _hub_licences)
    return licences


def _hub_licences(location: str) -> dict[str, str]:
    if location.startswith("hf://"):
        files = find_hub_files(location)
        return dict.fromkeys(files.addresses(), files.card.licence)
    if "://" not in location and not exists(location):
        raise NoSuchFileError(f"no such file: {location}")
    return {}


def identity(locations: str | Sequence[str]) -> str:
    """What identifies the data at a location: the hash of local content, or the address without secrets.

    Of alternatives, all addresses up to the first local file or folder that exists, since no server is asked which of
    them exist. Raises UserError if a local file is missing.
    """
    if isinstance(locations, str):
        return _identity(locations)
    parts = []
    for location in locations:
        if "://" in location:
            parts.append(_identity(location))
        elif exists(location):
            return " | ".join([*parts, _identity(location)])  # later alternatives are never read
    return " | ".join(parts) or _identity(locations[-1])


def _identity(location: str) -> str:
    if "://" not in location:
        return _content_hash(Path(location))
    public = public_address(location)
    return public if public == location else f"{public} {hashlib.sha256(location.encode()).hexdigest()[:8]}"


def _content_hash(path: Path) -> str:
    """The hash of a file, or of the names and contents of several: those of a folder, or brat's two."""
    files = _local_files(str(path), Path(), QUIET)
    files += [text for file in files if is_brat(file) and (text := file.with_suffix(".txt")).is_file()]
    if files == [path]:
        return file_hash(path)
    names = (f"{file.relative_to(path.parent)} {file_hash(file)}" for file in sorted(files))
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def expand_files(patterns: list[str], field: str = "", also: Collection[str] = ()) -> list[Path]:
    """The files of paths, folders and globs, in order and without repeats.

    Of folders, the data files (tables and text) and those whose extension, in lower case, is in `also`.

    Raises UserError, which begins with the recipe's `field` if given, if one has no file.
    """
    files: dict[Path, None] = {}
    for pattern in patterns:
        path = Path(pattern)
        if is_folder(path):
            matches = sorted(
                file for file in path.rglob("*") if _is_data(file.relative_to(path), also) and file.is_file()
            )
        elif is_file(path):
            matches = [path]
        else:
            matches = sorted(
                path for path in glob_files(pattern) if path.is_file() and not path.name.startswith(LOCK_FILE)
            )
        if not matches:
            prefix = f"{field}: " if field else ""
            endings = sorted({ending.lower() for counts in unread_files([pattern], also).values() for ending in counts})
            only = f" (only {', '.join(endings)})" if endings else ""
            missing = "no file that can be read in" if is_folder(path) else "no such file or folder:"
            raise UserError(f"{prefix}{missing} {pattern}{only}")
        files.update(dict.fromkeys(matches))
    return list(files)


def _is_data(path: Path, also: Collection[str]) -> bool:
    return (is_table(path) or is_text(path) or path.suffix.lower() in also) and not _is_hidden(path)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", LOCK_FILE)) for part in path.parts)


def _full_ending(path: Path) -> str:
    return "".join(path.suffixes[-2:] if path.suffix.lower() == ".gz" else path.suffixes[-1:]) or path.name


def unread_files(patterns: list[str], also: Collection[str] = ()) -> dict[Path, Counter[str]]:
    """For each folder among `patterns`, the extensions of the files that `expand_files` skips, with their numbers."""
    unread = {}
    for folder in (path for path in map(Path, patterns) if is_folder(path)):
        files = [file.relative_to(folder) for file in sorted(folder.rglob("*")) if file.is_file()]
        endings = Counter(_full_ending(file) for file in files if not _is_data(file, also) and not _is_hidden(file))
        if endings:
            unread[folder] = endings
    return unread


def glob_files(pattern: str) -> list[Path]:
    """The paths that match an absolute or relative glob."""
    return [Path(match) for match in glob.glob(pattern, recursive=True)]  # noqa: PTH207 - Path.glob takes no absolute pattern
