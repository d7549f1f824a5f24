"""Scores: how one measured number is kept on disk, found again and shown."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..workspace.artifacts import MANIFEST, write_json
from ..workspace.errors import UserError

SCHEMA_VERSION = 3
READABLE = (1, 2, SCHEMA_VERSION)  # 1 had no transfer_from, 2 no limit
FILE = "scores.json"
AGAIN = "if eval wrote it, delete its folder and run eval again"
BASE = "base"
MISSING = "—"

PRIMARY = {"mlm": "pseudo_perplexity", "topic": "macro_f1", "sentiment": "macro_f1", "ner": "entity_f1"}
_LOWER_IS_BETTER = ("pseudo_perplexity", "bits_per_", "unknown_share")  # how such metrics' names begin

TASK_NAMES = {
    "mlm": "Masked language modelling",
    "topic": "Topic classification",
    "sentiment": "Sentiment analysis",
    "ner": "Named entities",
}
METRIC_NAMES = {
    "pseudo_perplexity": "pseudo-perplexity",
    "pseudo_perplexity_paper": "pseudo-perplexity, the paper's way",
    "pseudo_perplexity_median": "pseudo-perplexity, median sentence",
    "unknown_share": "unknown tokens",
    "macro_f1": "macro F1",
    "entity_f1": "entity F1",
}


@dataclass(frozen=True)
class Score:
    """One measured number; `system` is "base" or an adapter's type/source, `interval` covers 95 %.

    `transfer_from` is the language that the task was learnt in where it is not `language` (zero-shot transfer).
    `limit` is the most items that were scored where `eval.limit` left others out: not comparable with a full score.
    """

    task: str
    system: str
    metric: str
    value: float
    interval: tuple[float, float] | None
    n: int
    seed: int | None
    language: str
    base: str
    transfer_from: str | None = None
    limit: int | None = None


def write_scores(path: Path, scores: Sequence[Score]) -> None:
    """Write `scores.json`."""
    write_json(path, {"schema_version": SCHEMA_VERSION, "scores": [asdict(score) for score in scores]})


def read_scores(path: Path) -> list[Score]:
    """Read `scores.json`; UserError when it is broken or of another version."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found, records = content["schema_version"], content["scores"]
        if found in READABLE:
            return [_score(record) for record in records]
    except KeyError as error:
        raise UserError(f"{path} is not a readable scores file: {error} is missing; {AGAIN}") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a readable scores file, as eval writes them ({error}); {AGAIN}") from error
    raise UserError(f"{path} has schema version {found}, this program reads up to {SCHEMA_VERSION}; {AGAIN}")


def _score(record: dict[str, Any]) -> Score:
    interval = record["interval"]
    if interval is not None:
        low, high = interval
        interval = (float(low), float(high))
    return Score(**{**record, "value": float(record["value"]), "interval": interval, "n": int(record["n"])})


def find_scores(source: Path) -> list[Path]:
    """The score files that a path stands for: a file, the one in a folder, or all finished ones of a workspace.

    Raises UserError where there is nothing of the sort.
    """
    if source.is_file():
        return [source]
    if (source / FILE).is_file():
        return [source / FILE]
    if not source.is_dir():
        raise UserError(
            f"no scores under {source}, which is not there: run lrl-adapt eval RECIPE, "
            "or name a scores.json, its folder or a workspace"
        )
    found = sorted(source.glob(f"scores/*/*/{FILE}"))
    return [path for path in found if (path.parent / MANIFEST).is_file() and not _is_being_written(path.parent)]


def _is_being_written(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.parent.name.startswith(".")


def lower_is_better(metric: str) -> bool:
    """Whether a smaller value of the metric is the better one; its changes are then told in % of the base's value."""
    return metric.startswith(_LOWER_IS_BETTER)


def task_name(task: str) -> str:
    """A task's name for readers."""
    return TASK_NAMES.get(task, task.replace("_", " ").capitalize())


def metric_name(metric: str) -> str:
    """A metric's name for readers."""
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


def task_order(task: str) -> tuple[int, str]:
    """Sorts the known tasks first, users' own after them."""
    return ([*PRIMARY, task].index(task), task)


def in_order(systems: Iterable[str]) -> list[str]:
    """Distinct systems by name, "base" first."""
    return sorted(set(systems), key=lambda system: (system != BASE, system))


def show_value(value: float | None, metric: str) -> str:
    """A value as readers see it: shares and F1 in percent (63.4), perplexity with one or two decimals."""
    if value is None or not math.isfinite(value):
        return MISSING
    if metric.startswith("bits_per_"):
        return f"{value:.3f}"
    if metric.startswith("pseudo_perplexity"):
        return f"{value:,.1f}" if value >= 100 else f"{value:.2f}"
    return f"{value * 100:.1f}"


def show_interval(interval: tuple[float, float] | None, metric: str) -> str:
    """An interval as "[low, high]", or an empty string."""
    return f"[{show_value(interval[0], metric)}, {show_value(interval[1], metric)}]" if interval else ""
