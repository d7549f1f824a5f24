"""Where the figures of a report come from: settings, library versions, and the data with its licences."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...recipes.licences import CONCEPTNET, LOCAL_FILES, UNKNOWN, recorded_sources, source_terms, task_data_terms
from ...recipes.renames import present_names
from ...workspace.artifacts import parent_folders
from ...workspace.formatting import MISSING, format_duration, format_number
from ..scores import sort_systems
from .runs import Run, flatten, language_name, manifest_of, short_path

TRAINING = "training"
MAX_FILES_SHOWN = 5


@dataclass(frozen=True)
class SettingsGroup:
    """Artifacts of one system that were made with the same settings and library versions (`settings`, JSON text).

    `kind` is "training" or "scoring of TASK".
    """

    base: str
    system: str
    kind: str
    settings: str
    artifacts: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Licence:
    """A source of data, its terms, and what it was used for."""

    data: str
    terms: str
    uses: list[str]


def settings_groups(runs: Sequence[Run]) -> list[SettingsGroup]:
    """How each system was trained and scored, by base and system. Artifacts with the same settings are one group."""
    groups: dict[tuple[str, str, str, str], SettingsGroup] = {}
    seen: set[tuple[str, str, Path]] = set()
    order = sort_systems(run.system for run in runs)
    for run in sorted(runs, key=lambda run: (run.about.base, order.index(run.system))):
        base, system = run.about.base, run.system
        artifacts = [(TRAINING, folder) for folder in run.adapters]
        artifacts.append((f"scoring of {run.about.task}", run.folder))
        for kind, folder in artifacts:
            manifest = manifest_of(folder)
            if not manifest or (base, system, folder) in seen:
                continue
            seen.add((base, system, folder))
            key = (base, system, kind, _settings_json(manifest))
            group = groups.setdefault(key, SettingsGroup(*key))
            group.artifacts.append(_describe_artifact(folder, run.workspace, manifest))
    return sorted(groups.values(), key=lambda group: (group.base, order.index(group.system), group.kind != TRAINING))


def licences(runs: Iterable[Run]) -> list[Licence]:
    """The data that the adapters were trained on and the systems scored on, each with its terms."""
    uses: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for run in runs:
        for data, terms, use in _data_of(run):
            uses[data, terms][use] = None
    return [Licence(data, terms, list(of_data)) for (data, terms), of_data in sorted(uses.items())]


def skipped_tasks(runs: Sequence[Run]) -> list[str]:
    """A line for each task that was not scored because its data set lacks the language."""
    several = len({run.about.language for run in runs}) > 1
    lines: dict[str, None] = {}
    scored = {(run.about.language, run.about.task) for run in runs}
    for run in sorted(runs, key=lambda run: language_name(run.about.language)):
        for task, line in run.manifest.get("facts", {}).get("skipped_tasks", {}).items():
            if task != "mlm" and (run.about.language, task) in scored:
                continue  # scored by another recipe, or since the language was added to the data set
            lines[f"{language_name(run.about.language)}, {line}" if several else line] = None
    return list(lines)


def _settings_json(manifest: Mapping[str, Any]) -> str:
    """What does not differ between seeds: settings of the recipe and library versions."""
    section = {key: value for key, value in manifest.get("section", {}).items() if key != "seed"}
    settings = {"settings": present_names(section), "versions": manifest.get("versions", {})}
    return json.dumps(settings, indent=2, ensure_ascii=False, default=str)


def _describe_artifact(folder: Path, workspace: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    facts = {
        name.replace("_", " "): _format_fact(value)
        for name, value in manifest.get("facts", {}).items()
        if isinstance(value, str | int | float)
    }
    seed = manifest.get("section", {}).get("seed")
    if seed is not None:
        facts["seed"] = seed
    return {
        "name": short_path(folder, workspace),
        "created": manifest.get("created", MISSING),
        "time": format_duration(manifest.get("wall_seconds")) + _beside(manifest),
        "facts": facts,
        "inputs": json.dumps(manifest.get("inputs", {}), ensure_ascii=False, default=str),
    }


def _format_fact(value: str | float) -> str:
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, float) and abs(value) < 1000:
        return f"{value:.4g}"
    return format_number(value)


def _data_of(run: Run) -> Iterator[tuple[str, str, str]]:
    """(data, terms, use) of everything that a run was scored on and its adapters were trained on."""
    scoring = f"scoring of {run.about.task}"
    files_on_hub = run.manifest.get("facts", {}).get("files_on_hub", {})
    for address, licence in files_on_hub.items():
        name, terms = name_and_terms(address)
        repository = _repository(address)
        yield name if name == repository else f"{name} ({repository})", licence or terms, scoring
    for location in _locations(run.manifest.get("inputs", {})):
        if not (files_on_hub and location.startswith("hf://")):  # earlier versions recorded no files
            yield *name_and_terms(location), scoring
    for folder in run.data:
        yield from _prepared_data(folder, scoring)
    for adapter in run.adapters:
        yield from _training_data(adapter, run.workspace)


def _locations(inputs: Mapping[str, Any]) -> Iterator[str]:
    """Addresses and hashes of the data that a system was scored on."""
    for key in ("data", "files"):
        for _, value in flatten({key: inputs.get(key, [])}):
            yield from value if isinstance(value, list) else [str(value)]


def _training_data(adapter: Path, workspace: Path) -> Iterator[tuple[str, str, str]]:
    """Text and graph of an adapter; of a fusion those of the adapters that it combines."""
    for parent in parent_folders(manifest_of(adapter), workspace):
        if manifest_of(parent).get("kind") == "adapter":
            yield from _training_data(parent, workspace)
        else:
            yield from _prepared_data(parent, TRAINING)


def _prepared_data(folder: Path, use: str) -> Iterator[tuple[str, str, str]]:
    """The sources of a corpus or a graph."""
    manifest = manifest_of(folder)
    kind, facts = manifest.get("kind"), manifest.get("facts", {})
    if kind == "corpus":
        yield from (
            (_source_name(record), source_terms(record), use)
            for record in recorded_sources(facts)
            if "lacks" not in record
        )
    elif kind == "graph":
        edges = ", ".join(facts.get("licenses", {}))
        terms = f"{CONCEPTNET}; its edges: {edges}" if edges else CONCEPTNET
        yield f"ConceptNet ({facts.get('dump', 'dump')})", terms, use


def _source_name(record: Mapping[str, Any]) -> str:
    """A source of a corpus: its title, hub id and commit, or the names of its files."""
    if repository := record.get("repository"):
        version = f"{repository}, {record.get('commit') or record['revision']}"
        return f"{record['title']} ({version})" if "title" in record else version
    files = record.get("files", [])
    more = f" and {len(files) - MAX_FILES_SHOWN} more" if len(files) > MAX_FILES_SHOWN else ""
    return ", ".join(files[:MAX_FILES_SHOWN]) + more


def _repository(address: str) -> str:
    """OWNER/NAME of an hf:// address, with the first digits of its commit."""
    owner, name = address.removeprefix("hf://datasets/").split("/")[:2]
    repository, _, commit = name.partition("@")
    return f"{owner}/{repository}" + (f" at {commit[:8]}" if commit else "")


def name_and_terms(location: str) -> tuple[str, str]:
    """(name, terms) of task data by their address; a hash without a scheme stands for a local file."""
    if "://" not in location:
        return "Task data in local files", LOCAL_FILES
    name = _repository(location) if location.startswith("hf://") else location
    return task_data_terms(location) or (name, UNKNOWN)


def _beside(manifest: Mapping[str, Any]) -> str:
    """Of an adapter that was trained together with others, how many."""
    count = manifest.get("trained_together")
    return f" for {count} adapters at once" if count else ""
