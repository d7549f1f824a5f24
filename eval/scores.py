"""Scores: how one measured number is kept on disk, collected again, grouped over seeds and put into words."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal

from ..recipes.artifacts import MANIFEST, write_json
from ..recipes.errors import UserError

SCHEMA_VERSION = 1
FILE = "scores.json"
BASE = "base"
MISSING = "—"

PRIMARY = {"mlm": "pseudo_perplexity", "topic": "macro_f1", "sentiment": "macro_f1", "ner": "entity_f1"}
LOWER_IS_BETTER = {"pseudo_perplexity", "bits_per_character", "unknown_share"}

TASK_NAMES = {
    "mlm": "Masked language modelling",
    "topic": "Topic classification",
    "sentiment": "Sentiment analysis",
    "ner": "Named entities",
}
METRIC_NAMES = {
    "pseudo_perplexity": "pseudo-perplexity",
    "bits_per_character": "bits per character",
    "unknown_share": "unknown tokens",
    "macro_f1": "macro F1",
    "entity_f1": "entity F1",
}

Verdict = Literal["better", "worse", "no clear difference", "not comparable", "no interval"]
REASONS = {
    "no clear difference": "95 % intervals overlap: no clear difference",
    "not comparable": "scored on different items: not comparable",
    "no interval": "without intervals: no verdict",
}


@dataclass(frozen=True)
class Score:
    """One measured number; `system` is "base" or an adapter's type/source, `interval` covers 95 %."""

    task: str
    system: str
    metric: str
    value: float
    interval: tuple[float, float] | None
    n: int
    seed: int | None
    language: str
    base: str


@dataclass(frozen=True)
class Cell:
    """A system's result on a task over its seeds; `seeds` counts them (0: nothing random), `n` the items scored."""

    mean: float
    low: float | None
    high: float | None
    n: int
    seeds: int
    deviation: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class Row:
    """The primary metric of a task for all systems on one base, "base" first.

    `note` tells rows of one task apart that were measured on other data or with other settings.
    """

    language: str
    base: str
    task: str
    metric: str
    systems: dict[str, Cell]
    note: str = ""


def write_scores(path: Path, scores: Sequence[Score]) -> None:
    """Write `scores.json`."""
    write_json(path, {"schema_version": SCHEMA_VERSION, "scores": [asdict(score) for score in scores]})


def read_scores(path: Path) -> list[Score]:
    """Read `scores.json`; UserError when it is broken or of another version."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found, records = content["schema_version"], content["scores"]
        if found == SCHEMA_VERSION:
            return [_score(record) for record in records]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is not a readable scores file ({error}); delete its folder and run eval again"
        ) from error
    raise UserError(f"{path} has schema version {found}, this program reads {SCHEMA_VERSION}; run eval again")


def _score(record: dict[str, Any]) -> Score:
    interval = record["interval"]
    if interval is not None:
        low, high = interval
        interval = (float(low), float(high))
    return Score(**{**record, "value": float(record["value"]), "interval": interval, "n": int(record["n"])})


def collect_scores(workspace: Path, language: str | None = None, base: str | None = None) -> list[tuple[Score, Path]]:
    """All scores in finished folders `scores/*/*` of a workspace, each with its folder, sorted by folder."""
    found = []
    for path in sorted(workspace.glob(f"scores/*/*/{FILE}")):
        folder = path.parent
        hidden = folder.name.startswith(".") or folder.parent.name.startswith(".")  # being written just now
        if hidden or not (folder / MANIFEST).is_file():
            continue
        found += [(score, folder) for score in read_scores(path) if _matches(score, language, base)]
    return found


def _matches(score: Score, language: str | None, base: str | None) -> bool:
    return language in (None, score.language) and base in (None, score.base)


def summarise(scores: Iterable[Score]) -> list[Row]:
    """Group the primary metrics over seeds: a row per language, base and task, tasks in the order of PRIMARY."""
    groups: dict[tuple[str, str, str], dict[str, list[Score]]] = defaultdict(lambda: defaultdict(list))
    for score in scores:
        if PRIMARY.get(score.task) == score.metric:
            groups[score.language, score.base, score.task][score.system].append(score)
    order = list(PRIMARY)
    return [
        Row(*key, PRIMARY[key[2]], {system: _cell(groups[key][system]) for system in in_order(groups[key])})
        for key in sorted(groups, key=lambda key: (key[0], key[1], order.index(key[2])))
    ]


def in_order(systems: Iterable[str]) -> list[str]:
    """Distinct systems by name, "base" first."""
    return sorted(set(systems), key=lambda system: (system != BASE, system))


def _cell(scores: Sequence[Score]) -> Cell:
    values = [score.value for score in scores]
    intervals = [score.interval for score in scores if score.interval is not None]
    whole = len(intervals) == len(scores)  # bounds of some seeds only would be the bounds of something else
    seeds = {score.seed for score in scores if score.seed is not None}
    return Cell(
        mean=fmean(values),
        low=fmean(low for low, _ in intervals) if whole else None,
        high=fmean(high for _, high in intervals) if whole else None,
        n=min(score.n for score in scores),
        seeds=len(seeds),
        deviation=stdev(values) if len(seeds) > 1 else None,
    )


def change(row: Row, system: str) -> float | None:
    """What a system changes against the base: % of the base's value where lower is better, else points."""
    base, other = row.systems.get(BASE), row.systems.get(system)
    if base is None or other is None or system == BASE:
        return None
    if row.metric not in LOWER_IS_BETTER:
        return (other.mean - base.mean) * 100
    return (other.mean / base.mean - 1) * 100 if base.mean else None


def verdict(row: Row, system: str) -> Verdict | None:
    """What the intervals allow to say about a system against the base; None where there is nothing to compare."""
    base, other = row.systems.get(BASE), row.systems.get(system)
    if base is None or other is None or system == BASE:
        return None
    if base.n != other.n:
        return "not comparable"
    if base.interval is None or other.interval is None:
        return "no interval"
    below, above = other.interval[1] < base.interval[0], other.interval[0] > base.interval[1]
    if not below and not above:
        return "no clear difference"
    return "better" if below == (row.metric in LOWER_IS_BETTER) else "worse"


def show_value(value: float | None, metric: str) -> str:
    """A value as readers see it: shares and F1 in percent (63.4), perplexity with one or two decimals."""
    if value is None or not math.isfinite(value):
        return MISSING
    if metric == "bits_per_character":
        return f"{value:.3f}"
    if metric == "pseudo_perplexity":
        return f"{value:,.1f}" if value >= 100 else f"{value:.2f}"
    return f"{value * 100:.1f}"


def show_change(row: Row, system: str) -> str:
    """The change against the base with its sign and unit ("−50.5 %", "+1.8 points"), or an empty string."""
    difference = change(row, system)
    if difference is None or not math.isfinite(difference):
        return ""
    unit = "%" if row.metric in LOWER_IS_BETTER else "points"
    size = f"{abs(difference):,.1f}"
    sign = "±" if size == "0.0" else "+" if difference > 0 else "−"
    return f"{sign}{size} {unit}"


def show_interval(interval: tuple[float, float] | None, metric: str) -> str:
    """An interval as "[low, high]", or an empty string."""
    return f"[{show_value(interval[0], metric)}, {show_value(interval[1], metric)}]" if interval else ""


def summary(rows: Sequence[Row]) -> list[str]:
    """A sentence per system against the base; better or worse is only said where the intervals lie apart."""
    systems = [system for system in in_order(system for row in rows for system in row.systems) if system != BASE]
    return [
        f"{system}: {'; '.join(_phrase(row, system) for row in rows if system in row.systems)}." for system in systems
    ]


def _phrase(row: Row, system: str) -> str:
    value = show_value(row.systems[system].mean, row.metric)
    unit = "" if row.metric == "pseudo_perplexity" else " F1"
    thing = METRIC_NAMES[row.metric] if row.task == "mlm" else row.task
    thing += f" [{row.note}]" if row.note else ""
    if BASE not in row.systems:
        return f"{thing} {value}{unit} (no score of the base to compare with)"
    base = show_value(row.systems[BASE].mean, row.metric)
    return f"{thing} {base} → {value}{unit} ({show_change(row, system)}; {_reason(row, system)})"


def _reason(row: Row, system: str) -> str:
    found = verdict(row, system)
    return REASONS.get(found, found) if found else ""
