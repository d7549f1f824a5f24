"""Results of the tasks: runs averaged over their seeds, all systems of a task side by side."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from ...workspace.formatting import format_count
from ..display import task_order
from ..scores import BASE, sort_systems
from ..significance import ITEMS, Comparison
from .runs import Run, language_name
from .verdicts import Verdict

BITS = "bits_per_character"
MAX_CONDITIONS_SHOWN = 4
NOTED_CONDITIONS = ("transfer_from", "limit")  # which have a note of their own


@dataclass(frozen=True)
class SystemResult:
    """A system's result on a task over its seeds; `seeds` counts them (0: nothing random), `n` the items scored.

    `unknown` is the share of [UNK], `paper_perplexity` the pseudo-perplexity as in the paper, None if not measured.
    `comparison`, `p` (after Holm) and `verdict` are against the task's `baseline`, and `controls` are the verdicts on
    its difference from each of its controls if it is better than the baseline. `comparison.compare_systems` sets them,
    and `interval`, which before covers the items alone (`covers`), as the mean of the intervals of the seeds.
    """

    mean: float
    interval: tuple[float, float] | None
    n: int
    seeds: int
    std: float | None
    folders: tuple[Path, ...] = ()
    unknown: float | None = None
    paper_perplexity: float | None = None
    comparison: Comparison | None = None
    p: float | None = None
    verdict: Verdict | None = None
    covers: str = ITEMS
    controls: Mapping[str, Verdict] = field(default_factory=dict)


@dataclass(frozen=True)
class TaskResult:
    """A task's primary or secondary metric for all systems on one base and language, "base" first.

    `transfer` is the language that the task was trained on, if it is not `language`; `limit` is that of `eval.limit`,
    if it left out test items. `note` names both, and the settings or data in which this result differs from others of
    the same task. `baseline` is the system that the others are compared with. `majority_class` is the metric's value
    if every answer is the same, as `constant_name` says: the most frequent class of the training data, every label, or
    the mean score; None if not recorded, or for entities.
    `head_only` is the mean over the base's seeds for a task head without any adapter; None if one was not recorded.
    `small_splits` are those with too few examples to rely on, and their sizes.
    """

    language: str
    base: str
    task: str
    metric: str
    systems: dict[str, SystemResult]
    transfer: str = ""
    limit: int | None = None
    note: str = ""
    baseline: str = BASE
    majority_class: float | None = None
    constant_name: str = "majority class"
    head_only: float | None = None
    small_splits: Mapping[str, int] = field(default_factory=dict)


def average_runs(runs: Iterable[Run]) -> list[TaskResult]:
    """A result for each language, base, task, metric and set of conditions, in the order of the tasks.

    Nothing is compared yet.
    """
    groups: dict[tuple[str, str, str], dict[tuple, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        about = run.about
        for metric in run.shown_metrics:
            groups[about.language, about.base, about.task][metric, about.limit, run.conditions].append(run)
    for variants in groups.values():
        # bits per character are for systems whose numbers of tokens differ
        for key in [key for key in variants if key[0] == BITS and any(other[0] != BITS for other in variants)]:
            if all(run.reads_as_the_base for run in variants[key]):
                del variants[key]
    results = []
    for language, base, task in sorted(groups, key=lambda key: (key[0], key[1], task_order(key[2]))):
        variants = groups[language, base, task]
        all_conditions = [conditions for _, _, conditions in variants]
        for (metric, limit, conditions), variant in variants.items():
            transfer = variant[0].transfer
            notes = [
                f"zero-shot from {language_name(transfer)} ({transfer})" if transfer else "",
                f"limited to {format_count(limit, 'item')}: not comparable with full scores" if limit else "",
                _differing_conditions(conditions, all_conditions),
            ]
            note = ", ".join(filter(None, notes))
            constant = [value for run in variant if (value := run.majority_class(metric)) is not None]
            heads = [run.head_only(metric) for run in variant if run.system == BASE]
            result = TaskResult(language, base, task, metric, _by_system(variant, metric), transfer, limit, note)
            references: dict[str, Any] = {
                "majority_class": constant[0] if constant else None,
                "constant_name": variant[0].constant_name,
                "head_only": _mean_if_all(heads),  # beside a mean over the same seeds
                "small_splits": variant[0].small_splits,
            }
            results.append(replace(result, **references))
    return results


def _mean_if_all(values: Sequence[float | None]) -> float | None:
    """The mean, or None if a value is missing or there are none."""
    known = [value for value in values if value is not None]
    return fmean(known) if known and len(known) == len(values) else None


def results_from(results: Sequence[TaskResult], folders: Collection[Path]) -> list[TaskResult]:
    """The results from the score folders `folders` (resolved), without the systems that have none there.

    The baseline stays, as changes need its value.
    """
    selected = []
    for result in results:
        from_folders = {name for name, system in result.systems.items() if not folders_of(system).isdisjoint(folders)}
        if from_folders:
            kept = from_folders | {result.baseline}
            systems = {name: system for name, system in result.systems.items() if name in kept}
            selected.append(replace(result, systems=systems))
    return selected


def folders_of(system: SystemResult) -> set[Path]:
    """The score folders that a result is the mean of."""
    return {folder.resolve() for folder in system.folders}


def with_system(result: TaskResult, name: str, system: SystemResult) -> TaskResult:
    """The result with another result of one of its systems."""
    return replace(result, systems=result.systems | {name: system})


def baseline_name(baseline: str) -> str:
    """The baseline as it is called in a sentence."""
    return "the base" if baseline == BASE else baseline


def systems_of(results: Iterable[TaskResult]) -> list[str]:
    """Every system of the results, "base" first even if it has no score."""
    return sort_systems([BASE, *(system for result in results for system in result.systems)])


def group_by(results: Iterable[TaskResult], *fields: str) -> Mapping[tuple[Any, ...], list[TaskResult]]:
    """Results grouped by the values of some fields, in the order of their first appearance."""
    groups: dict[tuple[Any, ...], list[TaskResult]] = defaultdict(list)
    for result in results:
        groups[tuple(getattr(result, field) for field in fields)].append(result)
    return groups


def _differing_conditions(
    conditions: Iterable[tuple[str, str]], all_conditions: Sequence[Iterable[tuple[str, str]]]
) -> str:
    """The conditions that are not the same in all results of the task."""
    others = [dict(other) for other in all_conditions]
    differing = [
        f"{key.replace('_', ' ')} {value}"
        for key, value in conditions
        if key not in NOTED_CONDITIONS and any(other.get(key) != value for other in others)
    ]
    more = " …" if len(differing) > MAX_CONDITIONS_SHOWN else ""
    return ", ".join(differing[:MAX_CONDITIONS_SHOWN]) + more


def _by_system(runs: Iterable[Run], metric: str) -> dict[str, SystemResult]:
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.system].append(run)
    return {system: _mean_over_seeds(groups[system], metric) for system in sort_systems(groups)}


def _mean_over_seeds(runs: Sequence[Run], metric: str) -> SystemResult:
    scores = [score for run in runs if (score := run.score(metric))]
    values = [score.value for score in scores]
    seeds = {score.seed for score in scores if score.seed is not None}
    return SystemResult(
        mean=fmean(values),
        interval=mean_interval([score.interval for score in scores]),
        n=min(score.n for score in scores),
        seeds=len(seeds),
        std=stdev(values) if len(seeds) > 1 else None,
        folders=tuple(run.folder for run in runs),
        unknown=_mean_of(runs, "unknown_share"),
        paper_perplexity=_mean_of(runs, "pseudo_perplexity_paper"),
    )


def mean_interval(intervals: Sequence[tuple[float, float] | None]) -> tuple[float, float] | None:
    """The mean of the lower and of the upper ends over seeds; None if a seed has no interval."""
    known = [interval for interval in intervals if interval is not None]
    if len(known) < len(intervals):
        return None
    return fmean(low for low, _ in known), fmean(high for _, high in known)


def _mean_of(runs: Sequence[Run], metric: str) -> float | None:
    values = [score.value for run in runs if (score := run.score(metric))]
    return fmean(values) if values else None
