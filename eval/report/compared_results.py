"""The compared results of a set of runs, which the report page and the terminal both show."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...workspace.errors import UserError
from ...workspace.progress import QUIET, Progress
from ..scores import BASE, in_order
from .comparison import Cell, Row, compared, rows_of
from .results import Run


@dataclass(frozen=True)
class Results:
    """Runs and their compared rows.

    Holm's correction goes over all comparisons of a task's metric in `rows`, so a verdict depends on which runs were
    compared together. Verdicts that have to agree must come from the same runs.
    """

    runs: list[Run]
    rows: list[Row]


def compare_runs(runs: Sequence[Run], progress: Progress = QUIET, against: str = BASE) -> Results:
    """Compare every system with `against`, on each base, language and task.

    Raises UserError where no run is of `against`, unless that is the base.
    """
    systems = in_order(run.system for run in runs)
    if against not in systems and against != BASE:
        same_name = [system for system in systems if system.startswith(f"{against} (")]
        if same_name:
            raise UserError(f"--baseline {against}: several adapters have this name; choose {' or '.join(same_name)}")
        raise UserError(f"--baseline {against}: no such system was scored; choose one of {', '.join(systems)}")
    return Results(list(runs), compared(rows_of(runs), progress, against))


def rows_from(rows: Sequence[Row], folders: Collection[Path]) -> list[Row]:
    """The rows with results from the score folders `folders` (resolved), without the systems that have none there.

    The system that the others are compared with stays, as changes need its value.
    """
    selected = []
    for row in rows:
        from_folders = {system for system, cell in row.systems.items() if not folders_of(cell).isdisjoint(folders)}
        if from_folders:
            wanted = from_folders | {row.against}
            systems = {system: cell for system, cell in row.systems.items() if system in wanted}
            selected.append(replace(row, systems=systems))
    return selected


def folders_of(cell: Cell) -> set[Path]:
    """The score folders that a result is the mean of."""
    return {folder.resolve() for folder in cell.folders}
