"""The report's CSV files, with unrounded values: every score, every comparison, and the costs of the adapters."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from ..significance import ITEMS
from .comparison import change, change_interval
from .controls import beats_controls
from .costs import Cost
from .paper import paper_score
from .runs import Run
from .task_results import TaskResult

SCORE_COLUMNS = [
    *("language", "base", "task", "system", "metric", "value", "low", "high", "n", "limit", "seed"),
    *("transfer_from", "folder", "interval_kind"),
]
COMPARISON_COLUMNS = [
    *("language", "base", "task", "system", "baseline", "metric", "note", "baseline_value", "value"),
    *("difference", "low", "high", "change", "change_low", "change_high", "p", "p_holm", "verdict"),
    *("n_seeds", "baseline_n_seeds", "interval_kind", "majority_class", "head_only", "beats_controls"),
]
PAPER_METRICS = {"mlm": "pseudo_perplexity_paper"}  # the paper's metric, where it is not the primary one


def write_scores_csv(path: Path, runs: Iterable[Run], *, paper: bool) -> None:
    """Every score, a row each: F1, accuracy and shares from 0 to 1. With `paper` a column for the paper's scores."""
    lines = []
    for run in runs:
        in_workspace = run.folder.is_relative_to(run.workspace)
        for score in run.scores:
            low, high = score.interval or ("", "")
            line = asdict(score) | {"system": run.system, "low": low, "high": high, "transfer_from": run.transfer}
            line["interval_kind"] = ITEMS if score.interval else ""
            line["folder"] = run.name if in_workspace else str(run.folder)
            is_paper_metric = score.metric == PAPER_METRICS.get(score.task, run.primary.metric)
            if paper and is_paper_metric and not run.transfer and not score.limit:
                line["paper"] = paper_score(score.language, score.base, score.task, score.system)
            lines.append(line)
    _write(path, [*SCORE_COLUMNS, "paper"] if paper else SCORE_COLUMNS, lines)


def write_comparisons_csv(path: Path, results: Iterable[TaskResult]) -> None:
    """Every comparison with the baseline, a row each; empty cells where nothing could be compared.

    `change` is in % of the baseline's value where lower is better, else in points. `interval_kind` says what the
    intervals of the difference and the change cover: the items, or seeds and items.
    """
    lines = []
    for result in results:
        for name in result.systems:
            if name != result.baseline and result.baseline in result.systems:
                lines.append(_comparison_line(result, name))
    _write(path, COMPARISON_COLUMNS, lines)


def _comparison_line(result: TaskResult, name: str) -> dict[str, Any]:
    system = result.systems[name]
    line: dict[str, Any] = {
        "language": result.language,
        "base": result.base,
        "task": result.task,
        "system": name,
        "baseline": result.baseline,
        "metric": result.metric,
        "note": result.note,
        "baseline_value": result.systems[result.baseline].mean,
        "value": system.mean,
        "p_holm": system.p,
        "verdict": system.verdict,
        "n_seeds": system.seeds,
        "baseline_n_seeds": result.systems[result.baseline].seeds,
        "majority_class": result.majority_class,
        "head_only": result.head_only,
        "beats_controls": beats_controls(system),
    }
    if comparison := system.comparison:
        low, high = comparison.interval
        line |= {"difference": comparison.difference, "low": low, "high": high, "p": comparison.p}
        line["interval_kind"] = comparison.covers
        low, high = change_interval(result, name) or ("", "")
        line |= {"change": change(result, name), "change_low": low, "change_high": high}
    return line


def write_costs_csv(path: Path, costs: Iterable[Cost]) -> None:
    """Parameters, steps, tokens and seconds of each language adapter, a row each; empty cells where not recorded.

    A fusion counts without the two adapters that it combines.
    """
    _write(path, [field.name for field in fields(Cost)], [asdict(cost) for cost in costs])


def _write(path: Path, columns: Sequence[str], lines: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)
