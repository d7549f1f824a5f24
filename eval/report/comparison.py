"""Every system compared with a baseline, with a verdict on each difference, for the report and the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...workspace.errors import UserError
from ...workspace.progress import QUIET, Progress
from ..metrics import lower_is_better
from ..scores import BASE, sort_systems
from ..significance import SEEDS_AND_ITEMS, holm_by_family, interval_over_seeds
from .controls import DAMAGED, compare_results, compare_with_controls, family
from .runs import Run
from .task_results import SystemResult, TaskResult, average_runs, baseline_name, with_system
from .verdicts import MAX_UNKNOWN_SHARE, Verdict, verdict_on


@dataclass(frozen=True)
class ComparedResults:
    """Runs and their compared results.

    Holm's correction covers all comparisons of a task's metric in a language (`controls.family`), so a verdict depends
    on which of the language's runs were compared together. Terminal and page compare all runs in the workspace.
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
    """The results with every system compared with `baseline`; those that are better also with their controls.

    Holm's correction covers a `family` of comparisons: pass all runs in a language, whichever of them are shown.
    """
    results = [replace(result, baseline=baseline) for result in results]
    pairs = [(index, name) for index, result in enumerate(results) for name in result.systems]
    for index, name in progress.track(pairs, f"comparisons with {baseline_name(baseline)}", len(pairs)):
        results[index] = with_system(results[index], name, _compared(results[index], name))
    comparisons = {pair: comparison for pair in pairs if (comparison := results[pair[0]].systems[pair[1]].comparison)}
    p_values = {pair: comparison.p for pair, comparison in comparisons.items() if comparison.p is not None}
    for (index, name), p in holm_by_family(p_values, lambda pair: family(results[pair[0]], pair[1])).items():
        system = results[index].systems[name]
        verdict = verdict_on(comparisons[index, name].difference, p, results[index].metric)
        results[index] = with_system(results[index], name, replace(system, p=p, verdict=verdict))
    return compare_with_controls(results)


def change(result: TaskResult, name: str) -> float | None:
    """A system's change against the baseline: in % of its value for metrics where lower is better, else in points."""
    baseline, system = result.systems.get(result.baseline), result.systems.get(name)
    if baseline is None or system is None or name == result.baseline:
        return None
    difference = system.comparison.difference if system.comparison else system.mean - baseline.mean
    if not lower_is_better(result.metric):
        return difference * 100
    return difference / baseline.mean * 100 if baseline.mean else None


def is_incomparable(system: SystemResult, metric: str) -> bool:
    """Whether a perplexity says nothing beside the baseline's: too many [UNK], or tokens of another vocabulary."""
    if system.verdict == Verdict.NOT_COMPARABLE:  # of other metrics only predictions are missing
        return metric.startswith("pseudo_perplexity")
    return system.verdict == Verdict.TOO_MANY_UNKNOWN


def change_interval(result: TaskResult, name: str) -> tuple[float, float] | None:
    """The 95% interval of `change`, in the same unit."""
    system = result.systems.get(name)
    if system is None or system.comparison is None:
        return None
    low, high = system.comparison.relative or system.comparison.interval
    return 100 * low, 100 * high


def gain(result: TaskResult, name: str) -> float | None:
    """`change` with the sign turned so that more is better; None without a baseline, or if values are incomparable."""
    if is_incomparable(result.systems[name], result.metric):
        return None
    changed = change(result, name)
    return -changed if changed is not None and lower_is_better(result.metric) else changed


def _compared(result: TaskResult, name: str) -> SystemResult:
    """The system's result with interval and comparison, or with the verdict that says why there is none."""
    baseline, system = result.systems.get(result.baseline), result.systems[name]
    unknown = max(one.unknown or 0 for one in (baseline, system) if one)
    if lower_is_better(result.metric) and unknown > MAX_UNKNOWN_SHARE:
        return replace(system, verdict=Verdict.TOO_MANY_UNKNOWN)
    try:
        interval = interval_over_seeds(result.task, result.metric, system.folders)
    except DAMAGED:
        interval = None
    if interval:
        system = replace(system, interval=interval, covers=SEEDS_AND_ITEMS)
    if baseline is None or name == result.baseline:
        return system
    comparison = compare_results(result, baseline, system)
    if comparison is None:
        return replace(system, verdict=Verdict.NOT_COMPARABLE)
    return replace(system, comparison=comparison, verdict=Verdict.ONE_SEED if comparison.p is None else None)
