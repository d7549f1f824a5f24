"""Whether adapters help the more, the less of a language the base has seen: size of pre-training data against gain."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..scores import BASE, metric_name, task_name, task_order
from ..significance import FEWEST_LANGUAGES
from .comparison import Row, by, gain
from .figures import Panel, pretraining_panel, safe
from .paper import pretraining_gigabytes
from .tables import tasks_with_several_metrics


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of a system's gain with the size of the base's pre-training data, over languages.

    `p` is two-sided and not corrected; `gain` counts so that more is better.
    """

    base: str
    task: str
    system: str
    languages: int
    rho: float
    p: float


def pretraining(rows: Sequence[Row]) -> tuple[list[Correlation], list[Panel]]:
    """Correlations of gains over the base, a picture for each base, task and metric.

    Of systems with at least FEWEST_LANGUAGES languages.
    """
    correlations, panels = [], []
    groups = by(
        [row for row in rows if not row.transfer and not row.limit and row.against == BASE], "base", "task", "metric"
    )
    ambiguous = tasks_with_several_metrics(rows)
    for base, task, metric in sorted(groups, key=lambda key: (key[0], task_order(key[1]), key[2])):
        some = groups[base, task, metric]
        title = task_name(task) + (f", {metric_name(metric)}" if task in ambiguous else "")
        points = {system: found for system in _systems(some) if len(found := _points(some, system)) >= FEWEST_LANGUAGES}
        for system, found in points.items():
            rho, p = _spearman(found)
            correlations.append(Correlation(base, title, system, len(found), rho, p))
        if points:
            name = f"pretraining-{safe(base)}-{safe(task)}" + (f"-{safe(metric)}" if task in ambiguous else "")
            panels.append(pretraining_panel(task, metric, points, name))
    return correlations, panels


def _systems(rows: Sequence[Row]) -> list[str]:
    return sorted({system for row in rows for system in row.systems} - {BASE})


def _points(rows: Sequence[Row], system: str) -> list[tuple[float, float]]:
    """(gigabytes, gain) of each language where both are known; of several rows of a language the first counts."""
    found: dict[str, tuple[float, float]] = {}
    for row in rows:
        size = pretraining_gigabytes(row.language, row.base)
        gained = gain(row, system) if system in row.systems else None
        if size is not None and gained is not None:
            found.setdefault(row.language, (size, gained))
    return list(found.values())


def _spearman(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    from scipy.stats import spearmanr

    sizes, gains = zip(*points, strict=True)
    if len(set(sizes)) == 1 or len(set(gains)) == 1:  # ranks that are all alike go with nothing
        return 0.0, 1.0
    result: Any = spearmanr(sizes, gains)  # its type is made at run time
    return float(result.statistic), float(result.pvalue)
