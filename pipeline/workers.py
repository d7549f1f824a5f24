"""The processes that make steps of a plan at once, as the command that starts them sees them (see `worker`)."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..training.launch import how_it_ended
from ..workspace.formatting import format_duration
from .logs import last_line
from .worker import LOST

if TYPE_CHECKING:
    from .steps import Step

MODULE = "lrl_adapt.pipeline.worker"
LINE_CHARACTERS = 70  # of a log's last line beside the step


class Worker:
    """A process of its own that makes one step at a time; it is started with the first."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.step: Step | None = None
        self.log = Path()
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, step: "Step", log: Path) -> None:
        """Let the process make the step, which writes to a new `log`. Raises OSError if that cannot be written."""
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        if self._process is None or self._process.poll() is not None:
            self._start_process(log)
        self.step, self.log, self._started = step, log, time.monotonic()
        with suppress(BrokenPipeError):  # the process has just been killed, which `receive` notices
            self.connection.send((step.make, log.absolute()))

    def receive(self) -> tuple[str, Any]:
        """The next message of the process: its kind and its content. LOST, with the reason, if the process is gone."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            assert self._process is not None
            exit_code = self._process.wait()
            self.stop()
            return LOST, how_it_ended(exit_code)

    @property
    def seconds(self) -> float:
        """Time since the step was started."""
        return time.monotonic() - self._started

    def stop(self) -> None:
        """Ask the process to end, after a checkpoint if it is training."""
        if self._process is not None:
            self.connection.close()
            assert self._process.stdin is not None
            self._process.stdin.close()

    def wait(self) -> None:
        """Wait until the process has ended."""
        if self._process is not None:
            self._process.wait()

    def kill(self) -> None:
        """End the process at once; those that it has started end with it (see `workspace.processes`)."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _start_process(self, log: Path) -> None:
        """In a process group of its own, which Ctrl-C in a terminal does not reach: `stop` asks it once."""
        self.connection, theirs = Pipe()
        with theirs, log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - no shell
                [sys.executable, "-m", MODULE, str(theirs.fileno())],
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                process_group=0,
            )


class Workers:
    """One worker for each of `environments`. At the end of `with` all have ended, if need be interrupted."""

    def __init__(self, environments: list[dict[str, str]]) -> None:
        self._workers = [Worker(environment) for environment in environments]

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for worker in self._workers:
                worker.stop()
            for worker in self._workers:
                worker.wait()
        finally:  # a second Ctrl-C
            for worker in self._workers:
                worker.kill()

    @property
    def idle(self) -> "Worker | None":
        """A worker without a step, if there is one."""
        return next((worker for worker in self._workers if worker.step is None), None)

    @property
    def running(self) -> "dict[Step, Worker]":
        """The steps that are being made, and by which worker."""
        return {worker.step: worker for worker in self._workers if worker.step}

    def messages(self, seconds: float) -> "Iterator[tuple[Worker, Step, str, Any]]":
        """What workers send within `seconds`: about which step, the kind of message and its content."""
        by_connection: dict[Any, tuple[Step, Worker]] = {
            worker.connection: (step, worker) for step, worker in self.running.items()
        }
        for ready in wait(by_connection, seconds) if by_connection else ():
            step, worker = by_connection[ready]
            yield worker, step, *worker.receive()

    def status(self) -> dict[str, str]:
        """For `Progress.status`, a line for each running step: its title, its time and the last line of its log."""
        running = self.running
        width = max((len(step.title) for step in running), default=0)
        lines = []
        for step, worker in running.items():
            details = [format_duration(worker.seconds), _shortened(last_line(worker.log))]
            lines.append(f"{step.title:<{width}}  {', '.join(filter(None, details))}")
        return {"running": "\n".join(lines)} if lines else {}


def _shortened(line: str) -> str:
    """A line of at most LINE_CHARACTERS, without a part behind a comma that does not fit: "loss 4.8, memory 0.6 GB"."""
    if len(line) <= LINE_CHARACTERS:
        return line
    return line[: LINE_CHARACTERS + 1].rpartition(", ")[0] or line[:LINE_CHARACTERS]
