"""The report: every score of some languages gathered into a page, tables and figures."""

import json
import re
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ...workspace.artifacts import MANIFEST, library_versions, write_json
from ...workspace.errors import UserError
from ...workspace.progress import QUIET, Progress
from ..scores import BASE
from .compared_results import Results, compare_runs
from .figures import safe
from .html import Content, curve_panels, render, score_panels
from .pretraining import pretraining
from .provenance import costs
from .results import Run, gather
from .tables import (
    latex,
    markdown,
    no_paper,
    paper_value,
    tables_of,
    write_comparisons_csv,
    write_costs_csv,
    write_scores_csv,
)

KIND = "report"
PAGE = "index.html"


def write_report(
    workspace: Path,
    sources: Sequence[Path] = (),
    *,
    languages: Sequence[str] = (),
    out: Path | None = None,
    against: str = BASE,
    paper: bool = False,
    progress: Progress = QUIET,
) -> Path:
    """Write a report on the scores in `sources` (score files, their folders, workspaces; by default `workspace`).

    `languages` (codes) leave out the others. It goes to `out`, or to `reports/` of `workspace` under the language's
    code, `all` where there are several, with `against` after it where that is not the base: the system that all others
    are compared with. With `paper`, the reference paper's numbers stand beside ours. Returns the page's path. Raises
    UserError where there are no scores, none of `against`, one cannot be read, or `out` holds something else.
    """
    runs = gather(sources or [workspace], languages)
    if out:
        _check(out.resolve())  # before the comparisons, which take long
    results = compare_runs(runs, progress, against)
    return write_page(results, workspace, out=out, paper=paper, progress=progress)


def write_page(
    results: Results, workspace: Path, *, out: Path | None = None, paper: bool = False, progress: Progress = QUIET
) -> Path:
    """Write the report on these results; see `write_report`."""
    runs = results.runs
    folder = out.resolve() if out else workspace / "reports" / _name(runs, results.rows[0].against)
    if out:
        _check(folder)
    number = len({run.about.language for run in runs})
    progress.say(
        f"report on {len(runs)} run{'s' if len(runs) != 1 else ''}" + (f" in {number} languages" if number > 1 else "")
    )
    content = _content(results, paper)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # what a killed command left
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise UserError(f"cannot write to {folder} ({error.strerror}): choose another --workspace or --out") from error
    _write(content, partial, progress)
    shutil.rmtree(folder, ignore_errors=True)  # a report is always made anew
    partial.replace(folder)
    return folder / PAGE


def _name(runs: Sequence[Run], against: str) -> str:
    """The language's code if there is one, and it can be a folder's name: score files may come from anywhere."""
    languages = {run.about.language for run in runs}
    name = next(iter(languages))
    name = name if len(languages) == 1 and re.fullmatch(r"\w+(-\w+)*", name) else "all"
    return name if against == BASE else f"{name}-against-{safe(against)}"


def _check(folder: Path) -> None:
    """Raise a UserError unless the folder is free, empty or an earlier report."""
    if not folder.exists():
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    try:
        earlier = json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("kind") == KIND
    except (OSError, ValueError, AttributeError):
        earlier = False
    if not earlier:
        raise UserError(f"{folder} is there already and is no report; name a new folder with --out")


def _content(results: Results, paper: bool) -> Content:
    runs, rows = results.runs, results.rows
    tables = tables_of(rows)
    correlations, panels = pretraining(rows)
    return Content(runs, rows, tables, correlations, score_panels(tables), curve_panels(runs), panels, paper)


def _write(content: Content, folder: Path, progress: Progress) -> None:
    created = datetime.now(UTC).isoformat(timespec="seconds")
    paper = paper_value if content.paper else no_paper
    if content.paper and not any(paper(row, system) for row in content.rows for system in row.systems):
        bases = sorted({row.base for row in content.rows})
        progress.say(f"--paper-scores: the paper has no number for these systems and tasks on {', '.join(bases)}")
    (folder / PAGE).write_text(render(content, created), encoding="utf-8")
    write_scores_csv(folder / "scores.csv", content.runs, paper=content.paper)
    write_comparisons_csv(folder / "comparisons.csv", content.rows)
    write_costs_csv(folder / "costs.csv", costs(content.runs))
    (folder / "scores.md").write_text(markdown(content.tables, paper), encoding="utf-8")
    (folder / "scores.tex").write_text(latex(content.tables, paper), encoding="utf-8")
    (folder / "figures").mkdir()
    for panel in progress.track(content.panels, "draw the figures", len(content.panels)):
        panel.save(folder / "figures")
    used = sorted({run.name for run in content.runs})
    about = {"kind": KIND, "scores": used, "against": content.rows[0].against}
    write_json(folder / MANIFEST, about | {"versions": library_versions(), "created": created})
