"""Resolve an `hf://` address, which may be a pattern, to files of a data set on the hub.

In `hf://datasets/OWNER/NAME@REVISION/PATH`, PATH may contain `*`, `?`, `[...]` and `{validation,dev}`. For a task it
must match one file, or all shards of one; for a corpus, any number of files.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

from .errors import UserError
from .hub import Card, HubFolder, cached_file, hub_file, list_folder

ADDRESS = re.compile(
    r"hf://datasets/(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>refs/(convert|pr)/[^/]+|[^/]+))?/(?P<path>.+)"
)
BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")  # {a,b}; {language} is a placeholder
WILDCARD = re.compile(r"[*?\[]")
SHARD = re.compile(r"(?P<stem>.*?)[-_](?P<number>\d+)(-of-(?P<count>\d+))?(?P<suffix>(\.[a-z]+)+)")
MAX_LISTED = 8  # names in an error
MAX_ALTERNATIVES = 1000  # that the braces of an address stand for


class NotOnHubError(UserError):
    """The repository has no such file; `missing` is the first part of the path that does not exist."""

    def __init__(self, message: str, repo: str, missing: str) -> None:
        super().__init__(message)
        self.repo = repo
        self.missing = missing


@dataclass(frozen=True)
class HubFiles:
    """The files at an address, in order; paths start at the root of the repository."""

    repo: str
    revision: str
    commit: str
    """"" if only the cache is known."""
    paths: tuple[str, ...]
    sizes: tuple[int, ...]
    """In bytes; empty if only the cache is known."""
    card: Card = field(default_factory=Card)
    fresh: bool = True
    """Whether the hub answered now; False for a stored listing."""

    def download(self) -> list[Path]:
        """Download the files that are not cached; returns local paths. Raises UserError if one is not available."""
        return [self.fetch(path) for path in self.paths]

    def sorted_by(self, key: Callable[[str], Any]) -> "HubFiles":
        """The same files sorted by a key of their paths."""
        order = sorted(range(len(self.paths)), key=lambda number: key(self.paths[number]))
        sizes = tuple(self.sizes[number] for number in order) if self.sizes else ()
        return replace(self, paths=tuple(self.paths[number] for number in order), sizes=sizes)

    def fetch(self, path: str) -> Path:
        """The local path of one of the files, downloaded unless it is cached. Raises UserError if that fails."""
        return hub_file(self.repo, path, self.commit or self.revision)

    def addresses(self) -> list[str]:
        """The files as `hf://` addresses with the commit."""
        at = f"@{self.commit}" if self.commit else ""
        return [f"hf://datasets/{self.repo}{at}/{path}" for path in self.paths]

    @property
    def cached_paths(self) -> list[str]:
        """Those of the files that are in the local cache."""
        revision = self.commit or self.revision
        return [path for path in self.paths if cached_file(self.repo, path, revision)]

    @property
    def cached(self) -> bool:
        """Whether all files are in the local cache."""
        return len(self.cached_paths) == len(self.paths)


def find_hub_files(address: str, *, several: bool = False) -> HubFiles:
    """The files that an `hf://datasets/` address matches; nothing is downloaded.

    Raises NotOnHubError if there are none, and UserError if the repository cannot be listed, or if there are several
    that are not the shards of one file, unless `several` is true.
    """
    match = ADDRESS.fullmatch(address)
    if match is None:
        raise UserError(f"{address}: expected hf://datasets/OWNER/NAME/FILE")
    repo, revision, pattern = match["repo"], match["revision"] or "main", match["path"]
    if {".", "..", ""} & {*revision.split("/"), *pattern.split("/")}:
        raise UserError(f"{address}: expected a path within the repository, without .., . and empty parts")
    try:
        return _find(repo, revision, pattern, several=several)
    except NotOnHubError:
        raise
    except UserError:
        # Without the hub, a cached file is still found by its exact path.
        if not _is_pattern(pattern) and cached_file(repo, pattern, revision):
            return HubFiles(repo, revision, "", (pattern,), ())
        raise


def _find(repo: str, revision: str, pattern: str, *, several: bool) -> HubFiles:
    if WILDCARD.search(pattern.rpartition("/")[0]):
        raise UserError(
            f"{repo}: {pattern}: *, ? and [...] are allowed in the name of the file only, not in its folders"
        )
    listing, matches = HubFolder("", {}), dict[str, int]()
    for expanded in expand_braces(pattern):
        folder = list_folder(repo, expanded.rpartition("/")[0], revision)
        in_folder = {path: size for path, size in folder.files.items() if _matches(path, expanded)}
        listing = folder if in_folder else listing
        matches |= in_folder
    if not matches:
        raise _not_on_hub(repo, revision, pattern)
    paths = tuple(sorted(matches, key=_natural))
    if not several and (len(paths) > 1 or _is_pattern(pattern)) and not _is_whole(paths):
        what = (
            "is one of several shards, and the others are missing" if len(paths) == 1 else "are not shards of one file"
        )
        raise UserError(f"{repo}: {pattern} names {_listed(paths)}, which {what}; name the file")
    files = HubFiles(
        repo, revision, listing.commit, paths, tuple(matches[path] for path in paths), listing.card, listing.fresh
    )
    if not listing.fresh and not files.cached:
        # The branch may have moved since the files were downloaded.
        older = [replace(files, commit=commit) for commit in listing.earlier]
        return next((candidate for candidate in older if candidate.cached), files)
    return files


def expand_braces(pattern: str) -> list[str]:
    """`{a,b}.csv` -> a.csv, b.csv, for all braces with a comma. Raises UserError for more than MAX_ALTERNATIVES."""
    parts = BRACES.split(pattern)  # text, choices, text, ...
    choices = [part.split(",") if number % 2 else [part] for number, part in enumerate(parts)]
    if (count := prod(map(len, choices))) > MAX_ALTERNATIVES:
        raise UserError(f"{pattern}: its braces stand for {count:,} paths; at most {MAX_ALTERNATIVES:,} are allowed")
    return ["".join(chosen) for chosen in product(*choices)]


def _is_pattern(path: str) -> bool:
    return bool(WILDCARD.search(path) or BRACES.search(path))


def _matches(path: str, pattern: str) -> bool:
    """Whether the pattern matches the whole path, folder by folder."""
    return path == pattern or PurePosixPath("/", path).match(f"/{pattern}")


def _natural(path: str) -> list[str | int]:
    """A sort key by which shard 2 comes before shard 10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path)]


def _is_whole(paths: Sequence[str]) -> bool:
    """Whether paths are one file or all its shards: train-00000-of-00002, ..., or NAME_0, NAME_1, ... from 0 or 1."""
    shards = [shard for path in paths if (shard := SHARD.fullmatch(path))]
    kinds = {(shard["stem"], shard["count"], shard["suffix"]) for shard in shards}
    if len(shards) < len(paths) or len(kinds) > 1:
        return len(paths) == 1
    numbers, count = sorted(int(shard["number"]) for shard in shards), shards[0]["count"]
    if count is not None:
        return int(count) == len(shards)
    return len(paths) == 1 or numbers in (list(range(len(paths))), list(range(1, len(paths) + 1)))


def _not_on_hub(repo: str, revision: str, pattern: str) -> NotOnHubError:
    """An error that names the first part of the path that does not exist, and what its folder holds."""
    first = expand_braces(pattern)[0]
    folder = first.rpartition("/")[0]
    listing = list_folder(repo, folder, revision)
    missing = pattern.rsplit("/", 1)[-1]
    while not listing.exists and folder:
        folder, _, missing = folder.rpartition("/")
        listing = list_folder(repo, folder, revision)
    names = [path.rsplit("/", 1)[-1] for path in (*listing.folders, *listing.files)]
    place = f"{repo}/{folder}" if folder else repo
    holds = f"it holds {_listed(sorted(names), missing)}" if names else "it is empty"
    return NotOnHubError(f"{place} has no {missing}; {holds}", repo, missing.split(".")[0])


def _listed(names: Iterable[str], wanted: str = "") -> str:
    """The first names as text, those most similar to `wanted` first."""
    names = list(names)
    near = difflib.get_close_matches(wanted, names, n=MAX_LISTED, cutoff=0.3) if wanted else []
    shown = list(dict.fromkeys([*near, *names]))[:MAX_LISTED]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
