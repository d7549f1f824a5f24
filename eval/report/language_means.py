"""Systems averaged over languages, with a test of whether they are better than the baseline over all of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log
from statistics import fmean, median

from ..metrics import lower_is_better
from ..scores import is_control
from ..significance import holm_by_family, wilcoxon_over_languages
from .comparison import is_incomparable
from .task_results import SystemResult, TaskResult
from .verdicts import Verdict, verdict_on


@dataclass(frozen=True)
class LanguageMean:
    """A system over the languages (`codes`) in which both it and the baseline were scored.

    `value` is the arithmetic mean, `baseline` that of the baseline over the same languages. `change`: the mean change,
    in the unit of `comparison.change`; for perplexity the geometric mean. `better` and `worse` count languages with
    that verdict. `p`: Wilcoxon's test, after Holm.
    """

    codes: tuple[str, ...]
    value: float
    baseline: float
    change: float | None
    better: int
    worse: int
    p: float | None
    verdict: Verdict | None

    @property
    def languages(self) -> int:
        """The number of languages."""
        return len(self.codes)


def means_over_languages(results: Sequence[TaskResult]) -> dict[str, LanguageMean]:
    """Each system's mean over languages, from compared results of one base, task, metric, transfer and limit.

    If a language has several results, the one with the most systems counts, one with the baseline first. Perplexities
    with too many [UNK] are left out. Raises ValueError for results of several metrics, whose mean would say nothing.
    """
    if len({result.metric for result in results}) > 1:
        raise ValueError(f"no mean over several metrics: {', '.join(sorted({result.metric for result in results}))}")
    pairs: dict[str, dict[str, tuple[SystemResult, SystemResult]]] = defaultdict(dict)
    for result in _one_per_language(results):
        baseline = result.systems.get(result.baseline)
        if baseline is None:
            continue
        for name, system in result.systems.items():
            if not any(is_incomparable(one, result.metric) for one in (baseline, system)):
                pairs[name][result.language] = (baseline, system)
    metric, baseline_name = results[0].metric, results[0].baseline
    means = {
        name: _baseline_mean(by_language) if name == baseline_name else _system_mean(by_language, metric)
        for name, by_language in pairs.items()
    }
    p_values = {name: mean.p for name, mean in means.items() if mean.p is not None}
    for name, p in holm_by_family(p_values, is_control).items():  # controls leave the p of the systems as they are
        mean = means[name]
        verdict = mean.verdict or verdict_on(mean.change or 0.0, p, metric)
        means[name] = replace(mean, p=p, verdict=verdict)
    return means


def _one_per_language(results: Sequence[TaskResult]) -> list[TaskResult]:
    chosen: dict[str, TaskResult] = {}
    for result in results:
        if result.language not in chosen or _completeness(result) > _completeness(chosen[result.language]):
            chosen[result.language] = result
    return list(chosen.values())


def _completeness(result: TaskResult) -> tuple[bool, int]:
    return result.baseline in result.systems, len(result.systems)


def _baseline_mean(pairs: Mapping[str, tuple[SystemResult, SystemResult]]) -> LanguageMean:
    value = fmean(system.mean for _, system in pairs.values())
    return LanguageMean(tuple(pairs), value, value, change=None, better=0, worse=0, p=None, verdict=None)


def _system_mean(pairs: Mapping[str, tuple[SystemResult, SystemResult]], metric: str) -> LanguageMean:
    """The mean of a system, from (result of the baseline, result of the system) by language code."""
    relative = lower_is_better(metric)
    if relative:  # ratios: a halved and a doubled perplexity cancel out
        differences = [log(system.mean / baseline.mean) for baseline, system in pairs.values()]
    else:
        differences = [system.mean - baseline.mean for baseline, system in pairs.values()]
    mean = fmean(differences)
    # Wilcoxon's test is about the typical language. If the median has the other sign, its verdict would contradict
    # the mean that is shown.
    same_direction = median(differences) * mean > 0
    return LanguageMean(
        codes=tuple(pairs),
        value=fmean(system.mean for _, system in pairs.values()),
        baseline=fmean(baseline.mean for baseline, _ in pairs.values()),
        change=((exp(mean) - 1) if relative else mean) * 100,
        better=sum(system.verdict == Verdict.BETTER for _, system in pairs.values()),
        worse=sum(system.verdict == Verdict.WORSE for _, system in pairs.values()),
        p=wilcoxon_over_languages(differences),
        verdict=None if same_direction else Verdict.NO_CLEAR_DIFFERENCE,
    )
