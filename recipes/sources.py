"""Where a recipe's locations lead: local files, files on the hub (`hf://datasets/ID@REV/PATH`), https addresses."""

import glob
import hashlib
from collections import Counter
from pathlib import Path

from .artifacts import file_hash
from .downloads import download, public_address
from .errors import UserError
from .hub import HUB_FILE, hub_file
from .progress import QUIET, Progress
from .tables import is_table, is_text


def local_file(location: str, cache: Path, progress: Progress = QUIET) -> Path:
    """A local path to the file at `location`, downloaded first if it is not local.

    Hub files go to the Hugging Face cache (HF_HOME), others to `cache`. Raises UserError when it cannot be had.
    """
    if match := HUB_FILE.fullmatch(location):
        return hub_file(match["repo"], match["path"], match["revision"] or "main")
    if location.startswith(("https://", "http://")):
        return download(location, cache, progress)
    path = Path(location)
    if path.is_file():
        return path
    if "://" in location:
        raise UserError(f"{public_address(location)}: expected https://... or hf://datasets/OWNER/NAME/FILE")
    raise UserError(f"no such file: {location}")


def identity(location: str) -> str:
    """What decides the data at a location: the content's hash of a local file, the address (no secrets) of another.

    Nothing is fetched. Raises UserError where a local file is missing.
    """
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
