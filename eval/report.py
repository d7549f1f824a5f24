"""The report of a language: one HTML page that stands alone, and its numbers as CSV and Markdown."""

import csv
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..recipes.artifacts import MANIFEST, library_versions, read_manifest, write_json
from ..recipes.errors import UserError
from ..recipes.languages import find_language
from ..recipes.progress import QUIET, Progress
from ..recipes.schema import Recipe
from .figures import METRICS, curves_figure, read_curve, scores_figure
from .scores import (
    BASE,
    METRIC_NAMES,
    MISSING,
    PRIMARY,
    TASK_NAMES,
    Row,
    Score,
    collect_scores,
    in_order,
    show_change,
    show_interval,
    show_value,
    summarise,
    summary,
    verdict,
)

RANDOM_BASE = "scratch"  # how the names of bases with random weights start
COLUMNS = ["language", "base", "task", "system", "metric", "value", "low", "high", "n", "seed", "folder"]


@dataclass(frozen=True)
class Record:
    """A score with where it comes from; only scores under the same `conditions` (data, settings) are compared."""

    score: Score
    folder: Path
    adapters: tuple[Path, ...]
    conditions: tuple[tuple[str, str], ...]


def write_report(workspace: Path, recipe: Recipe, progress: Progress = QUIET) -> Path:
    """Write the report of the recipe's language from all scores in the workspace; returns the page's path."""
    records = _records(workspace, recipe.language)
    if not records:
        raise UserError(f"no scores for {recipe.language} under {workspace} yet; run: lrl-adapt eval RECIPE")
    progress.say(f"report on {len(records)} scores for {recipe.language}")
    rows = _rows(records)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    folder = workspace / "reports" / recipe.language
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # what a killed command left
    partial.mkdir(parents=True)
    page = _page(recipe, records, rows, workspace, created)
    (partial / "index.html").write_text(page, encoding="utf-8")
    _write_csv(partial / "scores.csv", records, workspace)
    (partial / "scores.md").write_text(markdown_table(rows), encoding="utf-8")
    used = sorted({_short(record.folder, workspace) for record in records})
    write_json(partial / MANIFEST, {"scores": used, "versions": library_versions(), "created": created})
    shutil.rmtree(folder, ignore_errors=True)  # a report is always made anew
    partial.replace(folder)
    return folder / "index.html"


def _records(workspace: Path, language: str) -> list[Record]:
    records = []
    for score, folder in collect_scores(workspace, language):
        manifest = _manifest(folder)
        parents = [_found(Path(parent), workspace) for parent in manifest.get("parents", [])]
        adapters = tuple(parent for parent in parents if _is_adapter(parent))
        data = [parent.name for parent in parents if not _is_adapter(parent)]
        own = () if score.system == BASE else adapters
        records.append(Record(score, folder, own, _conditions(manifest, data)))
    return _tell_apart(records)


def _is_adapter(folder: Path) -> bool:
    return (folder / METRICS).is_file() or folder.parent.parent.name == "adapters"  # the latter: one deleted since


def _conditions(manifest: dict[str, Any], data: list[str]) -> tuple[tuple[str, str], ...]:
    section = {key: value for key, value in manifest.get("section", {}).items() if key not in ("seed", "system")}
    told = section | manifest.get("inputs", {}) | {"made from": ", ".join(data)}
    return tuple((key, json.dumps(told[key], sort_keys=True, ensure_ascii=False).strip('"')) for key in sorted(told))


def _rows(records: Iterable[Record]) -> list[Row]:
    """The summary, with a row of its own for each data and settings that a task was measured with."""
    groups: dict[tuple[tuple[str, str], ...], list[Score]] = defaultdict(list)
    for record in records:
        groups[record.conditions].append(record.score)
    found = [(row, conditions) for conditions, scores in groups.items() for row in summarise(scores)]
    rows = [
        replace(
            row, note=_difference(own, [c for other, c in found if (other.base, other.task) == (row.base, row.task)])
        )
        for row, own in found
    ]
    return sorted(rows, key=lambda row: (row.base, list(PRIMARY).index(row.task)))


def _difference(own: Iterable[tuple[str, str]], all_: Sequence[Iterable[tuple[str, str]]]) -> str:
    """Those of a row's own conditions that are not the same in all rows of its task."""
    known = [dict(conditions) for conditions in all_]
    return ", ".join(f"{key} {value[:60]}" for key, value in own if any(other.get(key) != value for other in known))


def _tell_apart(records: list[Record]) -> list[Record]:
    """Add the adapter's hash to a system's name where different adapters on one base share that name."""
    makers: dict[tuple[str, str], set[tuple[Path, ...]]] = defaultdict(set)
    for record in records:
        makers[record.score.base, record.score.system].add(record.adapters)
    return [
        replace(record, score=replace(record.score, system=_with_hash(record)))
        if len(makers[record.score.base, record.score.system]) > 1
        else record
        for record in records
    ]


def _with_hash(record: Record) -> str:
    hashes = "+".join(adapter.name.rpartition("-")[2] for adapter in record.adapters)
    return f"{record.score.system} ({hashes or 'unknown adapter'})"


def _found(parent: Path, workspace: Path) -> Path:
    """A parent's folder, looked for by its name in the workspace when the workspace was moved."""
    if parent.is_dir():
        return parent
    return next((folder for folder in workspace.glob("*/*/*") if folder.name == parent.name), parent)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        return read_manifest(folder)
    except (OSError, ValueError):  # a page with less on it is better than none
        return {}


def markdown_table(rows: Sequence[Row]) -> str:
    """The summary as a Markdown table: value, interval and change for each base and task."""
    systems = in_order(system for row in rows for system in row.systems)
    header = ["base model", "task", "metric", *systems]
    lines = [header, ["---"] * len(header)]
    lines += [
        [
            row.base,
            f"{row.task} [{row.note}]" if row.note else row.task,
            METRIC_NAMES[row.metric],
            *(_markdown_cell(row, system) for system in systems),
        ]
        for row in rows
    ]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _markdown_cell(row: Row, system: str) -> str:
    cell = row.systems.get(system)
    if cell is None:
        return MISSING
    compared = f"({show_change(row, system)}; {verdict(row, system)})" if verdict(row, system) else ""
    parts = [show_value(cell.mean, row.metric), show_interval(cell.interval, row.metric), compared]
    return " ".join(part for part in parts if part)


def _write_csv(path: Path, records: Iterable[Record], workspace: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for record in records:
            low, high = record.score.interval or ("", "")
            extra = {"low": low, "high": high, "folder": _short(record.folder, workspace)}
            writer.writerow(asdict(record.score) | extra)


def _short(folder: Path, workspace: Path) -> str:
    return folder.relative_to(workspace).as_posix()


def _page(recipe: Recipe, records: Sequence[Record], rows: Sequence[Row], workspace: Path, created: str) -> str:
    tasks = [task for task in PRIMARY if task in recipe.eval.configured or any(row.task == task for row in rows)]
    bases = sorted({record.score.base for record in records})
    shown = {
        "recipe": recipe.name,
        "language": find_language(recipe.language).name,
        "code": recipe.language,
        "bases": [_base_view(base, records, rows, tasks, workspace) for base in bases],
        "records": records,
        "versions": library_versions(),
        "created": created,
    }
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "task_names": TASK_NAMES,
        "metric_names": METRIC_NAMES,
        "primary": PRIMARY,
        "missing": MISSING,
        "show_value": show_value,
        "show_interval": show_interval,
        "show_change": show_change,
        "verdict": verdict,
    }
    return environment.get_template("report.html").render(shown)


def _base_view(
    base: str, records: Sequence[Record], rows: Sequence[Row], tasks: Sequence[str], workspace: Path
) -> dict[str, Any]:
    """What the template shows of one base model."""
    own = [record for record in records if record.score.base == base]
    own_rows = [row for row in rows if row.base == base]
    systems = in_order([BASE, *(record.score.system for record in own)])
    adapters = {record.score.system: record.adapters for record in own}
    curves = [read_curve(system, folder) for system in systems for folder in adapters.get(system, ())]
    return {
        "name": base,
        "random": base.startswith(RANDOM_BASE),
        "summary": summary(own_rows),
        "systems": systems,
        "rows": [(task, row) for task in tasks for row in [r for r in own_rows if r.task == task] or [None]],
        # Matplotlib escapes text itself, and the labels around it are escaped in figures.py.
        "scores_figure": Markup(scores_figure(own_rows)),  # noqa: S704
        "curves_figure": Markup(curves_figure([c for c in curves if c.training or c.validation])),  # noqa: S704
        "making": [_making(system, adapters.get(system, ()), own, workspace) for system in systems],
    }


def _making(system: str, adapters: Sequence[Path], records: Sequence[Record], workspace: Path) -> dict[str, Any]:
    """How a system came about: the facts and settings of its adapters, and those of its scores."""
    folders = sorted({record.folder for record in records if record.score.system == system})
    return {
        "system": system,
        "adapters": [_artifact(folder, workspace) for folder in adapters if folder.is_dir()],
        "scores": [_artifact(folder, workspace) for folder in folders],
    }


def _artifact(folder: Path, workspace: Path) -> dict[str, Any]:
    manifest = _manifest(folder)
    facts = {name.replace("_", " "): value for name, value in manifest.get("facts", {}).items() if _is_plain(value)}
    if "wall_seconds" in manifest:
        facts["wall seconds"] = manifest["wall_seconds"]
    settings = {key: manifest[key] for key in ("section", "inputs", "versions") if key in manifest}
    return {
        "name": _short(folder, workspace) if folder.is_relative_to(workspace) else folder.name,
        "created": manifest.get("created", MISSING),
        "facts": {name: _fact(value) for name, value in facts.items()},
        "settings": json.dumps(settings, indent=2, ensure_ascii=False),
    }


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _fact(value: str | int | float) -> str:
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
