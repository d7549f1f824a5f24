"""The steps of a plan as jobs of a Slurm cluster: submitting and cancelling them, and finding them in the queue.

Options and formats are those of https://slurm.schedmd.com/sbatch.html, squeue.html and scancel.html. The number of a
job is kept in a file beside the log of its step, so that later commands find it.
"""

import hashlib
import pickle
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..recipes.slurm import Slurm
from ..workspace.artifacts import replace_with
from ..workspace.errors import UserError
from ..workspace.progress import Progress
from .logs import LOGS, log_file, log_files, number_file, restarts_file
from .outcome import Outcome

if TYPE_CHECKING:
    from ..recipes.schema import Recipe
    from .steps import Plan, Step

MODULE = "lrl_adapt.pipeline.slurm_job"
PLANS = "plans"
"""Folder of the logs."""
PREFIX = re.compile(r"^\w+: (error|fatal): |^slurm_load_jobs error: ")
"""With which Slurm's commands begin an error."""
NO_CONTROLLER = ("Unable to contact slurm controller", "Could not establish a configuration source")
"""What Slurm's commands say when they find no cluster."""
STOP_SECONDS = 120
"""How long before its time limit a job is asked to stop: enough for a training step and a checkpoint."""


class SubmissionError(UserError):
    """Slurm refused a job; those of the steps in `submitted` are in the queue."""

    def __init__(self, message: str, submitted: "dict[Step, str]") -> None:
        super().__init__(message)
        self.submitted = submitted


@dataclass(frozen=True)
class Job:
    """A job in Slurm's queue."""

    number: str
    state: str
    """In Slurm's words: PENDING, RUNNING, COMPLETING, ..."""
    reason: str
    """Why it is waiting: Dependency, Priority, Resources, ..."""
    name: str

    @property
    def waiting(self) -> bool:
        """Whether it has not started yet, or is to be started again."""
        return self.state == "PENDING"


def submit(plan: "Plan", progress: Progress) -> "tuple[dict[Step, str], Outcome]":
    """Submit a job for each step that is neither finished nor has one in the queue; the report is the last.

    Returns the numbers of the new jobs, and the outcome so far: the runs that cannot start. Raises SubmissionError if
    Slurm refuses a job.
    """
    run_command("sbatch", "--version")  # where there is no Slurm, this fails before anything is written
    outcome = plan.begin(progress)
    steps = [step for step in plan.steps if not plan.refused.keys() >= {*step.runs}]
    jobs = {step: job.number for step, job in jobs_in_queue(plan).items()}
    missing = [step for step in steps if not step.finished and step not in jobs]
    report_job = None
    if missing and steps[-1] in jobs:  # the report has to wait for the new jobs as well
        report_job = jobs.pop(steps[-1])
        missing.append(steps[-1])
    submitted: dict[Step, str] = {}
    file = _freeze(plan) if missing else Path()
    try:
        for step in progress.track(missing, "submitting jobs", len(missing)):
            jobs[step] = submitted[step] = _submit(plan, step, file, _dependency(step, jobs))
        if report_job:
            run_command("scancel", report_job)
    except UserError as error:
        raise SubmissionError(str(error), submitted) from error
    return submitted, outcome


def cancel(plan: "Plan") -> "dict[Step, str]":
    """Cancel the jobs of the plan's steps that are in the queue; returns their numbers."""
    jobs = {step: job.number for step, job in jobs_in_queue(plan).items()}
    if jobs:
        run_command("scancel", *jobs.values())
    return jobs


def jobs_in_queue(plan: "Plan") -> "dict[Step, Job]":
    """The jobs that are waiting or running, by the unfinished step of the plan that they make."""
    numbers = {
        file.read_text(encoding="utf-8"): step
        for step in plan.steps
        for file in map(number_file, log_files(plan, step))
        if file.is_file() and not step.finished
    }
    # other jobs may have the same number if the workspace was used on another cluster
    return {step: job for job in _queue(numbers) if (step := numbers.get(job.number)) and job.name == _job_name(step)}


def read_plan(file: Path) -> "Plan":
    """The plan of a submission. Raises UserError if lrl-adapt has been updated since."""
    with file.open("rb") as stream:
        version = pickle.load(stream)  # noqa: S301 - our own
        if version != __version__:
            raise UserError(
                f"lrl-adapt {version} submitted this job, and {__version__} is installed now: run `lrl-adapt run "
                "--slurm` again"
            )
        return pickle.load(stream)  # noqa: S301 - our own


def submitted_plan(runs: "Mapping[str, Recipe]", workspace: Path) -> "Plan | None":
    """The newest plan of these recipes that was submitted; their section `slurm` may have changed since."""
    wanted = _without_slurm(runs)
    files = (workspace / LOGS / PLANS).glob("*.pickle")
    for file in sorted(files, key=lambda file: file.stat().st_mtime, reverse=True):
        with suppress(UserError):  # of another version
            plan = read_plan(file)
            if _without_slurm(plan.runs) == wanted:
                return plan
    return None


def run_command(*command: str, script: str = "") -> str:
    """What a command of Slurm's prints. Raises UserError if it fails or does not exist."""
    instead = "; to do several steps at once on this machine, use --jobs" if command[0] == "sbatch" else ""
    try:
        done = subprocess.run(command, input=script, capture_output=True, text=True, check=True)  # noqa: S603 - no shell
    except FileNotFoundError:
        raise UserError(
            f"{command[0]} was not found: Slurm's commands are needed, as on the login node of a cluster{instead}"
        ) from None
    except subprocess.CalledProcessError as error:
        if any(words in error.stderr for words in NO_CONTROLLER):
            raise UserError(
                f"{command[0]}: no Slurm controller answers: run this on the login node of a cluster, and if this is "
                f"one, try again later{instead}"
            ) from error
        message = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
        raise UserError(f"{command[0]} failed: {PREFIX.sub('', message[-1])}") from error
    return done.stdout.strip()


def sbatch_options(step: "Step", settings: Slurm, log: Path, dependency: str) -> list[str]:
    """The options of sbatch for a step's job."""
    gpu_type, _, gpus = settings.gpus.rpartition(":")
    if step.kind == "scores":
        gpus = str(min(1, int(gpus)))
    uses_gpus = step.kind in ("adapter", "scores") and int(gpus) > 0
    options = {
        "job-name": _job_name(step),
        "output": str(log).replace("%", "%%"),
        "open-mode": "append",  # when the job is started again
        "partition": settings.partition if uses_gpus else settings.cpu_partition or settings.partition,
        "gres": ":".join(filter(None, ["gpu", gpu_type, gpus])) if uses_gpus else None,
        "cpus-per-task": str(settings.cpus),
        "mem": settings.memory,
        "time": settings.time,
        "account": settings.account,
        "requeue": "true",
        "signal": f"B:TERM@{STOP_SECONDS}",  # B: to the process of the script, which `exec` makes our own
        "dependency": dependency or None,
        "kill-on-invalid-dep": "yes",  # a job that waits for one that failed leaves the queue
        **settings.options,
    }
    given = {name: value for name, value in options.items() if value not in (None, "false")}
    return [f"--{name}" if value == "true" else f"--{name}={value}" for name, value in given.items()]


def _submit(plan: "Plan", step: "Step", file: Path, dependency: str) -> str:
    """The number of the new job of a step. Earlier logs of the step are deleted, unless Slurm refuses the job."""
    log = log_file(plan, step).absolute()
    log.parent.mkdir(parents=True, exist_ok=True)
    recipe = plan.runs[next(label for label in step.runs if label not in plan.refused)]
    words = [sys.executable, "-m", MODULE, str(file), str(plan.steps.index(step))]
    earlier = [old.replace(old.with_suffix(".earlier")) for old in log_files(plan, step) if old.is_file()]
    try:
        answer = run_command(
            "sbatch",
            "--parsable",  # prints NUMBER, or NUMBER;CLUSTER
            *sbatch_options(step, recipe.slurm, log, dependency),
            script=f"#!/bin/sh\nexec {shlex.join(words)}\n",
        )
    except UserError:
        for old in earlier:
            old.replace(old.with_suffix(".log"))
        raise
    number = answer.splitlines()[-1].split(";")[0]
    number_file(log).write_text(number, encoding="utf-8")
    for old in [*earlier, restarts_file(log)]:
        old.unlink(missing_ok=True)
    return number


def _dependency(step: "Step", jobs: "Mapping[Step, str]") -> str:
    """The value of sbatch's --dependency, given the jobs of steps; "" for a step that waits for none.

    Some of these steps may be finished by now. Slurm does not know their jobs any more after MinJobAge, 300 seconds
    (https://slurm.schedmd.com/slurm.conf.html).
    """
    if step.kind == "report":
        condition, needs = "afterany", [*jobs]
    elif step.kind == "edges":  # the first job extracts those of all languages; the others do what it could not
        condition, needs = "afterany", [other for other in jobs if other.kind == "edges"][:1]
    else:
        condition, needs = "afterok", [need for need in step.needs if need in jobs]
    numbers = [jobs[need] for need in needs if not need.finished]
    return ":".join([condition, *numbers]) if numbers else ""


def _freeze(plan: "Plan") -> Path:
    """Write the plan to a file, so that jobs do not depend on recipe files, which may change until they start.

    Only the user may read it, for recipes may hold secrets.
    """
    plan.refused = {label: UserError(str(error)) for label, error in plan.refused.items()}  # some cannot be unpickled
    content = pickle.dumps(__version__) + pickle.dumps(plan)
    file = plan.workspace.absolute() / LOGS / PLANS / f"{hashlib.sha256(content).hexdigest()[:8]}.pickle"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():  # or else a job may be reading it
        with replace_with(file) as partial:
            partial.touch(mode=0o600)
            partial.write_bytes(content)
    return file


def _without_slurm(runs: "Mapping[str, Recipe]") -> list[dict[str, Any]]:
    return [recipe.model_dump(exclude={"slurm"}) for recipe in runs.values()]


def _queue(numbers: Iterable[str]) -> list[Job]:
    """The user's jobs in the queue; Slurm is not asked if there are no `numbers` to look for."""
    if not [*numbers]:
        return []
    lines = run_command("squeue", "--me", "--noheader", "--format=%i|%T|%r|%j").splitlines()
    return [Job(*line.split("|", 3)) for line in lines]


def _job_name(step: "Step") -> str:
    return step.title
