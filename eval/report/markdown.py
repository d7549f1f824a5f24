"""The report's tables of scores in Markdown."""

from collections.abc import Sequence

from ...workspace.formatting import MISSING, format_count, format_p_value
from ..display import (
    format_change,
    format_change_interval,
    format_value,
    format_value_interval,
    metric_with_direction,
)
from ..scores import BASE
from .comparison import change, change_interval
from .controls import controls_note
from .paper import PaperValues, no_paper
from .tables import Table, interval_notes, languages_of_means, row_notes
from .task_results import TaskResult
from .verdicts import Verdict


def markdown(tables: Sequence[Table], paper: PaperValues = no_paper) -> str:
    """All tables: value, interval, change and verdict; bold where the difference is significant and better."""
    baseline = tables[0].rows[0].baseline if tables else BASE
    note = "" if baseline == BASE else f"Changes are against {baseline}.\n\n"
    rows = [row for table in tables for row in table.rows]
    return note + "\n".join(_table(table, paper) for table in tables) + f"\n{' '.join(interval_notes(rows))}\n"


def _table(table: Table, paper: PaperValues) -> str:
    columns = ["language"] if table.by_language else ["task", "metric"]
    header = [*columns, *table.systems]
    lines = [header, ["---"] * len(header)]
    for row in table.rows:
        notes = row_notes(row)
        name = table.row_name(row) + (f" [{', '.join(notes)}]" if notes else "")
        metric = [] if table.by_language else [metric_with_direction(row.metric)]
        lines.append([name, *metric, *(_cell(row, system, paper) for system in table.systems)])
    if table.by_language:
        metric = table.rows[0].metric
        lines.append(
            [
                f"mean, {metric_with_direction(metric)}",
                *(_mean_cell(table, system) for system in table.systems),
            ]
        )
    body = "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
    languages = languages_of_means(table)
    return f"### {table.full_title}\n\n{body}" + (f"\n{languages}\n" if languages else "")


def _cell(row: TaskResult, name: str, paper: PaperValues) -> str:
    """A value and its interval; in parentheses its change, the interval of the change and the verdict."""
    system = row.systems.get(name)
    if system is None:
        return MISSING
    value = format_value(system.mean, row.metric)
    parts = [f"**{value}**" if system.verdict == Verdict.BETTER else value]
    if system.interval:
        parts.append(format_value_interval(system.interval, row.metric))
    if system.verdict:
        parts.append(f"({'; '.join(filter(None, [_change(row, name), system.verdict, controls_note(system)]))})")
    if paper_value := paper(row, name):
        parts.append(f"(paper: {paper_value})")
    return " ".join(parts)


def _change(row: TaskResult, name: str) -> str:
    if row.systems[name].verdict == Verdict.TOO_MANY_UNKNOWN:
        return ""
    changed = format_change(change(row, name), row.metric)
    return " ".join(filter(None, [changed, format_change_interval(change_interval(row, name))]))


def _mean_cell(table: Table, name: str) -> str:
    mean, metric = table.mean(name), table.rows[0].metric
    if mean is None:
        return MISSING
    value = format_value(mean.value, metric)
    details = [
        format_count(mean.languages, "language"),
        table.baseline_note(name),
        format_change(mean.change, metric),
        mean.verdict or "",
        format_p_value(mean.p),
    ]
    value = f"**{value}**" if mean.verdict == Verdict.BETTER else value
    return f"{value} ({'; '.join(filter(None, details))})"
