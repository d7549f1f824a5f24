"""From recipes to artifacts, scores and a report: plans, and what executes them. Also the Python API.

Nothing here prints or exits: work reports to a `Progress`, and what goes wrong is raised.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..workspace.artifacts import Artifact
from ..workspace.errors import UserError
from ..workspace.home import workspace_folder
from ..workspace.progress import Progress
from ..workspace.progress_bars import ProgressBars

if TYPE_CHECKING:
    from ..eval.scores import Score
    from ..recipes.schema import Recipe
    from .outcome import Outcome
    from .steps import Plan

PARTS = ("prepare", "train", "eval", "report")


def plan(
    recipes: "Recipe | Sequence[Recipe] | Mapping[str, Recipe]",
    *,
    workspace: str | Path | None = None,
    parts: Sequence[str] = PARTS,
    resume: bool = True,
    gpus: int | None = None,
    together: int = 1,
    adapter: str | Path | None = None,
    debug: bool = False,
) -> "Plan":
    """List the steps of one recipe or of several, such as a grid's; steps that recipes share are in it once.

    Executes none of them, does not import torch and downloads nothing.

    Example:
        ```python
        for step in lrl_adapt.plan(recipe).steps:
            print(step.kind, step.state, step.folder)
        ```

    Args:
        recipes: A recipe, several, or several by labels that name them in messages.
        workspace: Folder of all artifacts; by default `LRL_ADAPT_HOME`, or `lrl-runs`.
        parts: Which of `prepare`, `train`, `eval` and `report` to plan.
        resume: Resume interrupted training; otherwise start it over.
        gpus: Number of GPUs to train on; by default all visible ones.
        together: Number of adapters to train at once in one process, on one copy of their base; see `run`.
        adapter: Folder of an adapter to evaluate instead of the recipe's.
        debug: Let training processes that are started show the traceback of an error.

    Returns:
        The plan: `steps` in the order in which `execute` does them.

    Raises:
        UserError: A local file is missing, the labels of a task have mistakes, or a single recipe cannot be planned.
    """
    from .build import build_plan
    from .training import TrainOptions

    options = TrainOptions(gpus=gpus, resume=resume, together=together, debug=debug)
    folder = Path(adapter) if adapter else None
    return build_plan(_labelled(recipes), workspace_folder(workspace), tuple(parts), options, folder)


def prepare(
    recipe: "Recipe", *, workspace: str | Path | None = None, progress: Progress | None = None
) -> list[Artifact]:
    """Clean and split the recipe's text, and turn its graph into sentences, unless that is finished.

    Example:
        ```python
        corpus, *graph = lrl_adapt.prepare(recipe)
        corpus.folder / "train.parquet"
        ```

    Args:
        recipe: A recipe, from `load_recipe`.
        workspace: Folder of all artifacts; by default `LRL_ADAPT_HOME`, or `lrl-runs`.
        progress: Shows how the work goes; by default bars or lines on stderr. `QUIET` shows nothing.

    Returns:
        The corpus, the graph or both, whichever the recipe has.

    Raises:
        UserError: The data cannot be read, or too little of it is left.
        PlanFailedError: Both corpus and graph failed.
    """
    return _execute(plan(recipe, workspace=workspace, parts=("prepare",)), progress).artifacts


def train(
    recipe: "Recipe",
    *,
    workspace: str | Path | None = None,
    progress: Progress | None = None,
    resume: bool = True,
    gpus: int | None = None,
) -> Artifact:
    """Train the recipe's language adapter on its prepared data, unless that is finished.

    Example:
        ```python
        adapter = lrl_adapt.train(recipe)
        adapter.manifest()["facts"]["validation_loss"]
        ```

    Args:
        recipe: A recipe, from `load_recipe`, for which `prepare` has been called.
        workspace: Folder of all artifacts; by default `LRL_ADAPT_HOME`, or `lrl-runs`.
        progress: Shows how the work goes; by default bars or lines on stderr. `QUIET` shows nothing.
        resume: Resume interrupted training; otherwise start it over.
        gpus: Number of GPUs, with a process for each; by default all visible ones.

    Returns:
        The adapter: its `folder` for `load_adapter`, and its `manifest()`.

    Raises:
        UserError: The data has not been prepared, the base cannot be loaded, or the recipe's adapter is `none`.
    """
    planned = plan(recipe, workspace=workspace, parts=("train",), resume=resume, gpus=gpus)
    require_adapter([recipe])
    return _execute(planned, progress).artifacts[-1]


def evaluate(
    recipe: "Recipe",
    *,
    workspace: str | Path | None = None,
    progress: Progress | None = None,
    adapter: str | Path | None = None,
) -> "list[Score]":
    """Score the base and the recipe's adapter on the recipe's tasks, unless that is finished.

    Example:
        ```python
        scores = lrl_adapt.evaluate(recipe)
        pandas.DataFrame(scores).pivot_table("value", ["task", "metric"], "system")
        ```

    Args:
        recipe: A recipe, from `load_recipe`, for which `prepare` and `train` have been called.
        workspace: Folder of all artifacts; by default `LRL_ADAPT_HOME`, or `lrl-runs`.
        progress: Shows how the work goes; by default bars or lines on stderr. `QUIET` shows nothing.
        adapter: Folder of an adapter to evaluate instead of the recipe's, such as an imported one.

    Returns:
        A record for each task, system, metric and seed.

    Raises:
        UserError: The adapter has not been trained, or a task's data cannot be read.
        PlanFailedError: Several scores failed.
    """
    return _execute(plan(recipe, workspace=workspace, parts=("eval",), adapter=adapter), progress).scores


def report(
    scores: str | Path | Sequence[str | Path] = (),
    *,
    workspace: str | Path | None = None,
    languages: Sequence[str] = (),
    out: str | Path | None = None,
    baseline: str = "base",
    paper_scores: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write an HTML page with all scores, the same tables as CSV, Markdown and LaTeX, and the figures as files.

    Example:
        ```python
        page = lrl_adapt.report(languages=["swh"], baseline="seq_bn/text")
        ```

    Args:
        scores: `scores.json` files, their folders, or workspaces; by default `workspace`.
        workspace: Folder of all artifacts; by default `LRL_ADAPT_HOME`, or `lrl-runs`.
        languages: Only these, by any of their codes.
        out: Folder to write; by default `reports/LANGUAGE`, or `reports/all`, in the workspace.
        baseline: System with which all others are compared.
        paper_scores: Show the numbers of arXiv 2502.10140 beside these.
        progress: Shows how the work goes; by default bars or lines on stderr. `QUIET` shows nothing.

    Returns:
        The path of the page.

    Raises:
        UserError: There are no scores, none of the baseline, or `out` holds something else.
    """
    from ..eval.report.writer import write_report
    from ..recipes.languages import language_code

    sources = [scores] if isinstance(scores, str | Path) else scores
    return write_report(
        workspace_folder(workspace),
        [Path(source) for source in sources],
        languages=[language_code(language, "languages") for language in languages],
        out=Path(out) if out else None,
        baseline=baseline,
        paper_scores=paper_scores,
        progress=progress or ProgressBars(),
    )


def run(
    recipe: "Recipe | Sequence[Recipe] | Mapping[str, Recipe]",
    *,
    workspace: str | Path | None = None,
    progress: Progress | None = None,
    resume: bool = True,
    gpus: int | None = None,
    jobs: int | Literal["auto"] = 1,
    together: int = 1,
) -> "Outcome":
    """Prepare, train, evaluate and report. Finished steps are skipped; one that fails stops only those that need it.

    Example:
        ```python
        outcome = lrl_adapt.run(lrl_adapt.load_recipes("study"))
        pandas.DataFrame(outcome.scores)
        ```

    Args:
        recipe: A recipe, several, or several by labels that name them in messages.
        workspace: Folder of all artifacts; by default `LRL_ADAPT_HOME`, or `lrl-runs`.
        progress: Shows how the work goes; by default bars or lines on stderr. `QUIET` shows nothing.
        resume: Resume interrupted training; otherwise start it over.
        gpus: Number of GPUs to train on; by default all visible ones.
        jobs: Number of steps to do at once, each in a process with its share of the GPUs or of the CPU cores. `"auto"`
            is one per GPU; without a GPU, one per core for which there is 4 GiB of memory.
        together: Number of adapters to train at once in one process, on one copy of their base, if they have the same
            base, `adapter` section and precision. Each comes out as if it were trained by itself.

    Returns:
        The `artifacts`, the `scores` and the page of the `report`.

    Raises:
        UserError: Something that a single recipe needs cannot be found, or its only failing step raised it; or `jobs`
            is not a number above 0.
        PlanFailedError: Several steps or runs failed, which the message names; all others are finished.
    """
    from ..pipeline.jobs import job_count  # not from .jobs: that would bind the name of an argument

    count = job_count(jobs, gpus)
    planned = plan(recipe, workspace=workspace, resume=resume, gpus=gpus, together=together)
    planned.check_sources()
    return _execute(planned, progress, count)


def require_adapter(recipes: "Sequence[Recipe]") -> None:
    """Raise a UserError unless one of the recipes trains an adapter."""
    if all(recipe.adapter.type == "none" for recipe in recipes):
        raise UserError(
            "adapter none is the base alone, so there is nothing to train; run `lrl-adapt eval --adapter none`"
        )


def _execute(planned: "Plan", progress: Progress | None, jobs: int = 1) -> "Outcome":
    outcome = planned.execute(progress or ProgressBars(), jobs)
    outcome.raise_if_failed()
    return outcome


def _labelled(recipes: "Recipe | Sequence[Recipe] | Mapping[str, Recipe]") -> "dict[str, Recipe]":
    """Recipes by labels; by default made from what usually differs between runs."""
    if isinstance(recipes, str | Path):
        raise UserError(f"{recipes} is the name of a recipe: pass the recipe itself, load_recipe({str(recipes)!r})")
    if isinstance(recipes, Mapping):
        return dict(recipes)
    if not isinstance(recipes, Sequence):
        return {recipes.name: recipes}
    labelled: dict[str, Recipe] = {}
    for recipe in recipes:
        label = f"{recipe.language}, {recipe.run_name}"
        labelled[label if label not in labelled else f"{label} ({len(labelled) + 1})"] = recipe
    return labelled
