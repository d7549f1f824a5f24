"""Runs: each `scores.json` with its manifest, adapters and data, gathered from one or several places."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

from ...recipes.languages import find_language
from ...recipes.renames import present_names
from ...training.artifacts import OWN_READING_FILES
from ...workspace.artifacts import parent_folders, read_manifest
from ...workspace.errors import UserError
from ..metrics import PRIMARY_METRICS, SECONDARY_METRICS
from ..predictions import HEAD_ONLY, MAJORITY_CLASS
from ..scores import BASE, Score, find_scores, read_scores
from ..task_data import FEW

LOSS_FILE = "metrics.jsonl"
MAX_CONDITION = 60  # characters of a setting's value; longer ones are shortened and told apart by a hash
MAX_DIFFERENCES = 3  # settings in the name of a system
_HASH = re.compile(r"[0-9a-f]{64}")
_SYSTEM_INPUTS = ("adapter", "transfer_adapter")  # they differ between systems; all other inputs are conditions


@dataclass(frozen=True)
class Run:
    """One system's scores on one task, with one seed; only runs under the same `conditions` are compared.

    `adapters` are the folders of the system's language adapters (which may have been deleted), `data` its other
    parents.
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
        """The score of the task's primary metric: the recipe's choice, the default of a known task, or the first."""
        chosen = self.manifest.get("section", {}).get("metric")
        return self.score(chosen or PRIMARY_METRICS.get(self.about.task, "")) or self.scores[0]

    @property
    def shown_metrics(self) -> list[str]:
        """The metrics that may have a row in tables: the primary one, and those of the task's secondary ones it has."""
        primary, secondary = self.primary.metric, SECONDARY_METRICS.get(self.about.task, ())
        return [primary, *(metric for metric in secondary if metric != primary and self.score(metric))]

    @property
    def reads_as_the_base(self) -> bool:
        """Whether it splits text as the base does: into the base's own pieces, and not romanised."""
        of_folder = self.manifest.get("inputs", {}).get("adapter") or {}  # one that `eval --adapter-dir` named
        return "+" not in self.system.partition(" (")[0] and OWN_READING_FILES.isdisjoint(of_folder)

    @property
    def transfer(self) -> str:
        """The language that the task adapter was trained on, if it is not the tested one; else ""."""
        return str(self.manifest.get("section", {}).get("transfer_from") or "")

    def majority_class(self, metric: str) -> float | None:
        """The metric of the constant answer, such as the most frequent class; None if not recorded."""
        return self._constant.get(metric)

    @property
    def constant_name(self) -> str:
        """What the constant answer is: the majority class, every label, the mean score."""
        return self._constant.get("name", "majority class")  # not recorded by earlier versions, which had no other

    @property
    def _constant(self) -> Mapping[str, Any]:
        return self.manifest.get("facts", {}).get(MAJORITY_CLASS, {})

    def head_only(self, metric: str) -> float | None:
        """The metric of a head trained alone on the bare base; None if not recorded, as in runs with an adapter."""
        return self.manifest.get("facts", {}).get(HEAD_ONLY, {}).get(metric)

    @property
    def small_splits(self) -> dict[str, int]:
        """Splits of a task that are too small to rely on, with their sizes; a limit is the user's own choice."""
        sizes = self.manifest.get("facts", {}).get("examples", {})
        if self.about.limit:
            return {}
        return {split: sizes[split] for split, fewest in FEW.items() if sizes.get(split, fewest) < fewest}

    @property
    def name(self) -> str:
        """Its folder as seen from the workspace."""
        return short_path(self.folder, self.workspace)

    def score(self, metric: str) -> Score | None:
        """Its score by this metric, if it has one."""
        return next((score for score in self.scores if score.metric == metric), None)


def gather_runs(sources: Sequence[Path], languages: Sequence[str] = ()) -> list[Run]:
    """The runs in score files, their folders and whole workspaces, each once; only of `languages` (codes) if given.

    Raises UserError if a source is none of these, a file is damaged, or there are no scores.
    """
    runs: dict[tuple[Any, ...], Run] = {}
    for source in sources:
        for path in find_scores(source):
            for run in _read_runs(path):
                identity = run.manifest.get("key") or path.resolve()  # copies in two workspaces are one run
                runs.setdefault((identity, run.system, run.about.task, run.about.seed), run)
    selected = [run for run in runs.values() if not languages or run.about.language in languages]
    missing = set(languages) - {run.about.language for run in selected}
    if missing or not selected:
        where = ", ".join(map(str, sources))
        of_languages = f" for {', '.join(sorted(missing))}" if missing else ""
        raise UserError(f"no scores{of_languages} under {where} yet; run: lrl-adapt eval RECIPE")
    return _with_distinct_systems(selected)


def manifest_of(folder: Path) -> dict[str, Any]:
    """An artifact's manifest; empty if it cannot be read, as a page that shows less is better than none."""
    try:
        return read_manifest(folder)
    except (OSError, UserError):
        return {}


def short_path(folder: Path, workspace: Path) -> str:
    """A folder as seen from the workspace that it is in, else its name."""
    return folder.relative_to(workspace).as_posix() if folder.is_relative_to(workspace) else folder.name


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested mappings as (dotted key, value)."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def language_name(code: str) -> str:
    """A language's English name, or the code if it is not known."""
    try:
        return find_language(code).name
    except ValueError:  # scores made elsewhere may name languages in their own way
        return code


def _read_runs(path: Path) -> Iterator[Run]:
    """The runs in a file: one, unless the scores of several were merged by hand."""
    folder = path.parent
    in_workspace = len(folder.parents) > 2 and folder.parents[1].name == "scores"
    workspace = folder.parents[2] if in_workspace else folder.parent
    manifest = manifest_of(folder)
    parents = parent_folders(manifest, workspace)
    data = tuple(parent for parent in parents if not _is_adapter(parent))
    adapters = tuple(parent for parent in parents if _is_adapter(parent))
    conditions = _conditions(manifest, data)
    # by their text, as seeds may be None, which does not sort among numbers
    in_order = sorted(read_scores(path), key=lambda score: repr(_run_of(score)))
    for _, group in groupby(in_order, key=_run_of):
        scores = tuple(group)
        system = scores[0].system
        yield Run(scores, folder, workspace, manifest, system, () if system == BASE else adapters, data, conditions)


def _run_of(score: Score) -> tuple[Any, ...]:
    return score.language, score.base, score.task, score.system, score.seed


def _conditions(manifest: Mapping[str, Any], data: Sequence[Path]) -> tuple[tuple[str, str], ...]:
    """Settings and inputs that systems must share to be comparable, as (dotted key, short value)."""
    section = {key: value for key, value in manifest.get("section", {}).items() if key not in ("seed", "system")}
    inputs = {key: value for key, value in manifest.get("inputs", {}).items() if key not in _SYSTEM_INPUTS}
    conditions = present_names(section) | inputs | {"made from": ", ".join(parent.name for parent in data)}
    return tuple(sorted((key, _shorten(value)) for key, value in flatten(conditions)))


def _shorten(value: Any) -> str:
    """A setting as short text; of hashes the first digits."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    text = _HASH.sub(lambda match: match[0][:8], text)
    return text if len(text) <= MAX_CONDITION else f"{text[:40]}… {sha256(text.encode()).hexdigest()[:8]}"


def _is_adapter(folder: Path) -> bool:
    return (folder / LOSS_FILE).is_file() or folder.parent.parent.name == "adapters"  # the latter if it was deleted


def _with_distinct_systems(runs: Iterable[Run]) -> list[Run]:
    """The runs, with what differs added to the name of systems of a language and base that have several adapters.

    `seq_bn/text (max_steps 600)`: where systems are matched by name, the part in parentheses is left out.
    """
    runs = sorted(runs, key=lambda run: (run.about.language, run.about.base, run.folder.name))
    adapters: dict[tuple[str, str, str], dict[str, Mapping[str, str]]] = defaultdict(dict)  # settings by hash
    for run in runs:
        of_name, adapter = adapters[_key(run)], _adapter_hash(run)
        if adapter not in of_name:
            of_name[adapter] = _settings(run)
    labels = {key: _labels(settings) for key, settings in adapters.items() if len(settings) > 1}
    return [
        replace(run, system=f"{run.system} ({labels[_key(run)][_adapter_hash(run)]})") if _key(run) in labels else run
        for run in runs
    ]


def _key(run: Run) -> tuple[str, str, str]:
    return run.about.language, run.about.base, run.system


def _labels(adapters: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """A label for each adapter, by its hash, from the settings of all: "max_steps 600".

    Adapters or data may have been deleted, so only settings that are known of all count, and of an adapter of which
    nothing is known the hash is shown.
    """
    known = [settings for settings in adapters.values() if settings]
    differing = [
        name
        for name in (known[0] if known else ())
        if all(name in settings for settings in known) and len({settings[name] for settings in known}) > 1
    ]
    described = {
        adapter: ", ".join(
            _described(name.rpartition(".")[2], settings[name]) for name in differing[:MAX_DIFFERENCES] if settings
        )
        for adapter, settings in adapters.items()
    }
    uses = Counter(described.values())
    labels = {}
    for adapter, text in described.items():
        parts = [text] if text else []
        if not text or uses[text] > 1:
            parts.append(adapter or "unknown adapter")
        labels[adapter] = ", ".join(parts)
    return labels


def _described(name: str, value: str) -> str:
    return f"no {name}" if value == "null" else f"{name} {value}"


def _settings(run: Run) -> dict[str, str]:
    """The settings of the run's adapters and of the data they were trained on, by dotted name; empty if unknown."""
    settings: dict[str, str] = {}
    for adapter in run.adapters:
        manifest = manifest_of(adapter)
        for part in (manifest, *map(manifest_of, parent_folders(manifest, run.workspace))):
            for name, value in flatten(present_names(part.get("section", {}))):
                if name != "code":
                    settings[f"{part['kind']}.{name}"] = _shorten(value)
    return settings


def _adapter_hash(run: Run) -> str:
    """The hashes of a system's adapters; of an adapter from elsewhere that of its files; "" for the base."""
    if run.adapters:
        return "+".join(adapter.name.rpartition("-")[2] for adapter in run.adapters)
    files = run.manifest.get("inputs", {}).get("adapter") if run.system != BASE else None
    return sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:8] if files else ""
