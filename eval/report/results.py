"""Runs: each scores.json with the manifest, adapters and data that stand behind it, gathered from several places."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

from ...recipes.languages import find_language
from ...recipes.renames import present_names
from ...workspace.artifacts import read_manifest
from ...workspace.errors import UserError
from ..scores import BASE, PRIMARY, Score, find_scores, read_scores

CURVE = "metrics.jsonl"
_HASH = re.compile(r"[0-9a-f]{64}")
_OF_SYSTEM = ("adapter", "transfer_adapter")  # inputs that a system brings along; all others are alike for all systems


@dataclass(frozen=True)
class Run:
    """One system's scores on one task, with one seed; only runs under the same `conditions` are compared.

    `adapters` are the folders of the system's own language adapters (they may be gone), `data` its other parents.
    """

    scores: tuple[Score, ...]
    folder: Path
    workspace: Path
    manifest: Mapping[str, Any]
    system: str
    adapters: tuple[Path, ...]
    data: tuple[Path, ...]
    conditions: tuple[tuple[str, str], ...]

    @property
    def about(self) -> Score:
        """Any of its scores, for task, language, base and seed."""
        return self.scores[0]

    @property
    def primary(self) -> Score:
        """The score that the task is judged by: the one its recipe names, that of a known task, or the first."""
        named = self.manifest.get("section", {}).get("metric")
        return self.score(named or PRIMARY.get(self.about.task, "")) or self.scores[0]

    @property
    def transfer(self) -> str:
        """The language that the task adapter was trained on where it is not the scored one, else ""."""
        return str(self.manifest.get("section", {}).get("transfer_from") or "")

    @property
    def name(self) -> str:
        """Its folder as seen from the workspace."""
        return short(self.folder, self.workspace)

    def score(self, metric: str) -> Score | None:
        """Its score by this metric, if it has one."""
        return next((score for score in self.scores if score.metric == metric), None)


def gather(sources: Sequence[Path], languages: Sequence[str] = ()) -> list[Run]:
    """The runs in score files, their folders and whole workspaces, each once, of `languages` (codes) if any are given.

    Raises UserError where a source is none of these, a file is broken, or nothing is found.
    """
    runs: dict[tuple[Any, ...], Run] = {}
    for source in sources:
        for path in find_scores(source):
            for run in _runs(path):
                made = run.manifest.get("key") or path.resolve()  # copies of one run in two workspaces are one run
                runs.setdefault((made, run.system, run.about.task, run.about.seed), run)
    found = [run for run in runs.values() if not languages or run.about.language in languages]
    lacking = set(languages) - {run.about.language for run in found}
    if lacking or not found:
        whose = f" for {', '.join(sorted(lacking))}" if lacking else ""
        raise UserError(f"no scores{whose} under {', '.join(map(str, sources))} yet; run: lrl-adapt eval RECIPE")
    return _tell_apart(found)


def manifest_of(folder: Path) -> dict[str, Any]:
    """An artifact's manifest, empty where it cannot be read: a page with less on it is better than none."""
    try:
        return read_manifest(folder)
    except (OSError, ValueError):
        return {}


def parents_of(manifest: Mapping[str, Any], workspace: Path) -> list[Path]:
    """The folders of an artifact's parents, looked for by their names where the workspace was moved."""
    return [_found(Path(parent), workspace) for parent in manifest.get("parents", [])]


def short(folder: Path, workspace: Path) -> str:
    """A folder as seen from the workspace if it lies there, else its name."""
    return folder.relative_to(workspace).as_posix() if folder.is_relative_to(workspace) else folder.name


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings and lists of mappings as (dotted key, value)."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _runs(path: Path) -> Iterator[Run]:
    """The runs in a file: one, unless somebody put several together."""
    folder = path.parent
    workspace = folder.parents[2] if len(folder.parents) > 2 and folder.parents[1].name == "scores" else folder.parent
    manifest = manifest_of(folder)
    parents = parents_of(manifest, workspace)
    data = tuple(parent for parent in parents if not _is_adapter(parent))
    adapters = tuple(parent for parent in parents if _is_adapter(parent))
    conditions = _conditions(manifest, data)
    scores = sorted(read_scores(path), key=lambda score: repr(_which(score)))
    for _, some in groupby(scores, key=_which):
        own = tuple(some)
        system = own[0].system
        yield Run(own, folder, workspace, manifest, system, () if system == BASE else adapters, data, conditions)


def _which(score: Score) -> tuple[Any, ...]:
    return score.language, score.base, score.task, score.system, score.seed


def _conditions(manifest: Mapping[str, Any], data: Sequence[Path]) -> tuple[tuple[str, str], ...]:
    recorded = {key: value for key, value in manifest.get("section", {}).items() if key not in ("seed", "system")}
    section = present_names(recorded)
    inputs = {key: value for key, value in manifest.get("inputs", {}).items() if key not in _OF_SYSTEM}
    told = section | inputs | {"made from": ", ".join(parent.name for parent in data)}
    return tuple(sorted((key, _told(value)) for key, value in flat(told)))


def _told(value: Any) -> str:
    """A setting in few characters; of hashes the start."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    text = _HASH.sub(lambda found: found[0][:8], text)
    return text if len(text) <= 60 else f"{text[:40]}… {sha256(text.encode()).hexdigest()[:8]}"


def _is_adapter(folder: Path) -> bool:
    return (folder / CURVE).is_file() or folder.parent.parent.name == "adapters"  # the latter: one deleted since


@lru_cache(maxsize=4096)
def _found(parent: Path, workspace: Path) -> Path:
    if parent.is_dir():
        return parent
    return next(iter(sorted(workspace.glob(f"*/*/{parent.name}"))), parent)


def _tell_apart(runs: Iterable[Run]) -> list[Run]:
    """Add the adapter's hash to a system's name where different adapters of one language and base share that name."""
    runs = sorted(runs, key=lambda run: (run.about.language, run.about.base, run.folder.name))
    makers: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for run in runs:
        makers[run.about.language, run.about.base, run.system].add(_maker(run))
    return [
        replace(run, system=f"{run.system} ({_maker(run) or 'unknown adapter'})")
        if len(makers[run.about.language, run.about.base, run.system]) > 1
        else run
        for run in runs
    ]


def _maker(run: Run) -> str:
    """The hashes of a system's adapters, or of an adapter that came from elsewhere."""
    if run.adapters:
        return "+".join(adapter.name.rpartition("-")[2] for adapter in run.adapters)
    foreign = run.manifest.get("inputs", {}).get("adapter") if run.system != BASE else None
    return sha256(json.dumps(foreign, sort_keys=True).encode()).hexdigest()[:8] if foreign else ""


def language_name(code: str) -> str:
    """A language's English name, or the code where there is none."""
    try:
        return find_language(code).name
    except ValueError:  # scores made elsewhere may name languages in their own way
        return code
