"""How two adapters do on validation text when they are merged with each of several weights."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..eval.inference.find_adapters import BaseReference
from ..recipes.schema import Recipe
from ..training.artifacts import base_identity
from ..training.conversion_checks import check_sweep
from ..training.validation_loss import validation_loss
from ..workspace.errors import UserError
from ..workspace.home import workspace_folder
from ..workspace.library_logs import quiet_libraries
from ..workspace.progress import Progress
from ..workspace.progress_bars import ProgressBars
from .merge import MergedAdapter, write_merged
from .merge_parents import Parents
from .prepared import prepared_data
from .training import require

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class SweepPoint:
    """The validation loss of two adapters merged with one weight."""

    weight: float
    """Of the first adapter; that of the second is 1 - weight."""
    validation_loss: float
    """In nats per masked token."""


@dataclass(frozen=True)
class MergeSweep:
    """The validation loss of two merged adapters, by weight."""

    points: list[SweepPoint]
    merged: MergedAdapter | None
    """The adapter with the lowest loss, if it was written."""

    @property
    def best(self) -> SweepPoint:
        """The point with the lowest loss."""
        return min(self.points, key=lambda point: point.validation_loss)


@quiet_libraries()
def sweep_merge(
    adapters: Sequence[str | Path],
    recipe: Recipe,
    *,
    weights: Sequence[float] = WEIGHTS,
    out: str | Path | None = None,
    base: str | Path | None = None,
    workspace: str | Path | None = None,
    progress: Progress | None = None,
) -> MergeSweep:
    """Merge two adapters with each of several weights and measure the loss on a recipe's validation text.

    The text and the masks are those on which `train` validates. The base is the recipe's.

    Example:
        ```python
        recipe = lrl_adapt.load_recipe("mbert", language="jav")
        sweep = lrl_adapt.sweep_merge(["javanese", "sundanese"], recipe, out="java")
        pandas.DataFrame(sweep.points)
        ```

    Args:
        adapters: Folders of two language adapters, as for `merge`.
        recipe: A recipe, from `load_recipe`, for which `prepare` has been called.
        weights: Weights of the first adapter; the second gets the rest to 1. They may be below 0 or above 1.
        out: New folder for the adapter with the lowest loss; by default none is written.
        base: Hub id or folder of the base, where the adapters name it differently or not at all.
        workspace: Folder of all artifacts; by default `LRL_ADAPT_HOME`, or `lrl-runs`.
        progress: Shows how the work goes; by default bars or lines on stderr. `QUIET` shows nothing.

    Returns:
        The loss for each weight, and the adapter that was written.

    Raises:
        UserError: There are not exactly two adapters, `merge` refuses them, the recipe has another base, its data has
            not been prepared, or `out` exists.
    """
    folders, progress = [Path(folder) for folder in adapters], progress or ProgressBars()
    check_sweep(folders, weights, Path(out) if out is not None else None)
    root = workspace_folder(workspace)
    prepared = prepared_data(recipe, root)
    require(list(prepared.all), "prepare", recipe)
    parents = Parents.read(folders, None if base is None else str(base))
    if base is None:
        _require_base_of(recipe, parents)
    loss_of = validation_loss(recipe, root, prepared, folders[0], progress)
    points = []
    for weight in weights:
        points.append(SweepPoint(weight, loss_of(parents.average([weight, 1 - weight]))))
        progress.say(f"weight {weight:g}: validation loss {points[-1].validation_loss:.4f}")
    sweep = MergeSweep(points, None)
    if out is None:
        return sweep
    best = sweep.best
    facts = {"validation_loss": best.validation_loss, "sweep": [asdict(point) for point in points]}
    return MergeSweep(points, write_merged(parents, [best.weight, 1 - best.weight], Path(out), facts))


def _require_base_of(recipe: Recipe, parents: Parents) -> None:
    """Raise a UserError if the adapters are known to have been trained on another base than the recipe's."""
    if recipe.base.model is None:
        return
    recorded = parents.recorded_base
    if recorded:
        is_other = recorded != base_identity(recipe.base)
    else:
        reference = BaseReference(recipe.base.model, recipe.base.revision)
        is_other = parents.base is not None and not parents.base.is_same_as(reference)
    if is_other:
        raise UserError(
            f"the adapters were trained on {parents.base}, but the recipe's base is {recipe.base.model}: "
            "choose theirs with --set base.model=…; if the two are the same model, name it with --base"
        )
