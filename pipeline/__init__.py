"""From recipes to artifacts, scores and a report: plans, and what executes them. Also the Python API.

Nothing here prints or exits: work reports to a `Progress`, and what goes wrong is raised.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..workspace.artifacts import Artifact
from ..workspace.progress import QUIET, Progress

if TYPE_CHECKING:
    from ..eval.scores import Score
    from ..recipes.schema import Recipe
    from .outcome import Outcome
    from .steps import Plan

DEFAULT_WORKSPACE = Path("lrl-runs")
PARTS = ("prepare", "train", "eval", "report")


def plan(
    recipes: "Recipe | Sequence[Recipe] | Mapping[str, Recipe]",
    *,
    workspace: Path = DEFAULT_WORKSPACE,
    parts: Sequence[str] = PARTS,
    resume: bool = True,
    gpus: int | None = None,
    adapter: Path | None = None,
    debug: bool = False,
) -> "Plan":
    """The steps of one recipe or of several, such as a grid's: shared ones once, finished or to do.

    Several recipes may be given by labels, which name them in messages. `parts` chooses from prepare, train, eval and
    report; `resume` and `gpus` (None: all visible ones) say how adapters are trained; `adapter` is the folder of one to
    evaluate instead of the recipe's. Loads no torch, and fetches no file. Raises UserError for missing files, and
    where a single recipe cannot be planned.
    """
    from .build import build_plan
    from .training import TrainOptions

    options = TrainOptions(gpus=gpus, resume=resume, debug=debug)
    return build_plan(_labelled(recipes), workspace, tuple(parts), options, adapter)


def prepare(recipe: "Recipe", *, workspace: Path = DEFAULT_WORKSPACE, progress: Progress = QUIET) -> list[Artifact]:
    """Make the recipe's corpus and graph unless they are finished. Raises UserError, or PlanFailedError for several."""
    return _execute(plan(recipe, workspace=workspace, parts=("prepare",)), progress).artifacts


def train(
    recipe: "Recipe",
    *,
    workspace: Path = DEFAULT_WORKSPACE,
    progress: Progress = QUIET,
    resume: bool = True,
    gpus: int | None = None,
) -> Artifact:
    """Train the recipe's adapter on its prepared data unless it is finished, on `gpus` GPUs (None: all visible ones).

    Raises UserError where the data has not been prepared, and for a recipe with adapter none.
    """
    require_adapter([recipe])
    planned = plan(recipe, workspace=workspace, parts=("train",), resume=resume, gpus=gpus)
    return _execute(planned, progress).artifacts[-1]


def evaluate(
    recipe: "Recipe",
    *,
    workspace: Path = DEFAULT_WORKSPACE,
    progress: Progress = QUIET,
    adapter: Path | None = None,
) -> "list[Score]":
    """Score the base and the recipe's adapter, or the one in the folder `adapter`, unless that is done.

    Raises UserError where the adapter has not been trained, or PlanFailedError where several scores failed.
    """
    return _execute(plan(recipe, workspace=workspace, parts=("eval",), adapter=adapter), progress).scores


def report(
    scores: Sequence[Path] = (),
    *,
    workspace: Path = DEFAULT_WORKSPACE,
    languages: Sequence[str] = (),
    out: Path | None = None,
    baseline: str = "base",
    paper_scores: bool = False,
    progress: Progress = QUIET,
) -> Path:
    """Write the report on `scores` (scores.json files, their folders, workspaces; none: `workspace`); returns its page.

    `languages` (codes) leave out the others, `baseline` is the system that all others are compared with, and
    `paper_scores` adds the numbers of arXiv 2502.10140. Raises UserError where there are no scores.
    """
    from ..eval.report.writer import write_report

    return write_report(
        workspace, scores, languages=languages, out=out, baseline=baseline, paper_scores=paper_scores, progress=progress
    )


def run(
    recipe: "Recipe | Sequence[Recipe] | Mapping[str, Recipe]",
    *,
    workspace: Path = DEFAULT_WORKSPACE,
    progress: Progress = QUIET,
    resume: bool = True,
    gpus: int | None = None,
) -> "Outcome":
    """Prepare, train, evaluate and report. Raises UserError where that cannot start, or PlanFailedError at its end."""
    planned = plan(recipe, workspace=workspace, resume=resume, gpus=gpus)
    planned.check_sources()
    return _execute(planned, progress)


def require_adapter(recipes: "Sequence[Recipe]") -> None:
    """Raise a UserError unless one of the recipes trains an adapter."""
    from ..workspace.errors import UserError

    if all(recipe.adapter.type == "none" for recipe in recipes):
        raise UserError(
            "adapter none is the base as it is: there is nothing to train; run `lrl-adapt eval --adapter none`"
        )


def _execute(planned: "Plan", progress: Progress) -> "Outcome":
    outcome = planned.execute(progress)
    outcome.raise_if_failed()
    return outcome


def _labelled(recipes: "Recipe | Sequence[Recipe] | Mapping[str, Recipe]") -> "dict[str, Recipe]":
    """Recipes by labels, made from what tends to tell runs apart where none are given."""
    if isinstance(recipes, Mapping):
        return dict(recipes)
    if not isinstance(recipes, Sequence):
        return {recipes.name: recipes}
    labelled: dict[str, Recipe] = {}
    for recipe in recipes:
        label = f"{recipe.language}, {recipe.adapter.type} on {recipe.source}"
        labelled[label if label not in labelled else f"{label} ({len(labelled) + 1})"] = recipe
    return labelled
