"""The report's HTML page: one self-contained file, filled from `report.html`, `report.css` and `report.js`."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...workspace.artifacts import library_versions
from ...workspace.formatting import (
    MISSING,
    format_count,
    format_duration,
    format_number,
    format_p_value,
    format_percent,
    format_signed,
)
from ..display import (
    CONSTANT_NOTES,
    format_change,
    format_change_interval,
    format_value,
    format_value_interval,
    metric_name,
    metric_with_direction,
    task_order,
)
from ..metrics import CONFIDENCE
from ..scores import BASE, Score, is_control, sort_systems
from ..significance import MIN_LANGUAGES
from .class_results import class_results
from .comparison import change, change_interval
from .controls import controls_note
from .costs import costs
from .figures import Panel, file_name, gains_panel, score_panel
from .loss_curves import loss_panel, read_loss_curve
from .paper import no_paper, paper_value
from .pretraining_size import Correlation
from .provenance import licences, settings_groups, skipped_tasks
from .runs import Run, language_name
from .summary import summary
from .tables import Table, interval_notes, languages_of_means, missing_from_means, row_notes, system_header
from .task_results import TaskResult, baseline_name, mean_interval, systems_of
from .verdicts import ALPHA, Verdict

RANDOM_BASE = "scratch"  # how the names of bases with random weights begin
MANY_SYSTEMS = 4  # with more, the page uses more of the screen's width

TEMPLATE_FUNCTIONS = (
    *(change, change_interval, format_change, format_change_interval, format_count, format_duration),
    *(format_number, format_p_value, format_signed, format_value, format_value_interval),
    *(controls_note, language_name, languages_of_means, metric_name, metric_with_direction, missing_from_means),
    *(row_notes, system_header),
)
TEMPLATE_CONSTANTS = {
    "ALPHA": ALPHA,
    "BASE": BASE,
    "CONFIDENCE": f"{format_percent(CONFIDENCE, 0)}%",
    "MIN_LANGUAGES": MIN_LANGUAGES,
    "MISSING": MISSING,
    "MISSING_NOTE": "not measured, though others were",
    "Verdict": Verdict,
}


@dataclass(frozen=True)
class Content:
    """What a report shows: runs, their compared results and tables, figures by base and of pre-training sizes."""

    runs: list[Run]
    results: list[TaskResult]
    tables: list[Table]
    correlations: list[Correlation]
    score_panels: dict[str, list[Panel]]
    loss_panels: dict[str, list[Panel]]
    pretraining_panels: list[Panel]
    paper: bool

    @property
    def languages(self) -> list[str]:
        """Codes of the languages, by name."""
        return sorted({result.language for result in self.results}, key=language_name)

    @property
    def panels(self) -> list[Panel]:
        """Every figure."""
        by_base = [*self.score_panels.values(), *self.loss_panels.values()]
        return [panel for panels in [*by_base, self.pretraining_panels] for panel in panels]


def render(content: Content, created: str) -> str:
    """The whole page."""
    several = len(content.languages) > 1
    constants = {result.constant_name for result in content.results if result.majority_class is not None}
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {function.__name__: function for function in TEMPLATE_FUNCTIONS} | TEMPLATE_CONSTANTS
    return environment.get_template("report.html").render(
        paper=paper_value if content.paper else no_paper,
        with_paper=content.paper,
        languages=[(code, language_name(code)) for code in content.languages],
        several=several,
        interval_notes=interval_notes(content.results),
        constant_notes=[note for name, note in CONSTANT_NOTES.items() if name in constants],
        with_head_only=any(result.head_only is not None for result in content.results),
        with_controls=any(is_control(name) for result in content.results for name in result.systems),
        wide=several or any(len(table.systems) > MANY_SYSTEMS for table in content.tables),
        baseline=baseline_name(content.results[0].baseline),
        bases=[_base_view(base, content) for base in sorted({result.base for result in content.results})],
        correlations=content.correlations,
        pretraining_figure=_inline(content.pretraining_panels),
        class_results=class_results(content.results),
        all_scores=all_scores(content.runs),
        costs=costs(content.runs),
        settings_groups=settings_groups(content.runs),
        licences=licences(content.runs),
        skipped=skipped_tasks(content.runs),
        versions=library_versions(),
        created=created,
    )


def score_panels(tables: Sequence[Table]) -> dict[str, list[Panel]]:
    """The figures of each base's scores: values and intervals of one language, gains of several."""
    panels: dict[str, list[Panel]] = defaultdict(list)
    for table in tables:
        rows = [row for row in table.rows if row.systems]
        if not table.by_language:
            panels[table.base] += [score_panel(row, systems_of(rows)) for row in rows]
        elif len(table.systems) > 1:
            panels[table.base].append(gains_panel(rows, table.systems, table.metric))
    return panels


def loss_panels(runs: Sequence[Run]) -> dict[str, list[Panel]]:
    """The figures of each base's training runs: one for each adapter; for several languages one for each system."""
    several = len({run.about.language for run in runs}) > 1
    folders: dict[tuple[str, str], dict[Path, str]] = defaultdict(dict)  # language by adapter, of each system
    for run in runs:
        for folder in run.adapters:
            folders[run.about.base, run.system].setdefault(folder, language_name(run.about.language))
    panels: dict[str, list[Panel]] = defaultdict(list)
    for base, system in sorted(folders):
        curves = [read_loss_curve(language, folder) for folder, language in folders[base, system].items()]
        curves = [curve for curve in curves if curve.training or curve.validation]
        stem = f"curve-{file_name(base)}-{file_name(system)}"
        if several and len(curves) > 1:
            panels[base].append(loss_panel(stem, system, curves))
            continue
        for index, curve in enumerate(curves):
            panels[base].append(loss_panel(f"{stem}-{index}" if index else stem, system, [curve]))
    return panels


def all_scores(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Every metric of every system, means over seeds, for the table of all scores."""
    order = sort_systems(run.system for run in runs)
    groups: dict[tuple[Any, ...], list[Score]] = defaultdict(list)
    for run in runs:
        for score in run.scores:
            shown = (language_name(score.language), score.base, score.task, run.system, score.metric, score.limit)
            groups[*shown, run.conditions].append(score)
    lines = []
    for key in sorted(groups, key=lambda key: (key[0], key[1], task_order(key[2]), order.index(key[3]))):
        language, base, task, system, metric, limit, _ = key
        scores = groups[key]
        lines.append(
            {
                "language": language,
                "base": base,
                "task": task,
                "system": system,
                "metric": metric,
                "value": fmean(score.value for score in scores),
                "interval": mean_interval([score.interval for score in scores]),
                "limit": limit,
                "n": min(score.n for score in scores),
                "seeds": len({score.seed for score in scores} - {None}),
            }
        )
    return lines


def _base_view(base: str, content: Content) -> dict[str, Any]:
    """What the template shows of one base model."""
    results = [result for result in content.results if result.base == base]
    return {
        "name": base,
        "random": base.startswith(RANDOM_BASE),
        "summary": summary(results) if len(content.languages) == 1 else [],
        "tables": [table for table in content.tables if table.base == base],
        "scores_figure": _inline(content.score_panels.get(base, [])),
        "loss_figure": _inline(content.loss_panels.get(base, [])),
    }


def _inline(panels: Sequence[Panel]) -> Markup:
    # matplotlib escapes text itself, and the labels around it are escaped in figures.py
    return Markup("\n".join(panel.svg() for panel in panels))  # noqa: S704
