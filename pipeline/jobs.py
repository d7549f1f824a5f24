"""Several steps of a plan at once on this machine, in processes that share its GPUs or its CPU cores."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..training import launch
from ..training.launch import GPUS_VARIABLE
from ..training.signals import StopRequest
from ..workspace.errors import UserError
from ..workspace.formatting import format_count, format_duration
from ..workspace.machine import CORES_VARIABLE, total_memory, usable_cores
from ..workspace.progress import say_once
from .execution import Execution
from .logs import last_line, log_file
from .worker import LOST, MADE, SAID
from .workers import Worker, Workers

if TYPE_CHECKING:
    from .steps import Step

AUTO = "auto"
MEMORY_PER_JOB = 4 << 30
"""Bytes: more than training a small adapter on mBERT takes on a CPU (docs/performance.md)."""
POLL_SECONDS = 0.5


def job_count(jobs: int | str, gpus: int | None = None) -> int:
    """`jobs` as a number. "auto" is one per GPU; without a GPU, one per core for which there is MEMORY_PER_JOB.

    Raises UserError for anything but "auto" and whole numbers above 0, and for several jobs with a number of `gpus`.
    """
    if jobs == AUTO:
        count = launch.visible_gpus() or max(1, min(usable_cores(), total_memory() // MEMORY_PER_JOB))
    elif str(jobs).isdecimal() and int(jobs) > 0:
        count = int(jobs)
    else:
        raise UserError(f"jobs: expected a whole number above 0, or {AUTO}, got {jobs}")
    if count > 1 and gpus is not None:
        raise UserError(f"jobs: {count} jobs share all visible GPUs; to use fewer, set {GPUS_VARIABLE} instead of gpus")
    return count


def shares(jobs: int) -> list[dict[str, str]]:
    """For each of `jobs` processes, the variables that give it its share of the GPUs and of the CPU cores.

    If there are more jobs than GPUs, several use the same one. A job with several GPUs trains in as many processes,
    which divide its threads.
    """
    cores = {CORES_VARIABLE: str(max(1, usable_cores() // jobs))}
    gpus = launch.gpu_names()
    if not gpus:
        return [cores | launch.threads_of(jobs, os.environ)] * jobs
    gpus_by_job = [gpus[number::jobs] or [gpus[number % len(gpus)]] for number in range(jobs)]
    return [
        cores | launch.threads_of(jobs * len(names), os.environ) | {GPUS_VARIABLE: ",".join(names)}
        for names in gpus_by_job
    ]


def _describe(environments: list[dict[str, str]]) -> str:
    gpus = [environment[GPUS_VARIABLE] for environment in environments if GPUS_VARIABLE in environment]
    cores = format_count(int(environments[0][CORES_VARIABLE]), "CPU core")
    return f"up to {len(environments)} steps at once, each with {cores}" + (
        f", on GPUs {'; '.join(gpus)}" if gpus else ""
    )


@dataclass
class ParallelExecution(Execution):
    """One run through the steps of a plan, up to `jobs` of them at once.

    The outcome is as if they were done one after the other, and in the order of the plan.
    """

    jobs: int = 1
    results: "dict[Step, Any]" = field(default_factory=dict)

    def run(self) -> None:
        """Do every step that a run needs and whose own needs are met."""
        steps = self.steps()
        first = [step for step in steps if step.kind == "edges"]  # from one pass over the dump for all languages
        last = [step for step in steps if step.kind == "report"]
        between = [step for step in steps if step not in first and step not in last]
        for step in first:
            self.do(step)
        environments = shares(self.jobs)
        self.progress.say(_describe(environments))
        with StopRequest() as stop, Workers(environments) as workers:
            for _ in self.progress.track(self._finish(between, workers, stop), "steps", len(between)):
                pass
        self._put_in_order()
        for step in last:
            if not self.leave_out(step):
                self.do(step)

    def record(self, step: "Step", result: Any) -> None:
        """Keep the result until those of the steps before it are known, too."""
        if step.kind == "report":
            super().record(step, result)
        else:
            self.results[step] = result

    def _put_in_order(self) -> None:
        """Put the results into the outcome in the order of the plan, and sort the rest of it."""
        for step in self.plan.steps:
            if step in self.results:
                super().record(step, self.results[step])
        titles = ["", *(step.title for step in self.plan.steps)]  # "" for runs that could not start
        self.outcome.failures.sort(key=lambda failure: titles.index(failure.what))
        self.outcome.not_started.sort(key=lambda not_started: titles.index(not_started.what))

    def _finish(self, steps: "list[Step]", workers: Workers, stop: StopRequest) -> "Iterator[Step]":
        """Do the steps; yields each when it is finished, has failed or is left out."""
        waiting = list(steps)
        while waiting or workers.running:
            yield from self._start(waiting, workers)
            ended = []
            for worker, step, kind, content in workers.messages(POLL_SECONDS):
                if kind == SAID:
                    say_once(self.progress, f"{self._prefix(step)}{content}")
                else:
                    self._end(step, worker, kind, content)
                    ended.append(step)
            self.progress.status(workers.status())
            yield from ended
            if stop.received:
                self.progress.say("stopping the running steps; Ctrl-C again stops them at once")
                raise KeyboardInterrupt("stopped; run the same command again to resume")

    def _start(self, waiting: "list[Step]", workers: Workers) -> "Iterator[Step]":
        """Start steps that need nothing unfinished while workers are idle; yields those that end without a worker."""
        unfinished = {*waiting, *workers.running}
        for step in list(waiting):
            if self.leave_out(step):
                ended = True
            elif not unfinished.isdisjoint((*step.needs, *step.after)):
                continue
            elif step.finished:
                self.do(step)  # which says so, and reads the scores
                ended = True
            elif worker := workers.idle:
                ended = not self._start_in(worker, step)
            else:
                continue
            waiting.remove(step)
            if ended:
                unfinished.remove(step)
                yield step

    def _start_in(self, worker: Worker, step: "Step") -> bool:
        """Start the step; False, with its failure recorded, if its log cannot be written or its process not started."""
        try:
            worker.start(step, log_file(self.plan, step))
        except OSError as error:
            self.record_failure(step, UserError(f"it cannot be started: {error}"))
            return False
        self.progress.say(f"started: {step.title}, log {worker.log}")
        return True

    def _end(self, step: "Step", worker: Worker, kind: str, content: Any) -> None:
        """Record what became of a step."""
        worker.step = None
        if kind == MADE:
            self.progress.say(f"finished in {format_duration(worker.seconds)}: {step.title}")
            self.record(step, content)
            return
        line = last_line(worker.log)
        last_words = f"; last line of its log: {line}" if line else ""
        if kind == LOST:
            content = UserError(f"its process {content}{last_words}")
        elif isinstance(content, launch.ProcessesFailedError):  # they have written why to the log
            reason = f"its process {launch.how_it_ended(content.exit_code)}{last_words}"
            content = launch.ProcessesFailedError(content.exit_code, reason)
        self.record_failure(step, content, f" (log: {worker.log})")

    def _prefix(self, step: "Step") -> str:
        """The language of what a step says, if the plan has several and the step only one."""
        languages = {recipe.language for recipe in self.plan.runs.values()}
        of_step = {self.plan.runs[run].language for run in step.runs}
        return f"{of_step.pop()}, " if len(languages) > 1 and len(of_step) == 1 else ""
