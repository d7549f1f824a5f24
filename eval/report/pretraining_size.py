"""Do adapters help more, the less of a language the base has seen? Size of its pre-training data against gain."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..display import metric_name, task_name, task_order
from ..metrics import is_secondary
from ..scores import BASE
from ..significance import MIN_LANGUAGES
from .comparison import gain
from .figures import Panel, file_name, pretraining_panel
from .paper import pretraining_gigabytes
from .tables import tasks_with_several_metrics
from .task_results import TaskResult, group_by


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation of a system's gain with the size of the base's pre-training data, over languages.

    `p` is two-sided and not corrected; a larger `gain` is always better.
    """

    base: str
    task: str
    system: str
    languages: int
    rho: float
    p: float


def pretraining_size(results: Sequence[TaskResult]) -> tuple[list[Correlation], list[Panel]]:
    """Correlations of gains over the base by the primary metric, and a figure for each base, task and metric.

    Of systems that were scored in at least MIN_LANGUAGES languages.
    """
    correlations, panels = [], []
    comparable = [
        result
        for result in results
        if not result.transfer
        and not result.limit
        and result.baseline == BASE
        and not is_secondary(result.task, result.metric)
    ]
    groups = group_by(comparable, "base", "task", "metric")
    ambiguous = tasks_with_several_metrics(results)
    for base, task, metric in sorted(groups, key=lambda key: (key[0], task_order(key[1]), key[2])):
        group = groups[base, task, metric]
        systems = sorted({system for result in group for system in result.systems} - {BASE})
        all_points = {system: _points(group, system) for system in systems}
        points = {system: pairs for system, pairs in all_points.items() if len(pairs) >= MIN_LANGUAGES}
        title = task_name(task) + (f", {metric_name(metric)}" if task in ambiguous else "")
        for system, pairs in points.items():
            rho, p = _spearman(pairs)
            correlations.append(Correlation(base, title, system, len(pairs), rho, p))
        if points:
            suffix = f"-{file_name(metric)}" if task in ambiguous else ""
            name = f"pretraining-{file_name(base)}-{file_name(task)}{suffix}"
            panels.append(pretraining_panel(task, metric, points, name))
    return correlations, panels


def _points(results: Sequence[TaskResult], system: str) -> list[tuple[float, float]]:
    """(gigabytes, gain) of each language for which both are known, from its first result."""
    points: dict[str, tuple[float, float]] = {}
    for result in results:
        size = pretraining_gigabytes(result.language, result.base)
        gained = gain(result, system) if system in result.systems else None
        if size is not None and gained is not None:
            points.setdefault(result.language, (size, gained))
    return list(points.values())


def _spearman(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Spearman's rho and its two-sided p."""
    from scipy.stats import spearmanr  # slow to import, and needed only for several languages

    sizes, gains = zip(*points, strict=True)
    if len(set(sizes)) == 1 or len(set(gains)) == 1:  # rho is not defined for constant values
        return 0.0, 1.0
    result: Any = spearmanr(sizes, gains)  # scipy makes its type at run time
    return float(result.statistic), float(result.pvalue)
