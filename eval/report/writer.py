"""Writes the report: every score of one or several languages, as a page, tables and figures."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ...workspace.artifacts import MANIFEST, library_versions, write_json
from ...workspace.errors import UserError
from ...workspace.formatting import format_count
from ...workspace.locks import locked
from ...workspace.new_folder import partial_folder
from ...workspace.progress import QUIET, Progress
from ..scores import BASE
from .comparison import ComparedResults, compare_runs
from .costs import costs
from .csv_files import write_comparisons_csv, write_costs_csv, write_scores_csv
from .figures import file_name
from .latex import latex
from .markdown import markdown
from .page import Content, loss_panels, render, score_panels
from .paper import no_paper, paper_value
from .pretraining_size import pretraining_size
from .runs import Run, gather_runs
from .tables import make_tables

KIND = "report"
PAGE = "index.html"


def write_report(
    workspace: Path,
    sources: Sequence[Path] = (),
    *,
    languages: Sequence[str] = (),
    out: Path | None = None,
    baseline: str = BASE,
    paper_scores: bool = False,
    progress: Progress = QUIET,
) -> Path:
    """Write a report on the scores in `sources` (score files, their folders, workspaces; by default `workspace`).

    Only of `languages` (codes), if any are given. `baseline` is the system that all others are compared with; with
    `paper_scores` the paper's scores are shown beside yours. The report goes to `out`, by default to
    `reports/LANGUAGE` in the workspace (`reports/all` for several languages), with "-baseline-BASELINE" appended if the
    baseline is not the base. An earlier report there is replaced.

    Returns the page's path. Raises UserError if there are no scores, none of the baseline, one cannot be read, or `out`
    contains something else.
    """
    runs = gather_runs(sources or [workspace], languages)
    if out:
        _require_free(out.resolve())  # before the comparisons, which take long
    compared = compare_runs(runs, progress, baseline)
    return write_page(compared, workspace, out=out, paper_scores=paper_scores, progress=progress)


def write_page(
    compared: ComparedResults,
    workspace: Path,
    *,
    out: Path | None = None,
    paper_scores: bool = False,
    progress: Progress = QUIET,
) -> Path:
    """Write the report on compared results; see `write_report`."""
    runs = compared.runs
    folder = out.resolve() if out else workspace / "reports" / _name(runs, compared.results[0].baseline)
    if out:
        _require_free(folder)
    languages = len({run.about.language for run in runs})
    in_languages = f" in {format_count(languages, 'language')}" if languages > 1 else ""
    progress.say(f"writing the report on {format_count(len(runs), 'run')}{in_languages}")
    content = _content(compared, paper_scores)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f".{folder.name}.lock")
        with locked(lock, f"writing the report {folder.name}", progress):
            try:
                with partial_folder(folder) as partial:
                    _write(content, partial, progress)
            finally:
                if out:  # in a folder of the user's; FileLock does not use a deleted file that it waited for
                    lock.unlink(missing_ok=True)
    except OSError as error:
        path = Path(str(error.filename or folder))
        if not (path.is_relative_to(folder.parent) or folder.is_relative_to(path)):
            raise  # not from writing, such as a font that cannot be read
        raise UserError(f"cannot write to {folder} ({error.strerror}): choose another --workspace or --out") from error
    return folder / PAGE


def _name(runs: Sequence[Run], baseline: str) -> str:
    """The language's code if there is one and it can be a folder's name: score files may come from anywhere."""
    languages = {run.about.language for run in runs}
    code = next(iter(languages))
    name = code if len(languages) == 1 and re.fullmatch(r"\w+(-\w+)*", code) else "all"
    return name if baseline == BASE else f"{name}-baseline-{file_name(baseline)}"


def _require_free(folder: Path) -> None:
    """Raise a UserError unless the folder does not exist, is empty or is an earlier report."""
    if not folder.exists():
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    try:
        is_report = json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("kind") == KIND
    except (OSError, ValueError, AttributeError):
        is_report = False
    if not is_report:
        raise UserError(f"{folder} already exists and is not a report; name a new folder with --out")


def _content(compared: ComparedResults, paper_scores: bool) -> Content:
    runs, results = compared.runs, compared.results
    tables = make_tables(results)
    correlations, pretraining_panels = pretraining_size(results)
    return Content(
        runs=runs,
        results=results,
        tables=tables,
        correlations=correlations,
        score_panels=score_panels(tables),
        loss_panels=loss_panels(runs),
        pretraining_panels=pretraining_panels,
        paper=paper_scores,
    )


def _write(content: Content, folder: Path, progress: Progress) -> None:
    created = datetime.now(UTC).isoformat(timespec="seconds")
    paper = paper_value if content.paper else no_paper
    if content.paper and not any(paper(result, name) for result in content.results for name in result.systems):
        bases = sorted({result.base for result in content.results})
        progress.say(f"--paper-scores: the paper has no scores for these systems and tasks on {', '.join(bases)}")
    (folder / PAGE).write_text(render(content, created), encoding="utf-8")
    write_scores_csv(folder / "scores.csv", content.runs, paper=content.paper)
    write_comparisons_csv(folder / "comparisons.csv", content.results)
    write_costs_csv(folder / "costs.csv", costs(content.runs))
    (folder / "scores.md").write_text(markdown(content.tables, paper), encoding="utf-8")
    (folder / "scores.tex").write_text(latex(content.tables, paper), encoding="utf-8")
    (folder / "figures").mkdir()
    for panel in progress.track(content.panels, "draw the figures", len(content.panels)):
        panel.save(folder / "figures")
    manifest = {
        "kind": KIND,
        "scores": sorted({run.name for run in content.runs}),
        "baseline": content.results[0].baseline,
        "versions": library_versions(),
        "created": created,
    }
    write_json(folder / MANIFEST, manifest)
