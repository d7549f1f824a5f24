"""`lrl-adapt cancel`: cancel the Slurm jobs of a recipe."""

from ..workspace.formatting import format_count
from ..workspace.home import DEFAULT_WORKSPACE
from . import options
from .console import Terminal
from .options import examples
from .steps import jobs_json, labelled_runs

EPILOG = examples("lrl-adapt cancel", "lrl-adapt cancel mbert --language mlt")


def cancel_cmd(  # noqa: PLR0913, PLR0917
    recipe: options.RecipeArgument = None,
    changes: options.Set = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: options.Language = None,
    adapter: options.AdapterType = None,
    source: options.SourceName = None,
    tasks: options.Tasks = None,
    limit: options.Limit = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Cancel the jobs of `lrl-adapt run --slurm` that are waiting or running. Finished steps are kept.

    Use the recipe and options of the run. Steps that it shares with other recipes are cancelled for them, too.
    """
    from ..pipeline.slurm import cancel, submitted_plan
    from ..pipeline.status import plan_of_run

    terminal = Terminal(as_json=as_json)
    short = options.overrides(changes, language=language, adapter=adapter, source=source, tasks=tasks, limit=limit)
    runs = labelled_runs(recipe, short)
    jobs = cancel(submitted_plan(runs, workspace) or plan_of_run(runs, workspace))
    terminal.say(f"cancelled: {format_count(len(jobs), 'job')}" if jobs else "no job of this recipe is in the queue")
    terminal.result(jobs_json(jobs))
