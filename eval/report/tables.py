"""The report's tables: what stands in them, and the same as CSV, Markdown and LaTeX."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..scores import BASE, MISSING, lower_is_better, metric_name, show_interval, show_value, task_name, task_order
from .comparison import (
    UNREADABLE,
    Mean,
    Row,
    by,
    change,
    change_interval,
    means,
    named,
    show_change,
    show_change_interval,
    systems_of,
)
from .paper import paper_score
from .provenance import Cost
from .results import Run, language_name

SCORE_COLUMNS = ["language", "base", "task", "system", "metric", "value", "low", "high", "n", "limit", "seed"]
COMPARISON_COLUMNS = ["language", "base", "task", "system", "against", "metric", "note", "against_value", "value"]
COMPARISON_COLUMNS += ["difference", "low", "high", "change", "change_low", "change_high", "p", "p_holm", "verdict"]
PAPERS_METRIC = {"mlm": "pseudo_perplexity_paper"}  # the paper's way, which is not the one that we judge by
_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX |= {
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "—": "---",
    "−": "$-$",
    "±": r"$\pm$",
}

Paper = Callable[[Row, str], str]


@dataclass(frozen=True)
class Table:
    """Scores on one base, systems across: of one language with a row a task, or of one task with a row a language.

    A row without systems stands for what was not measured. `means` are over languages, None for one language. `metric`
    is set where another table has the same task with another metric.
    """

    base: str
    title: str
    rows: list[Row]
    systems: list[str]
    means: dict[str, Mean] | None
    metric: str = ""

    @property
    def by_language(self) -> bool:
        """Whether its rows are languages."""
        return self.means is not None

    def head(self, row: Row) -> str:
        """What a row is called: its language where there are several, else its task."""
        return language_name(row.language) if self.by_language else task_name(row.task)


def tables_of(rows: Sequence[Row]) -> list[Table]:
    """Tables of compared rows, in the order of bases and tasks."""
    languages = {row.language for row in rows}
    bases = sorted({row.base for row in rows})
    if len(languages) == 1:
        own = [(base, [row for row in rows if row.base == base]) for base in bases]
        return [Table(base, "", _with_gaps(some, rows), systems_of(some), None) for base, some in own]
    groups = by(rows, "base", "task", "transfer", "metric", "limit")  # a mean of accuracies and F1 would say nothing
    ambiguous = tasks_with_several_metrics(rows)
    tables = []
    for key in sorted(groups, key=lambda key: (key[0], task_order(key[1]), *key[2:4], key[4] or 0)):
        base, task, transfer, metric, limit = key
        own = groups[key]
        told_apart = metric if task in ambiguous else ""
        title = task_name(task) + (f", zero-shot from {language_name(transfer)}" if transfer else "")
        title += f", {metric_name(metric)}" if told_apart else ""
        title += f", limited to {limit:,} items" if limit else ""
        elsewhere = {row.language for row in rows if (row.task, row.metric) != (task, metric) and row.task == task}
        here = {row.language for row in rows if (row.task, row.metric) == (task, metric)}
        others = [row for row in rows if row.language in here or row.language not in elsewhere]
        whole = own if transfer or limit else _with_gaps(own, others, task)
        systems = systems_of(row for row in rows if row.base == base)
        ordered = sorted(whole, key=lambda row: (language_name(row.language), row.note))
        tables.append(Table(base, title, ordered, systems, means(own), told_apart))
    return tables


def tasks_with_several_metrics(rows: Sequence[Row]) -> set[str]:
    """Tasks that were not scored by one metric everywhere; their names alone do not say which figures are meant."""
    metrics = by(rows, "task")
    return {task for (task,), own in metrics.items() if len({row.metric for row in own}) > 1}


def languages_of_means(table: Table) -> str:
    """Which languages a table's means are over, as a sentence; empty for a table without means."""
    if not table.means:
        return ""
    codes = {code for mean in table.means.values() for code in mean.over}
    parts = [f"Means over {_language_names(codes)}"]
    for system, mean in table.means.items():
        if lacking := codes - set(mean.over):
            parts.append(f"{system} without {_language_names(lacking)}")
    return "; ".join(parts) + "."


def _language_names(codes: Iterable[str]) -> str:
    return ", ".join(sorted(map(language_name, codes)))


def paper_value(row: Row, system: str) -> str:
    """The paper's number for a cell as readers see it, or an empty string."""
    kind = system.partition(" (")[0]  # without the hash that tells two of a kind apart
    value = None if row.transfer or row.limit else paper_score(row.language, row.base, row.task, kind)
    if value is None:
        return ""
    here = row.systems[system].papers_way if system in row.systems else None
    return show_value(value, row.metric) + (f", its way here {show_value(here, row.metric)}" if here else "")


def no_paper(row: Row, system: str) -> str:
    """Stands in for `paper_value` where nobody asked for the paper's numbers."""
    return ""


def write_scores_csv(path: Path, runs: Iterable[Run], *, paper: bool) -> None:
    """Every score unrounded, a row each: F1, accuracy and shares from 0 to 1."""
    columns = [*SCORE_COLUMNS, "transfer_from", "folder", *(["paper"] if paper else [])]
    lines = []
    for run in runs:
        for score in run.scores:
            low, high = score.interval or ("", "")
            place = run.name if run.folder.is_relative_to(run.workspace) else str(run.folder)
            extra = {"system": run.system, "low": low, "high": high, "transfer_from": run.transfer, "folder": place}
            if (
                paper
                and not run.transfer
                and not score.limit
                and score.metric == PAPERS_METRIC.get(score.task, run.primary.metric)
            ):
                extra["paper"] = paper_score(score.language, score.base, score.task, score.system)
            lines.append(asdict(score) | extra)
    _write_csv(path, columns, lines)


def write_comparisons_csv(path: Path, rows: Iterable[Row]) -> None:
    """Every comparison, a row each, unrounded; empty cells where nothing could be compared.

    `change` is in % of the other's value where lower is better, else in points.
    """
    lines = []
    for row in rows:
        for system in row.systems:
            if system == row.against or row.against not in row.systems:
                continue
            cell, found = row.systems[system], row.systems[system].comparison
            line = {name: getattr(row, name) for name in ("language", "base", "task", "against", "metric", "note")}
            line |= {"system": system, "against_value": row.systems[row.against].mean, "value": cell.mean}
            line |= {"verdict": cell.verdict, "p_holm": cell.p}
            if found:
                low, high = found.interval
                line |= {"difference": found.difference, "low": low, "high": high, "p": found.p}
                low, high = change_interval(row, system) or ("", "")
                line |= {"change": change(row, system), "change_low": low, "change_high": high}
            lines.append(line)
    _write_csv(path, COMPARISON_COLUMNS, lines)


def write_costs_csv(path: Path, costs: Iterable[Cost]) -> None:
    """Parameters, steps, tokens and seconds of each language adapter, a row each; empty cells where not told.

    Of a fusion its own, without those of the two that it fuses.
    """
    _write_csv(path, [field.name for field in fields(Cost)], [asdict(cost) for cost in costs])


def markdown(tables: Sequence[Table], paper: Paper = no_paper) -> str:
    """All tables in Markdown: value, interval, change and verdict; bold where better by the test."""
    against = tables[0].rows[0].against if tables else BASE
    head = "" if against == BASE else f"Changes are against {against}.\n\n"
    return head + "\n".join(_markdown(table, paper) for table in tables)


def latex(tables: Sequence[Table], paper: Paper = no_paper) -> str:
    """All tables in LaTeX for the package booktabs; bold where better by the test."""
    told = escape_latex(named(tables[0].rows[0].against)) if tables else "the base"
    head = f"% needs \\usepackage{{booktabs}}; bold: better than {told} by a paired test, after Holm, p < 0.05\n"
    return head + "\n".join(_latex(table, paper) for table in tables)


def metric_line(row: Row) -> str:
    """A row's metric with its unit and direction."""
    return f"{metric_name(row.metric)}, {'lower is better' if lower_is_better(row.metric) else '%'}"


def show_p(p: float | None) -> str:
    """A p value in words: "p = 0.012", "p < 0.001"; empty for none."""
    if p is None:
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def escape_latex(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(_LATEX.get(character, character) for character in text)


def _with_gaps(own: Sequence[Row], all_: Sequence[Row], task: str | None = None) -> list[Row]:
    """A base's rows (of one task), with empty ones for the languages and tasks that were measured elsewhere."""
    some = own[0]
    there = {(row.language, row.task) for row in own if not row.transfer}
    full = [row for row in all_ if not row.transfer and not row.limit]
    wanted = {(row.language, row.task if task is None else task): row for row in full}
    gaps = [
        Row(language, some.base, name, row.metric if task is None else some.metric, {}, against=some.against)
        for (language, name), row in wanted.items()
        if (language, name) not in there
    ]
    return sorted([*own, *gaps], key=lambda row: task_order(row.task))


def _write_csv(path: Path, columns: Sequence[str], lines: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)


def _markdown(table: Table, paper: Paper) -> str:
    title = f"{table.base}: {table.title}" if table.title else table.base
    header = ["language" if table.by_language else "task", *([] if table.by_language else ["metric"]), *table.systems]
    lines = [header, ["---"] * len(header)]
    for row in table.rows:
        head = table.head(row) + (f" [{row.note}]" if row.note else "")
        cells = ["".join(_parts(row, system, paper)) for system in table.systems]
        lines.append([head, *([] if table.by_language else [metric_line(row)]), *cells])
    if table.by_language:
        lines.append([f"mean, {metric_line(table.rows[0])}", *(_mean_cell(table, system) for system in table.systems)])
    body = "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
    languages = languages_of_means(table)
    return f"### {title}\n\n{body}" + (f"\n{languages}\n" if languages else "")


def _parts(row: Row, system: str, paper: Paper) -> Iterator[str]:
    """A cell's text: value, its interval, and in brackets change, interval and verdict."""
    cell = row.systems.get(system)
    if cell is None:
        yield MISSING
        return
    value = show_value(cell.mean, row.metric)
    yield f"**{value}**" if cell.verdict == "better" else value
    if cell.interval:
        yield f" {show_interval(cell.interval, row.metric)}"
    told = " ".join(
        part
        for part in (show_change(change(row, system), row.metric), show_change_interval(change_interval(row, system)))
        if part and cell.verdict != UNREADABLE
    )
    if cell.verdict:
        yield f" ({told + '; ' if told else ''}{cell.verdict})"
    if number := paper(row, system):
        yield f" (paper: {number})"


def _mean_cell(table: Table, system: str) -> str:
    mean, metric = (table.means or {}).get(system), table.rows[0].metric
    if mean is None:
        return MISSING
    value = show_value(mean.value, metric)
    told = [
        f"{mean.languages} language{'s' if mean.languages > 1 else ''}",
        show_change(mean.change, metric),
        mean.verdict or "",
        show_p(mean.p),
    ]
    value = f"**{value}**" if mean.verdict == "better" else value
    return f"{value} ({'; '.join(part for part in told if part)})"


def _latex(table: Table, paper: Paper) -> str:
    title = escape_latex(f"{table.base}: {table.title}" if table.title else table.base)
    header = ["Language" if table.by_language else "Task", *table.systems]
    lines = [f"% {title}", rf"\begin{{tabular}}{{l{'r' * len(table.systems)}}}", r"\toprule"]
    lines += [" & ".join(map(escape_latex, header)) + r" \\", r"\midrule"]
    for row in table.rows:
        head = escape_latex(table.head(row) + (f" [{row.note}]" if row.note else ""))
        lines.append(" & ".join([head, *(_latex_cell(row, system, paper) for system in table.systems)]) + r" \\")
    if table.by_language:
        lines.append(r"\midrule")
        lines.append(" & ".join(["Mean", *(_latex_mean(table, system) for system in table.systems)]) + r" \\")
    languages = languages_of_means(table)
    lines += [r"\bottomrule", r"\end{tabular}", *([f"% {escape_latex(languages)}"] if languages else []), ""]
    return "\n".join(lines)


def _latex_cell(row: Row, system: str, paper: Paper) -> str:
    cell = row.systems.get(system)
    if cell is None:
        return escape_latex(MISSING)
    value = escape_latex(show_value(cell.mean, row.metric))
    told = rf"\textbf{{{value}}}" if cell.verdict == "better" else value
    moved = show_change(change(row, system), row.metric) if cell.verdict != UNREADABLE else ""
    marks = [moved, "more than 5 % [UNK]" if cell.verdict == UNREADABLE else "", _named(paper(row, system))]
    return told + "".join(f" ({escape_latex(mark)})" for mark in marks if mark)


def _named(number: str) -> str:
    return f"paper: {number}" if number else ""


def _latex_mean(table: Table, system: str) -> str:
    mean = (table.means or {}).get(system)
    if mean is None:
        return escape_latex(MISSING)
    value = escape_latex(show_value(mean.value, table.rows[0].metric))
    told = rf"\textbf{{{value}}}" if mean.verdict == "better" else value
    moved = show_change(mean.change, table.rows[0].metric)
    return told + (f" ({escape_latex(moved)})" if moved else "")


def header_words(system: str) -> tuple[str, str]:
    """A system's adapter and what it was trained on: ("seq_bn", "on text"); the latter empty for the base."""
    adapter, _, source = system.partition("/")
    return adapter, f"on {source}" if source and not source.startswith("fusion") else source
