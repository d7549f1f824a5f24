"""Where the numbers of a report come from: adapters and their cost, settings, environments, licences of the data."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...recipes.licences import CONCEPTNET, LOCAL_FILES, UNKNOWN, glotcc_terms, task_data_terms
from ...recipes.renames import present_names
from ..scores import MISSING, in_order
from .results import Run, flat, language_name, manifest_of, parents_of, short

TRAINING = "training"


@dataclass(frozen=True)
class Cost:
    """What a language adapter costs; None where its manifest does not tell."""

    language: str
    base: str
    system: str
    name: str
    parameters: int | None
    share: float | None
    steps: int | None
    tokens: int | None
    seconds: float | None
    devices: str | None
    loss: float | None


@dataclass(frozen=True)
class Settings:
    """Artifacts of one system that were made with the same settings and library versions, as JSON text."""

    base: str
    system: str
    kind: str
    settings: str
    made: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Licence:
    """A source of data, what it served for and under which terms."""

    data: str
    terms: str
    used: list[str]


def costs(runs: Iterable[Run]) -> list[Cost]:
    """A line for each language adapter that is still there, by base, language and system."""
    found: dict[Path, Cost] = {}
    for run in runs:
        for folder in run.adapters:
            manifest = manifest_of(folder)
            if folder not in found and manifest:
                found[folder] = _cost(run, folder, manifest)
    return sorted(found.values(), key=lambda cost: (cost.base, language_name(cost.language), cost.system))


def settings(runs: Sequence[Run]) -> list[Settings]:
    """How each system was trained and scored, what was made alike told once; by base and system."""
    groups: dict[tuple[str, str, str, str], Settings] = {}
    seen: set[tuple[str, str, Path]] = set()
    order = in_order(run.system for run in runs)
    for run in sorted(runs, key=lambda run: (run.about.base, order.index(run.system))):
        scored = (f"scoring of {run.about.task}", run.folder)
        for kind, folder in [*((TRAINING, folder) for folder in run.adapters), scored]:
            manifest = manifest_of(folder)
            if not manifest or (run.about.base, run.system, folder) in seen:
                continue
            seen.add((run.about.base, run.system, folder))
            key = (run.about.base, run.system, kind, _settings(manifest))
            groups.setdefault(key, Settings(*key)).made.append(_artifact(folder, run.workspace, manifest))
    return sorted(groups.values(), key=lambda one: (one.base, order.index(one.system), one.kind != TRAINING))


def licences(runs: Iterable[Run]) -> list[Licence]:
    """The data that the adapters were trained on and the systems scored on, each with its terms."""
    used: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for run in runs:
        for data, terms, use in _data_of(run):
            used[data, terms][use] = None
    return [Licence(data, terms, list(uses)) for (data, terms), uses in sorted(used.items())]


def skipped_tasks(runs: Sequence[Run]) -> list[str]:
    """A line for each task that was not scored because its data set lacks the language."""
    several = len({run.about.language for run in runs}) > 1
    lines: dict[str, None] = {}
    scored = {(run.about.language, run.about.task) for run in runs}
    for run in sorted(runs, key=lambda run: language_name(run.about.language)):
        for task, line in run.manifest.get("facts", {}).get("skipped_tasks", {}).items():
            if task != "mlm" and (run.about.language, task) in scored:
                continue  # by another recipe, or since the data set has the language
            lines[f"{language_name(run.about.language)}, {line}" if several else line] = None
    return list(lines)


def show_time(seconds: float | None) -> str:
    """A time as readers see it: "21 s", "3 min 20 s", "2 h 5 min"."""
    if seconds is None:
        return MISSING
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def _cost(run: Run, folder: Path, manifest: Mapping[str, Any]) -> Cost:
    facts = manifest.get("facts", {})
    trained, all_ = facts.get("trainable_parameters"), facts.get("parameters")
    return Cost(
        language=run.about.language,
        base=run.about.base,
        system=run.system,
        name=short(folder, run.workspace),
        parameters=trained,
        share=trained / all_ if trained and all_ else None,
        steps=facts.get("steps"),
        tokens=facts.get("tokens_seen"),
        seconds=manifest.get("wall_seconds"),
        devices=facts.get("devices"),
        loss=facts.get("validation_loss"),
    )


def _settings(manifest: Mapping[str, Any]) -> str:
    """What does not differ between seeds: settings of the recipe and the environment."""
    section = present_names({key: value for key, value in manifest.get("section", {}).items() if key != "seed"})
    told = {"settings": section, "versions": manifest.get("versions", {})}
    return json.dumps(told, indent=2, ensure_ascii=False, default=str)


def _artifact(folder: Path, workspace: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    facts = {key.replace("_", " "): value for key, value in manifest.get("facts", {}).items() if _is_plain(value)}
    seed = manifest.get("section", {}).get("seed")
    return {
        "name": short(folder, workspace),
        "created": manifest.get("created", MISSING),
        "time": show_time(manifest.get("wall_seconds")),
        "facts": {name: _fact(value) for name, value in facts.items()} | ({} if seed is None else {"seed": seed}),
        "inputs": json.dumps(manifest.get("inputs", {}), ensure_ascii=False, default=str),
    }


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _fact(value: str | float) -> str:
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _data_of(run: Run) -> Iterator[tuple[str, str, str]]:
    """(data, terms, use) of everything that a run was scored on and its adapters trained on."""
    on_hub = run.manifest.get("facts", {}).get("files_on_hub", {})
    for address, licence in on_hub.items():
        name, terms = _terms(address)
        repository = _repository(address)
        yield name if name == repository else f"{name} ({repository})", licence or terms, f"scoring of {run.about.task}"
    for location in _locations(run.manifest.get("inputs", {})):
        if not (on_hub and location.startswith("hf://")):  # scores of earlier versions recorded no files
            yield *_terms(location), f"scoring of {run.about.task}"
    for folder in run.data:
        yield from _prepared(folder, run.workspace, f"scoring of {run.about.task}")
    for adapter in run.adapters:
        yield from _trained_on(adapter, run.workspace)


def _locations(inputs: Mapping[str, Any]) -> Iterator[str]:
    """Addresses and hashes of the data that a system was scored on."""
    for key in ("data", "files"):
        for _, value in flat({key: inputs.get(key, [])}):
            yield from value if isinstance(value, list) else [str(value)]


def _trained_on(adapter: Path, workspace: Path) -> Iterator[tuple[str, str, str]]:
    """Text and graph of an adapter, and of those that a fusion was made from."""
    for parent in parents_of(manifest_of(adapter), workspace):
        if manifest_of(parent).get("kind") == "adapter":
            yield from _trained_on(parent, workspace)
        else:
            yield from _prepared(parent, workspace, TRAINING)


def _prepared(folder: Path, workspace: Path, use: str) -> Iterator[tuple[str, str, str]]:
    """What a corpus or a graph was made from."""
    manifest = manifest_of(folder)
    kind, facts = manifest.get("kind"), manifest.get("facts", {})
    if kind == "corpus":
        source = facts.get("source", {})
        files = source.get("files", [])
        some = ", ".join(files[:5]) + (f" and {len(files) - 5} more" if len(files) > 5 else "")
        commit = source.get("commit") or source.get("revision")
        if "glotcc" in source:
            yield f"GlotCC ({source['glotcc']}, {commit})", glotcc_terms(source), use
        else:
            yield some, LOCAL_FILES, use
    elif kind == "graph":
        kept = ", ".join(facts.get("licenses", {}))
        yield f"ConceptNet ({facts.get('dump', 'dump')})", CONCEPTNET + (f"; its edges: {kept}" if kept else ""), use


def _repository(address: str) -> str:
    """OWNER/NAME at its commit, shortened, of an hf:// address."""
    owner, name = address.removeprefix("hf://datasets/").split("/")[:2]
    repo, _, commit = name.partition("@")
    return f"{owner}/{repo}" + (f" at {commit[:8]}" if commit else "")


def _terms(location: str) -> tuple[str, str]:
    """(name, terms) of task data by their address; a bare hash stands for a local file."""
    if "://" not in location:
        return "Task data in local files", LOCAL_FILES
    name = _repository(location) if location.startswith("hf://") else location
    return task_data_terms(location) or (name, UNKNOWN)
