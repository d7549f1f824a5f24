"""The report's HTML page: one file that stands alone, filled from `report.html`, `report.css` and `report.js`."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...workspace.artifacts import library_versions
from ..scores import (
    BASE,
    MISSING,
    in_order,
    lower_is_better,
    metric_name,
    show_interval,
    show_value,
    task_name,
    task_order,
)
from ..significance import FEWEST_LANGUAGES
from .classes import class_results
from .comparison import UNREADABLE, Row, change, change_interval, named, show_change, show_change_interval, systems_of
from .figures import Panel, curve_panel, gains_panel, read_curve, safe, score_panel
from .pretraining import Correlation
from .provenance import costs, licences, settings, show_time, skipped_tasks
from .results import Run, language_name
from .tables import Paper, Table, header_words, languages_of_means, metric_line, no_paper, paper_value, show_p

RANDOM_BASE = "scratch"  # how the names of bases with random weights start
MOST_NAMED = 4  # comparisons with one verdict that the opening names one by one; the tables tell of all
MANY_SYSTEMS = 4  # beyond, the page takes more of the screen's width
MISSING_NOTE = "missing: not measured, though others were"


@dataclass(frozen=True)
class Content:
    """What a report shows: the runs, their compared rows and tables, pictures by base and of pre-training sizes."""

    runs: list[Run]
    rows: list[Row]
    tables: list[Table]
    correlations: list[Correlation]
    score_panels: dict[str, list[Panel]]
    curve_panels: dict[str, list[Panel]]
    pretraining_panels: list[Panel]
    paper: bool

    @property
    def languages(self) -> list[str]:
        """Codes of the languages, by name."""
        return sorted({row.language for row in self.rows}, key=language_name)

    @property
    def panels(self) -> list[Panel]:
        """Every picture."""
        by_base = [*self.score_panels.values(), *self.curve_panels.values()]
        return [panel for panels in [*by_base, self.pretraining_panels] for panel in panels]


def render(content: Content, created: str) -> str:
    """The whole page."""
    several = len(content.languages) > 1
    paper: Paper = paper_value if content.paper else no_paper
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {**_functions(), "paper": paper}
    return environment.get_template("report.html").render(
        languages=[(code, language_name(code)) for code in content.languages],
        several=several,
        wide=several or any(len(table.systems) > MANY_SYSTEMS for table in content.tables),
        compared=content.paper,
        against=named(content.rows[0].against),
        bases=[_base_view(base, content) for base in sorted({row.base for row in content.rows})],
        correlations=content.correlations,
        pretraining=_inline(content.pretraining_panels),
        classes=class_results(content.rows),
        metrics=metric_rows(content.runs),
        costs=costs(content.runs),
        settings=settings(content.runs),
        licences=licences(content.runs),
        skipped=skipped_tasks(content.runs),
        versions=library_versions(),
        created=created,
    )


def summary(rows: Sequence[Row]) -> list[str]:
    """The opening of one language's page on one base: a sentence for each verdict that occurs.

    Of more than MOST_NAMED comparisons with one verdict only their number and the largest change are told, by task.
    """
    found: dict[str, list[tuple[Row, str]]] = defaultdict(list)
    other = named(rows[0].against)
    alone = f"without a score of {other}"
    for row in rows:
        for system, cell in row.systems.items():
            if system != row.against:
                found[cell.verdict or alone].append((row, system))
    order = ["better", "worse", "no clear difference", UNREADABLE, "not comparable", alone]
    scored = {system for row in rows for system in row.systems}
    adapters = [system for system in systems_of(rows) if system in scored and system != rows[0].against]
    what = "the base alone" if rows[0].against == BASE else other
    sentences = [f"{adapters[0]}, compared with {what}."] if len(adapters) == 1 else []
    for verdict in (verdict for verdict in order if verdict in found):
        some = found[verdict]
        if len(adapters) == 1:
            parts = [f"{_what(row)}{_told(row, system)}" for row, system in some]
        else:
            parts = [_named(*one) for one in some] if len(some) <= MOST_NAMED else _counted(some)
        head = (
            verdict[0].upper()
            + verdict[1:]
            + (f" than {other}" if len(adapters) > 1 and verdict in ("better", "worse") else "")
        )
        sentences.append(f"{head}: {', '.join(parts)}.")
    return sentences


def _named(row: Row, system: str) -> str:
    """A comparison in a few words; values are told where there is a difference."""
    return f"{system} on {_what(row)}{_told(row, system)}"


def _counted(some: Sequence[tuple[Row, str]]) -> list[str]:
    """How many comparisons by task, and the one with the largest change."""
    groups: dict[str, list[tuple[Row, str]]] = defaultdict(list)
    for row, system in some:
        groups[_what(row)].append((row, system))
    parts = []
    for what, own in groups.items():
        row, system = max(own, key=lambda one: abs(change(*one) or 0))
        all_ = len(row.systems) - (row.against in row.systems)
        clear = row.systems[system].verdict in ("better", "worse")
        most = f", most {system}{_told(row, system)}" if clear else ""
        parts.append(f"{what} with {len(own)} of {all_} systems{most}" if len(own) > 1 else _named(row, system))
    return parts


def _what(row: Row) -> str:
    return task_name(row.task).lower() + (f" [{row.note}]" if row.note else "")


def _told(row: Row, system: str) -> str:
    verdict, moved = row.systems[system].verdict, show_change(change(row, system), row.metric)
    if not moved or verdict == UNREADABLE:
        return ""
    if verdict not in ("better", "worse"):
        return f" ({moved})"
    before, after = (show_value(row.systems[name].mean, row.metric) for name in (row.against, system))
    return f" ({before} → {after}, {moved})"


def score_panels(tables: Sequence[Table]) -> dict[str, list[Panel]]:
    """The pictures of each base's scores: values and intervals of one language, gains of several."""
    panels: dict[str, list[Panel]] = defaultdict(list)
    for table in tables:
        rows = [row for row in table.rows if row.systems]
        if not table.by_language:
            panels[table.base] += [score_panel(row, systems_of(rows)) for row in rows]
        elif len(table.systems) > 1:
            panels[table.base].append(gains_panel(rows, table.systems, table.metric))
    return panels


def curve_panels(runs: Sequence[Run]) -> dict[str, list[Panel]]:
    """The pictures of each base's trainings: one an adapter, or where there are several languages one a system."""
    several = len({run.about.language for run in runs}) > 1
    groups: dict[tuple[str, str], dict[Path, str]] = defaultdict(dict)
    for run in runs:
        for folder in run.adapters:
            groups[run.about.base, run.system].setdefault(folder, language_name(run.about.language))
    panels: dict[str, list[Panel]] = defaultdict(list)
    for base, system in sorted(groups):
        curves = [read_curve(name, folder) for folder, name in groups[base, system].items()]
        curves = [curve for curve in curves if curve.training or curve.validation]
        stem = f"curve-{safe(base)}-{safe(system)}"
        if several and len(curves) > 1:
            panels[base].append(curve_panel(stem, system, curves))
        else:
            panels[base] += [curve_panel(f"{stem}-{n}" if n else stem, system, [c]) for n, c in enumerate(curves)]
    return panels


def metric_rows(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Every metric of every system, means over seeds, for the table of all scores."""
    groups: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    order = in_order(run.system for run in runs)
    for run in runs:
        for score in run.scores:
            shown = (language_name(score.language), score.base, score.task, run.system, score.metric, score.limit)
            key = (*shown, run.conditions)
            groups[key].append(score)
    lines = []
    for key in sorted(groups, key=lambda key: (key[0], key[1], task_order(key[2]), order.index(key[3]))):
        scores = groups[key]
        bounds = [score.interval for score in scores if score.interval]
        whole = len(bounds) == len(scores)
        lines.append(
            dict(zip(("language", "base", "task", "system", "metric", "limit"), key, strict=False))
            | {"value": fmean(score.value for score in scores), "n": min(score.n for score in scores)}
            | {"interval": (fmean(low for low, _ in bounds), fmean(high for _, high in bounds)) if whole else None}
            | {"seeds": len({score.seed for score in scores} - {None})}
        )
    return lines


def _functions() -> Mapping[str, Callable[..., Any] | str]:
    functions = (task_name, metric_name, metric_line, show_value, show_interval, show_change, show_change_interval)
    more = (change, change_interval, show_p, show_time, header_words, lower_is_better, language_name)
    more += (languages_of_means,)
    constants = {"missing": MISSING, "missing_note": MISSING_NOTE, "unreadable": UNREADABLE, "base_system": BASE}
    constants["fewest_languages"] = str(FEWEST_LANGUAGES)
    return {function.__name__: function for function in (*functions, *more)} | constants


def _base_view(base: str, content: Content) -> dict[str, Any]:
    """What the template shows of one base model."""
    rows = [row for row in content.rows if row.base == base]
    return {
        "name": base,
        "random": base.startswith(RANDOM_BASE),
        "summary": summary(rows) if len(content.languages) == 1 else [],
        "tables": [table for table in content.tables if table.base == base],
        "scores_figure": _inline(content.score_panels.get(base, [])),
        "curves_figure": _inline(content.curve_panels.get(base, [])),
    }


def _inline(panels: Sequence[Panel]) -> Markup:
    # Matplotlib escapes text itself, and the labels around it are escaped in figures.py.
    return Markup("\n".join(panel.svg() for panel in panels))  # noqa: S704
