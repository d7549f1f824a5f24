"""The sentences that open a one-language report: one for each verdict that occurs."""

from collections import defaultdict
from collections.abc import Sequence

from ...workspace.formatting import format_count
from ..display import format_change, format_value, task_title
from ..scores import BASE, is_control
from .comparison import change
from .controls import beats_controls
from .task_results import TaskResult, baseline_name, systems_of
from .verdicts import Verdict

MAX_NAMED = 4  # comparisons with one verdict that are named one by one; the tables have all

Compared = tuple[TaskResult, str]  # a result and a system in it


def summary(results: Sequence[TaskResult]) -> list[str]:
    """One sentence for each verdict on the results of one language and base.

    Limited scores (`eval.limit`) are left out.
    If more than MAX_NAMED comparisons have one verdict, only their number and the largest change are given, by task.
    """
    results = [result for result in results if not result.limit]
    if not results:
        return ["All scores are limited to a sample of the items (eval.limit): see the tables."]
    baseline = results[0].baseline
    no_baseline = f"without a score of {baseline_name(baseline)}"
    by_verdict: dict[str, list[Compared]] = defaultdict(list)
    for result in results:
        for name, system in result.systems.items():
            if name != baseline and not is_control(name):
                by_verdict[system.verdict or no_baseline].append((result, name))
    scored = {name for result in results for name in result.systems}
    others = [name for name in systems_of(results) if name in scored and name != baseline and not is_control(name)]
    sentences = []
    if len(others) == 1:
        sentences.append(f"{others[0]}, compared with {'the base alone' if baseline == BASE else baseline}.")
    for verdict in [*Verdict, no_baseline]:
        if verdict not in by_verdict:
            continue
        compared = by_verdict[verdict]
        if len(others) == 1:
            parts = [_task(result) + _change(result, name) for result, name in compared]
        elif len(compared) <= MAX_NAMED:
            parts = [_named(result, name) for result, name in compared]
        else:
            parts = _counted(compared)
        is_clear = verdict in (Verdict.BETTER, Verdict.WORSE)
        than = f" than {baseline_name(baseline)}" if len(others) > 1 and is_clear else ""
        sentences.append(f"{verdict[0].upper()}{verdict[1:]}{than}: {', '.join(parts)}.")
    return [*sentences, *_on_controls(results)]


def _on_controls(results: Sequence[TaskResult]) -> list[str]:
    """A sentence on the gains that beat all of their controls, and one on those that do not."""
    by_answer: dict[bool, list[str]] = {True: [], False: []}
    for result in results:
        for name, system in result.systems.items():
            if answer := beats_controls(system):
                beaten = answer == "yes"
                by_answer[beaten].append(f"{name} on {_task(result)}" + ("" if beaten else answer.removeprefix("no")))
    openings = {True: "Gains that beat all of their controls", False: "Gains that do not beat these controls"}
    return [f"{openings[beaten]}: {', '.join(gains)}." for beaten, gains in by_answer.items() if gains]


def _named(result: TaskResult, name: str) -> str:
    """A comparison in a few words; values are given if the difference is clear."""
    return f"{name} on {_task(result)}{_change(result, name)}"


def _counted(compared: Sequence[Compared]) -> list[str]:
    """The number of comparisons by task, and the one with the largest change."""
    by_task: dict[str, list[Compared]] = defaultdict(list)
    for result, name in compared:
        by_task[_task(result)].append((result, name))
    parts = []
    for task, group in by_task.items():
        result, name = max(group, key=lambda pair: abs(change(*pair) or 0))
        if len(group) == 1:
            parts.append(_named(result, name))
            continue
        total = sum(system != result.baseline and not is_control(system) for system in result.systems)
        verdict = result.systems[name].verdict
        largest = f", most {name}{_change(result, name)}" if verdict and verdict.is_clear else ""
        parts.append(f"{task} with {len(group)} of {format_count(total, 'system')}{largest}")
    return parts


def _task(result: TaskResult) -> str:
    return task_title(result.task, result.metric).lower() + (f" [{result.note}]" if result.note else "")


def _change(result: TaskResult, name: str) -> str:
    verdict = result.systems[name].verdict
    changed = format_change(change(result, name), result.metric)
    if not changed or verdict == Verdict.TOO_MANY_UNKNOWN:
        return ""
    if not (verdict and verdict.is_clear):
        return f" ({changed})"
    before = format_value(result.systems[result.baseline].mean, result.metric)
    after = format_value(result.systems[name].mean, result.metric)
    return f" ({before} → {after}, {changed})"
