"""Controls: does a system that is better than the baseline also beat what should not help as much?

A control is a system such as an untrained adapter, the adapter of another language, or the head alone trained on the
same text (see `scores.is_control`). A gain that a control shows too does not come from what the adapter has learnt.
"""

from collections.abc import Hashable, Sequence
from dataclasses import replace

from ..scores import is_control, split_control
from ..significance import Comparison, compare_folders, holm_by_family
from .task_results import SystemResult, TaskResult, with_system
from .verdicts import Verdict, verdict_on

DAMAGED = (OSError, ValueError, KeyError)  # raised by predictions that are damaged or of another version


def family(result: TaskResult, name: str) -> Hashable:
    """The comparisons with a baseline that Holm's correction covers together share this value.

    These are all bases and systems of a language's task and metric. Languages are apart, so that a verdict does not
    depend on which are shown together. So are scores on a choice of the items, which leave the p values of full scores
    as they are, and controls, which can be added without changing the verdicts on the systems.
    """
    return result.language, result.task, result.metric, result.limit, is_control(name)


def controls_of(name: str, result: TaskResult) -> list[str]:
    """The controls of a system that were scored on the same task.

    What tells apart adapters of the same name does not count: it belongs to the control's own adapter.
    """
    return [other for other in result.systems if is_control(other) and _plain(split_control(other)[1]) == _plain(name)]


def compare_with_controls(results: Sequence[TaskResult]) -> list[TaskResult]:
    """The results with a verdict on the difference from each control, for each system better than the baseline.

    The test is that of the baseline. These comparisons have a Holm correction of their own, over the same `family`.
    """
    claims = [
        (index, name, control)
        for index, result in enumerate(results)
        for name, system in result.systems.items()
        if system.verdict == Verdict.BETTER and not is_control(name)
        for control in controls_of(name, result)
    ]
    comparisons = {
        (index, name, control): compare_results(
            results[index], results[index].systems[control], results[index].systems[name]
        )
        for index, name, control in claims
    }
    p_values = {claim: one.p for claim, one in comparisons.items() if one and one.p is not None}
    corrected = holm_by_family(p_values, lambda claim: family(results[claim[0]], claim[1]))
    with_controls = list(results)
    for claim, comparison in comparisons.items():
        index, name, control = claim
        if comparison is None:
            verdict = Verdict.NOT_COMPARABLE
        elif comparison.p is None:
            verdict = Verdict.ONE_SEED
        else:
            verdict = verdict_on(comparison.difference, corrected[claim], results[index].metric)
        system = with_controls[index].systems[name]
        system = replace(system, controls={**system.controls, control: verdict})
        with_controls[index] = with_system(with_controls[index], name, system)
    return with_controls


def compare_results(result: TaskResult, baseline: SystemResult, system: SystemResult) -> Comparison | None:
    """Two systems' results on a task compared; None if their predictions are not of the same items, or damaged."""
    try:
        return compare_folders(result.task, result.metric, baseline.folders, system.folders)
    except DAMAGED:
        return None


def beats_controls(system: SystemResult) -> str:
    """Whether a gain beats its controls: "yes", "no (untrained, head)"; empty without a gain or controls."""
    if not system.controls:
        return ""
    unbeaten = [split_control(name)[0] for name, verdict in system.controls.items() if verdict != Verdict.BETTER]
    return f"no ({', '.join(unbeaten)})" if unbeaten else "yes"


def controls_note(system: SystemResult) -> str:
    """`beats_controls` for a table's cell: "beats its controls: yes"; empty without a gain or controls."""
    answer = beats_controls(system)
    return f"beats its controls: {answer}" if answer else ""


def _plain(system: str) -> str:
    """A system's name without what tells apart several adapters of that name."""
    return system.partition(" (")[0]
