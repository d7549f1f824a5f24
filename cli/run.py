"""`lrl-adapt run`: prepare, train, eval and report."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from ..workspace.errors import UserError
from ..workspace.home import DEFAULT_WORKSPACE
from . import options
from .console import Terminal
from .evaluate import data_json, show_scores
from .options import examples
from .preflight import finish_planning, show_sources
from .steps import describe_all, failed_json, jobs_json, labelled_runs, show_plan

if TYPE_CHECKING:
    from ..pipeline.steps import Plan, Step

EPILOG = examples(
    "lrl-adapt run",
    "lrl-adapt run quickstart --adapter lora --task mlm",
    "lrl-adapt run quickstart --jobs 2",
    "lrl-adapt run mbert --language mlt --dry-run",
)


def run_cmd(  # noqa: PLR0913, PLR0917
    recipe: options.RecipeArgument = None,
    changes: options.Set = None,
    workspace: options.Workspace = DEFAULT_WORKSPACE,
    language: options.Language = None,
    adapter: options.AdapterType = None,
    source: options.SourceName = None,
    tasks: options.Tasks = None,
    limit: options.Limit = None,
    gpus: options.Gpus = None,
    jobs: options.Jobs = "1",
    together: options.Together = 1,
    slurm: options.Slurm = False,
    cpu: options.Cpu = False,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Prepare the data, train the adapter, evaluate it and write the report. Finished steps are skipped.

    For a grid recipe, performs every run; one that fails does not stop the others and is reported at the end.
    """
    from ..pipeline import plan
    from ..pipeline.jobs import job_count

    count = job_count(jobs, gpus)
    terminal = Terminal(as_json=as_json)
    short = options.overrides(changes, language=language, adapter=adapter, source=source, tasks=tasks, limit=limit)
    if slurm:
        short += _slurm_overrides(cpu, jobs, gpus, together)
        workspace = workspace.absolute()  # jobs may start in another folder
    planned = plan(labelled_runs(recipe, short), workspace=workspace, gpus=gpus, together=together, debug=debug)
    planned.check_sources()
    if dry_run:
        finish_planning(terminal, planned, show_plan(terminal, planned))
        return
    show_sources(terminal, planned)
    if slurm:
        _submit(terminal, planned)
        return
    outcome = planned.execute(terminal, count)
    if outcome.compared:
        show_scores(terminal, outcome.scores_by_folder, outcome.compared)
    result = {
        "artifacts": describe_all(outcome.artifacts),
        "scores": [asdict(score) for score in outcome.scores],
        "data": data_json(outcome.scores_by_folder),
        "report": str(outcome.report) if outcome.report else None,
    }
    terminal.result(result | failed_json(outcome), outcome.report)
    outcome.raise_if_failed()


def _slurm_overrides(cpu: bool, jobs: str, gpus: int | None, together: int) -> list[str]:
    """What --cpu means for --slurm. Raises UserError for options that do not go with it."""
    if jobs != "1" or gpus is not None:
        raise UserError("--slurm: leave out --jobs, and set slurm.gpus instead of --gpus")
    if together != 1:
        raise UserError("--slurm: leave out --together: each adapter has a job of its own")
    return [options.option_override("--cpu", "slurm.gpus", "0")] if cpu else []


def _submit(terminal: Terminal, planned: "Plan") -> None:
    """Submit the plan's jobs to Slurm, and show them."""
    from ..pipeline.slurm import SubmissionError, submit

    try:
        jobs, outcome = submit(planned, terminal)
    except SubmissionError as error:
        _show_jobs(terminal, error.submitted)
        terminal.result(jobs_json(error.submitted))
        raise
    _show_jobs(terminal, jobs)
    if not jobs:
        terminal.say("nothing to submit: every step is finished or has a job in the queue")
    terminal.result(jobs_json(jobs) | failed_json(outcome))
    outcome.raise_if_failed()


def _show_jobs(terminal: Terminal, jobs: "dict[Step, str]") -> None:
    if jobs:
        rows = [(number, step.kind, step.details) for step, number in jobs.items()]
        terminal.table("Submitted to Slurm", ("job", "step", "details"), rows, "`lrl-adapt status` shows their state.")
