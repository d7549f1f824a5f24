"""Checks of the arguments of `import_adapter`, `merge` and `push` that need no model.

torch is not imported.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from ..workspace.errors import UserError
from ..workspace.formatting import format_count
from ..workspace.hub_upload import check_repository
from ..workspace.new_folder import check_new, require_folder

BITS = (8, 4, 1)  # any divisor of 8 works: codes are packed into whole bytes


def check_import(source: Path, out: Path) -> None:
    """Raise a UserError if there is no folder `source`, or if `out` exists."""
    require_folder(source)
    check_new(out)


def check_merge(adapters: Sequence[Path], weights: Sequence[float] | None, out: Path | None) -> None:
    """Raise a UserError for fewer than two adapters or missing folders, unusable weights, or if `out` exists."""
    for folder in adapters:
        require_folder(folder, "; give the weights as one list, --weights 0.7,0.3" if _is_number(str(folder)) else "")
    if len(adapters) < 2:
        raise UserError("give at least two adapters to merge")
    if weights is not None and len(weights) != len(adapters):
        counts = f"{len(adapters)} adapters but {format_count(len(weights), 'weight')}"
        raise UserError(f"there are {counts}: give one for each adapter")
    if weights is not None and not all(map(math.isfinite, weights)):
        raise UserError(f"weights must be finite numbers, got {', '.join(map(str, weights))}")
    if out is not None:
        check_new(out)


def check_sweep(adapters: Sequence[Path], weights: Sequence[float], out: Path | None) -> None:
    """Raise a UserError unless there are two adapters and at least one usable weight, or if `out` exists."""
    check_merge(adapters, None, out)
    if len(adapters) != 2:
        raise UserError(f"a sweep takes two adapters, got {len(adapters)}")
    if not weights or not all(map(math.isfinite, weights)):
        raise UserError(
            f"a sweep takes finite weights of the first adapter, got {', '.join(map(str, weights)) or 'none'}"
        )


def check_push(adapters: Sequence[Path], repo: str) -> None:
    """Raise a UserError without `adapters`, if a folder is missing, or if no repository can be called `repo`."""
    if not adapters:
        raise UserError("give at least one adapter to push")
    for adapter in adapters:
        require_folder(adapter)
    check_repository(repo)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
