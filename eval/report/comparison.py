"""Runs grouped over seeds, each system compared with the base, and averaged over languages."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, isfinite, log
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any, Literal

from ...workspace.progress import QUIET, Progress
from ..scores import BASE, in_order, lower_is_better, task_order
from ..significance import Comparison, compare, holm, over_languages
from .results import Run, language_name

LEVEL = 0.05  # of the tests
MOST_UNKNOWN = 0.05  # share of [UNK] above which a perplexity says nothing: [UNK] is easily guessed

Verdict = Literal["better", "worse", "no clear difference", "not comparable", "not comparable: more than 5 % [UNK]"]
UNREADABLE: Verdict = "not comparable: more than 5 % [UNK]"


@dataclass(frozen=True)
class Cell:
    """A system's result on a task over its seeds; `seeds` counts them (0: nothing random), `n` the items scored.

    `unknown` is the share of [UNK], `papers_way` the pseudo-perplexity as the paper counts it, where they were
    measured. `comparison`, `p` (after Holm) and `verdict` are against the row's `against`, set by `compared`.
    """

    mean: float
    interval: tuple[float, float] | None
    n: int
    seeds: int
    deviation: float | None
    folders: tuple[Path, ...] = ()
    unknown: float | None = None
    papers_way: float | None = None
    comparison: Comparison | None = None
    p: float | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Row:
    """A task's primary metric for all systems on one base and language, "base" first.

    `transfer` is the language that the task was learnt in where it is not `language`, `limit` the most items scored
    where `eval.limit` left others out. `note` says both, and what else tells rows of one task apart that were measured
    on other data or with other settings. `against` is the system that
    the others are compared with.
    """

    language: str
    base: str
    task: str
    metric: str
    systems: dict[str, Cell]
    transfer: str = ""
    limit: int | None = None
    note: str = ""
    against: str = BASE


@dataclass(frozen=True)
class Mean:
    """A system over the languages that it and the one compared with were both scored in, whose codes are `over`.

    `value` is the plain mean. `change`: the mean change as `change` tells it, of perplexity the geometric
    mean. `better` and `worse` count languages with such a verdict. `p`: Wilcoxon's test, after Holm.
    """

    over: tuple[str, ...]
    value: float
    change: float | None
    better: int
    worse: int
    p: float | None
    verdict: Verdict | None

    @property
    def languages(self) -> int:
        """How many languages it is the mean of."""
        return len(self.over)


def rows_of(runs: Iterable[Run]) -> list[Row]:
    """A row for each language, base, task and way of measuring it, tasks in their usual order; nothing compared yet."""
    groups: dict[tuple[str, ...], dict[tuple, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        about = run.about
        groups[about.language, about.base, about.task][run.primary.metric, about.limit, run.conditions].append(run)
    rows = []
    for key in sorted(groups, key=lambda key: (key[0], key[1], task_order(key[2]))):
        ways = [conditions for _, _, conditions in groups[key]]
        for (metric, limit, conditions), some in groups[key].items():
            transfer = some[0].transfer
            parts = (_learnt_in(transfer), _limited_to(limit), _difference(conditions, ways))
            note = ", ".join(part for part in parts if part)
            rows.append(Row(key[0], key[1], key[2], metric, _cells(some), transfer, limit, note))
    return rows


def compared(rows: Sequence[Row], progress: Progress = QUIET, against: str = BASE) -> list[Row]:
    """The rows with every system tested against one of its row, by default the base.

    Holm's correction goes over all comparisons of one task's metric in `rows`: give all that are shown together.
    """
    rows = [replace(row, against=against) for row in rows]
    pairs = [(n, system) for n, row in enumerate(rows) for system in row.systems]
    for n, system in progress.track(pairs, f"compare with {named(against)}, comparisons", len(pairs)):
        cell = _tested(rows[n], system)
        rows[n] = replace(rows[n], systems=rows[n].systems | {system: cell})
    families: dict[tuple[str, str, int | None], list[tuple[int, str]]] = defaultdict(list)
    for n, system in pairs:
        if rows[n].systems[system].comparison:
            families[rows[n].task, rows[n].metric, rows[n].limit].append((n, system))
    for family in families.values():
        found = [rows[n].systems[system] for n, system in family]
        for (n, system), cell, p in zip(family, found, holm([_p(cell) for cell in found]), strict=True):
            assert cell.comparison
            told = replace(cell, p=p, verdict=_verdict(cell.comparison.difference, p, rows[n].metric))
            rows[n] = replace(rows[n], systems=rows[n].systems | {system: told})
    return rows


def change(row: Row, system: str) -> float | None:
    """What a system changes against the row's `against`: % of its value where lower is better, else points."""
    base, other = row.systems.get(row.against), row.systems.get(system)
    if base is None or other is None or system == row.against:
        return None
    difference = other.comparison.difference if other.comparison else other.mean - base.mean
    return _in_units(difference, row)


def change_interval(row: Row, system: str) -> tuple[float, float] | None:
    """The 95 % interval of `change`, in its units."""
    cell = row.systems.get(system)
    if cell is None or cell.comparison is None:
        return None
    low, high = cell.comparison.relative or cell.comparison.interval
    return 100 * low, 100 * high


def show_change(difference: float | None, metric: str, points: str = " points") -> str:
    """A change with its sign and unit ("−50.5 %", "+1.8 points"), or an empty string."""
    if difference is None or not isfinite(difference):
        return ""
    return f"{_signed(difference)}{' %' if lower_is_better(metric) else points}"


def show_change_interval(interval: tuple[float, float] | None) -> str:
    """The interval of a change as "[−52.1, −49.0]", or an empty string."""
    return f"[{_signed(interval[0])}, {_signed(interval[1])}]" if interval else ""


def means(rows: Sequence[Row]) -> dict[str, Mean]:
    """Each system's mean over languages, from compared rows of one base, task, metric, transfer and limit.

    Of several rows of a language the one with the most systems counts, the compared one among them. Perplexities with
    too many [UNK] are left out. Raises ValueError for rows of several metrics, whose mean would say nothing.
    """
    if len({row.metric for row in rows}) > 1:
        raise ValueError(f"no mean over several metrics: {', '.join(sorted({row.metric for row in rows}))}")
    pairs: dict[str, dict[str, tuple[Cell, Cell]]] = defaultdict(dict)
    for row in _one_a_language(rows):
        base = row.systems.get(row.against)
        for system, cell in row.systems.items() if base else ():
            if base and UNREADABLE not in (base.verdict, cell.verdict):
                pairs[system][row.language] = (base, cell)
    metric, against = rows[0].metric, rows[0].against
    found = {system: _mean(by_code, metric, itself=system == against) for system, by_code in pairs.items()}
    tested = [system for system in found if found[system].p is not None]
    for system, p in zip(tested, holm([found[system].p or 0.0 for system in tested]), strict=True):
        verdict = found[system].verdict or _verdict(found[system].change or 0.0, p, metric)
        found[system] = replace(found[system], p=p, verdict=verdict)
    return found


def gain(row: Row, system: str) -> float | None:
    """`change` turned so that more is better; None with nothing to compare with, or where perplexity says nothing."""
    found = None if row.systems[system].verdict == UNREADABLE else change(row, system)
    return found if found is None or not lower_is_better(row.metric) else -found


def _learnt_in(transfer: str) -> str:
    return f"zero-shot from {language_name(transfer)} ({transfer})" if transfer else ""


def _limited_to(limit: int | None) -> str:
    """What a limited score must not be taken for; see `eval.limit`."""
    return "" if limit is None else f"limited to {limit:,} items: not comparable with full scores"


def _difference(own: Iterable[tuple[str, str]], all_: Sequence[Iterable[tuple[str, str]]]) -> str:
    """Those of a row's own conditions that are not the same in all rows of its task."""
    known = [dict(conditions) for conditions in all_]
    parts = [
        f"{key.replace('_', ' ')} {value}"
        for key, value in own
        if key not in ("transfer_from", "limit") and any(other.get(key) != value for other in known)
    ]
    return ", ".join(parts[:4]) + (" …" if len(parts) > 4 else "")


def _cells(runs: Iterable[Run]) -> dict[str, Cell]:
    systems: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        systems[run.system].append(run)
    return {system: _cell(systems[system]) for system in in_order(systems)}


def _cell(runs: Sequence[Run]) -> Cell:
    scores = [run.primary for run in runs]
    values = [score.value for score in scores]
    intervals = [score.interval for score in scores if score.interval is not None]
    whole = len(intervals) == len(scores)  # bounds of some seeds only would be the bounds of something else
    seeds = {score.seed for score in scores if score.seed is not None}
    return Cell(
        mean=fmean(values),
        interval=(fmean(low for low, _ in intervals), fmean(high for _, high in intervals)) if whole else None,
        n=min(score.n for score in scores),
        seeds=len(seeds),
        deviation=stdev(values) if len(seeds) > 1 else None,
        folders=tuple(run.folder for run in runs),
        unknown=_mean_of(runs, "unknown_share"),
        papers_way=_mean_of(runs, "pseudo_perplexity_paper"),
    )


def _mean_of(runs: Sequence[Run], metric: str) -> float | None:
    values = [score.value for run in runs if (score := run.score(metric))]
    return fmean(values) if values else None


def _tested(row: Row, system: str) -> Cell:
    """The system's cell with its comparison, or with the reason why there is none."""
    base, cell = row.systems.get(row.against), row.systems[system]
    most = max(one.unknown or 0 for one in (base, cell) if one)
    if row.metric.startswith("pseudo_perplexity") and most > MOST_UNKNOWN:
        return replace(cell, verdict=UNREADABLE)
    if base is None or system == row.against:
        return cell
    try:
        found = compare(row.task, row.metric, base.folders, cell.folders)
    except (OSError, ValueError, KeyError):  # predictions of another version, or damaged: no ground for a verdict
        found = None
    return replace(cell, comparison=found, verdict=None if found else "not comparable")


def _p(cell: Cell) -> float:
    assert cell.comparison
    return cell.comparison.p


def _verdict(difference: float, p: float, metric: str) -> Verdict:
    if p >= LEVEL or difference == 0:
        return "no clear difference"
    return "better" if (difference < 0) == lower_is_better(metric) else "worse"


def _in_units(difference: float, row: Row) -> float | None:
    if not lower_is_better(row.metric):
        return difference * 100
    base = row.systems[row.against].mean
    return difference / base * 100 if base else None


def _signed(number: float) -> str:
    size = f"{abs(number):,.1f}"
    return f"{'±' if size == '0.0' else '+' if number > 0 else '−'}{size}"


def _one_a_language(rows: Sequence[Row]) -> list[Row]:
    def told(row: Row) -> tuple[bool, int]:
        return row.against in row.systems, len(row.systems)

    most: dict[str, Row] = {}
    for row in rows:
        if row.language not in most or told(row) > told(most[row.language]):
            most[row.language] = row
    return list(most.values())


def _mean(by_language: Mapping[str, tuple[Cell, Cell]], metric: str, *, itself: bool) -> Mean:
    """The mean of a system's cells, from (cell compared with, cell) by language code."""
    relative, pairs = lower_is_better(metric), list(by_language.values())
    moved = [log(cell.mean / base.mean) if relative else cell.mean - base.mean for base, cell in pairs]
    typical = fmean(moved)
    agreed = median(moved) * typical > 0  # else the test would speak of another direction than the mean shown
    return Mean(
        over=tuple(by_language),
        value=fmean(cell.mean for _, cell in pairs),
        change=None if itself else ((exp(typical) - 1) if relative else typical) * 100,
        better=sum(cell.verdict == "better" for _, cell in pairs),
        worse=sum(cell.verdict == "worse" for _, cell in pairs),
        p=None if itself else over_languages(moved),
        verdict=None if agreed or itself else "no clear difference",
    )


def named(against: str) -> str:
    """What the others are compared with, in a sentence."""
    return "the base" if against == BASE else against


def systems_of(rows: Iterable[Row]) -> list[str]:
    """Every system of the rows, "base" first even where it has no score."""
    return in_order([BASE, *(system for row in rows for system in row.systems)])


def by(rows: Iterable[Row], *fields: str) -> Mapping[tuple[Any, ...], list[Row]]:
    """Rows grouped by the values of some fields, in the order of their first rows."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(getattr(row, field) for field in fields)].append(row)
    return groups
