"""Every system compared with a baseline, with a verdict on each difference, for the report and the terminal."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...workspace.errors import UserError
from ...workspace.progress import QUIET, Progress
from ..metrics import lower_is_better
from ..scores import BASE, sort_systems
from ..significance import Comparison, compare_folders, holm_correction
from .runs import Run
from .task_results import SystemResult, TaskResult, average_runs, baseline_name
from .verdicts import MAX_UNKNOWN_SHARE, Verdict, verdict_on


@dataclass(frozen=True)
class ComparedResults:
    """Runs and their compared results.

    Holm's correction covers all comparisons of a task's metric in `results`, so a verdict depends on which runs were
    compared together. Verdicts that have to agree must come from the same runs.
    """

    runs: list[Run]
    results: list[TaskResult]


def compare_runs(runs: Sequence[Run], progress: Progress = QUIET, baseline: str = BASE) -> ComparedResults:
    """Compare every system with `baseline`, on each base, language and task.

    Raises UserError if the baseline was not scored, unless it is the base.
    """
    systems = sort_systems(run.system for run in runs)
    if baseline not in systems and baseline != BASE:
        same_name = [system for system in systems if system.startswith(f"{baseline} (")]
        if same_name:
            raise UserError(f"--baseline {baseline}: several adapters have this name; choose {' or '.join(same_name)}")
        raise UserError(f"--baseline {baseline}: no such system was scored; choose one of {', '.join(systems)}")
    return ComparedResults(list(runs), compare_systems(average_runs(runs), progress, baseline))


def compare_systems(
    results: Sequence[TaskResult], progress: Progress = QUIET, baseline: str = BASE
) -> list[TaskResult]:
    """The results with every system compared with `baseline`.

    Holm's correction covers all comparisons of one task's metric in `results`: pass all that are shown together.
    """
    results = [replace(result, baseline=baseline) for result in results]
    pairs = [(index, name) for index, result in enumerate(results) for name in result.systems]
    for index, name in progress.track(pairs, f"compare with {baseline_name(baseline)}, comparisons", len(pairs)):
        results[index] = _with_system(results[index], name, _compared(results[index], name))
    # The family of tests that one correction covers: all languages, bases and systems of a task's metric. Scores on a
    # choice of the items are apart, so that they leave the p values of full scores as they are.
    families: dict[tuple[str, str, int | None], list[tuple[int, str, Comparison]]] = defaultdict(list)
    for index, name in pairs:
        if comparison := results[index].systems[name].comparison:
            result = results[index]
            families[result.task, result.metric, result.limit].append((index, name, comparison))
    for (_, metric, _), family in families.items():
        corrected = holm_correction([comparison.p for _, _, comparison in family])
        for (index, name, comparison), p in zip(family, corrected, strict=True):
            verdict = verdict_on(comparison.difference, p, metric)
            system = replace(results[index].systems[name], p=p, verdict=verdict)
            results[index] = _with_system(results[index], name, system)
    return results


def change(result: TaskResult, name: str) -> float | None:
    """A system's change against the baseline: in % of its value for metrics where lower is better, else in points."""
    baseline, system = result.systems.get(result.baseline), result.systems.get(name)
    if baseline is None or system is None or name == result.baseline:
        return None
    difference = system.comparison.difference if system.comparison else system.mean - baseline.mean
    if not lower_is_better(result.metric):
        return difference * 100
    return difference / baseline.mean * 100 if baseline.mean else None


def change_interval(result: TaskResult, name: str) -> tuple[float, float] | None:
    """The 95 % interval of `change`, in the same unit."""
    system = result.systems.get(name)
    if system is None or system.comparison is None:
        return None
    low, high = system.comparison.relative or system.comparison.interval
    return 100 * low, 100 * high


def gain(result: TaskResult, name: str) -> float | None:
    """`change` with the sign turned so that more is better; None without a baseline, or with too many [UNK]."""
    if result.systems[name].verdict == Verdict.TOO_MANY_UNKNOWN:
        return None
    changed = change(result, name)
    return -changed if changed is not None and lower_is_better(result.metric) else changed


def _with_system(result: TaskResult, name: str, system: SystemResult) -> TaskResult:
    return replace(result, systems=result.systems | {name: system})


def _compared(result: TaskResult, name: str) -> SystemResult:
    """The system's result with its comparison, or with the verdict that says why there is none."""
    baseline, system = result.systems.get(result.baseline), result.systems[name]
    unknown = max(one.unknown or 0 for one in (baseline, system) if one)
    if result.metric.startswith("pseudo_perplexity") and unknown > MAX_UNKNOWN_SHARE:
        return replace(system, verdict=Verdict.TOO_MANY_UNKNOWN)
    if baseline is None or name == result.baseline:
        return system
    try:
        comparison = compare_folders(result.task, result.metric, baseline.folders, system.folders)
    except (OSError, ValueError, KeyError):  # predictions of another version, or damaged: no basis for a verdict
        comparison = None
    return replace(system, comparison=comparison, verdict=None if comparison else Verdict.NOT_COMPARABLE)
