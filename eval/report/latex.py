"""The report's tables of scores in LaTeX, for the package booktabs."""

from collections.abc import Iterable, Sequence

from ...workspace.formatting import MISSING
from ..display import format_change, format_value
from .comparison import change
from .controls import controls_note
from .paper import PaperValues, no_paper
from .tables import Table, languages_of_means, row_notes
from .task_results import TaskResult, baseline_name
from .verdicts import ALPHA, Verdict

_ESCAPES = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "—": "---",
    "−": "$-$",
    "±": r"$\pm$",
}


def latex(tables: Sequence[Table], paper: PaperValues = no_paper) -> str:
    """All tables; bold where the difference is significant and better."""
    baseline = escape_latex(baseline_name(tables[0].rows[0].baseline)) if tables else "the base"
    comment = (
        "% needs \\usepackage{booktabs}; "
        f"bold: better than {baseline} by a paired test, p < {ALPHA} after Holm's correction\n"
    )
    return comment + "\n".join(_table(table, paper) for table in tables)


def escape_latex(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def _table(table: Table, paper: PaperValues) -> str:
    header = ["Language" if table.by_language else "Task", *table.systems]
    lines = [
        f"% {escape_latex(table.full_title)}",
        rf"\begin{{tabular}}{{l{'r' * len(table.systems)}}}",
        r"\toprule",
        _line(map(escape_latex, header)),
        r"\midrule",
    ]
    for row in table.rows:
        notes = row_notes(row)
        name = escape_latex(table.row_name(row) + (f" [{', '.join(notes)}]" if notes else ""))
        lines.append(_line([name, *(_cell(row, system, paper) for system in table.systems)]))
    if table.by_language:
        lines += [r"\midrule", _line(["Mean", *(_mean_cell(table, system) for system in table.systems)])]
    lines += [r"\bottomrule", r"\end{tabular}"]
    if languages := languages_of_means(table):
        lines.append(f"% {escape_latex(languages)}")
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(row: TaskResult, name: str, paper: PaperValues) -> str:
    system = row.systems.get(name)
    if system is None:
        return escape_latex(MISSING)
    paper_value = paper(row, name)
    notes = [
        system.verdict.removeprefix("not comparable: ")
        if system.verdict == Verdict.TOO_MANY_UNKNOWN
        else format_change(change(row, name), row.metric),
        system.verdict if system.verdict == Verdict.ONE_SEED else "",
        controls_note(system),
        f"paper: {paper_value}" if paper_value else "",
    ]
    return _value(system.mean, row.metric, notes, bold=system.verdict == Verdict.BETTER)


def _mean_cell(table: Table, name: str) -> str:
    mean, metric = table.mean(name), table.rows[0].metric
    if mean is None:
        return escape_latex(MISSING)
    notes = [format_change(mean.change, metric), table.baseline_note(name)]
    return _value(mean.value, metric, notes, bold=mean.verdict == Verdict.BETTER)


def _value(value: float, metric: str, notes: Sequence[str], *, bold: bool) -> str:
    text = escape_latex(format_value(value, metric))
    if bold:
        text = rf"\textbf{{{text}}}"
    return text + "".join(f" ({escape_latex(note)})" for note in notes if note)
