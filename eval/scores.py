"""Scores: one measured value each, as `scores.json` stores it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..workspace.artifacts import is_finished, write_json
from ..workspace.errors import UserError

SCHEMA_VERSION = 3
READABLE_VERSIONS = (1, 2, SCHEMA_VERSION)  # 1 had no transfer_from, 2 no limit
SCORES_FILE = "scores.json"
BASE = "base"  # the system without an adapter
CONTROL_PREFIX = "control:"
_REMEDY = "if `lrl-adapt eval` wrote it, delete its folder and run eval again"


@dataclass(frozen=True)
class Score:
    """One value of a metric; `system` is "base" or an adapter's type/source, `interval` the 95% interval.

    `transfer_from` is the language that the task was trained on, if it is not `language` (zero-shot transfer).
    `limit` is the value of `eval.limit` that the test items were reduced to: not comparable with a full score.
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
    """Read `scores.json`. Raises UserError if it is damaged or was written by a newer version."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version, records = content["schema_version"], content["scores"]
        if version in READABLE_VERSIONS:
            return [_score(record) for record in records]
    except KeyError as error:
        raise UserError(f"{path} is not a readable scores file: {error} is missing; {_REMEDY}") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is not a readable scores file ({error}); {_REMEDY}") from error
    raise UserError(f"{path} has schema version {version}; this version reads up to {SCHEMA_VERSION}: update lrl-adapt")


def _score(record: dict[str, Any]) -> Score:
    interval = record["interval"]
    if interval is not None:
        low, high = interval
        interval = (float(low), float(high))
    return Score(**{**record, "value": float(record["value"]), "interval": interval, "n": int(record["n"])})


def find_scores(source: Path) -> list[Path]:
    """The score files of a path: the file itself, the one in a folder, or all finished ones of a workspace.

    Raises UserError if the path does not exist.
    """
    if source.is_file():
        return [source]
    if (source / SCORES_FILE).is_file():
        return [source / SCORES_FILE]
    if not source.is_dir():
        raise UserError(
            f"{source} does not exist, so it has no scores: run `lrl-adapt eval RECIPE`, "
            "or name a scores.json, its folder or a workspace"
        )
    paths = sorted(source.glob(f"scores/*/*/{SCORES_FILE}"))
    return [path for path in paths if is_finished(path.parent) and not _is_being_written(path.parent)]


def _is_being_written(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.parent.name.startswith(".")


def is_control(system: str) -> bool:
    """Whether a system is a control, such as "control:untrained seq_bn/text": the kind, then the system it controls."""
    return system.startswith(CONTROL_PREFIX)


def split_control(control: str) -> tuple[str, str]:
    """A control's kind and the system that it controls: ("untrained", "seq_bn/text")."""
    kind, _, system = control.removeprefix(CONTROL_PREFIX).partition(" ")
    return kind, system


def sort_systems(systems: Iterable[str]) -> list[str]:
    """Distinct systems by name, "base" first, controls last."""
    return sorted(set(systems), key=lambda system: (system != BASE, is_control(system), system))
