"""A process that makes steps of a plan, one after the other, for the command that started it (see `jobs`).

`python -m lrl_adapt.pipeline.worker FD` receives steps through the connection with file descriptor FD, and sends back
what they say, and their results or errors. It ends when its standard input is closed, as the system does when the
command has been killed: training then writes a checkpoint first.
"""

import fcntl
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from ..training.launch import ProcessesFailedError
from ..workspace.errors import UserError
from ..workspace.progress import Progress
from ..workspace.progress_bars import ProgressBars
from .outcome import BUG, exit_code_of, release_locals, summary_of

T = TypeVar("T")
SAID, MADE, FAILED, LOST = "said", "made", "failed", "lost"
"""Kinds of messages, each with its content: a line; a result; an error; how the process ended that cannot send one."""


class StepProgress:
    """Shows the progress of a step in its log, and sends what the step says to the command."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._log = ProgressBars()

    def say(self, text: str) -> None:
        """Write one line, and send it."""
        self._log.say(text)
        self._connection.send((SAID, text))

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Generator[T]:
        """Pass `items` through, with a line in the log now and then."""
        return self._log.track(items, label, total)

    def status(self, facts: Mapping[str, str]) -> None:
        """Make the facts part of the next line."""
        self._log.status(facts)


def main() -> None:
    """Make steps until the command has no more of them, or is gone."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started the command with it ignored
    threading.Thread(target=_interrupt_at_end_of_input, daemon=True).start()
    connection = Connection(int(sys.argv[1]))
    with suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            make, log = connection.recv()
            _write_to(log)
            result = make_step(make, StepProgress(connection))
            _lock_log(fcntl.LOCK_UN)
            connection.send(result)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def make_step(make: Callable[[Progress], Any], progress: Progress) -> tuple[str, Any]:
    """Call `make`; returns MADE and its result, or FAILED and the error, which is printed."""
    try:
        return MADE, make(progress)
    except Exception as error:
        if not isinstance(error, ProcessesFailedError):  # those processes have printed theirs
            if exit_code_of(error) == BUG:
                traceback.print_exc()
            print(f"error: {summary_of(error)}", file=sys.stderr)
        return FAILED, _sendable(error)


def _sendable(error: Exception) -> Exception:
    """The error with its traceback as a note, which --debug shows.

    One that cannot be pickled, as its class has other arguments, becomes a UserError or a RuntimeError.
    """
    note = "".join(traceback.format_exception(error))
    release_locals(error)
    try:
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:
        is_user_error = isinstance(error, UserError)
        copy = UserError(str(error)) if is_user_error else RuntimeError(f"{type(error).__name__}: {error}")
    copy.add_note(note)
    return copy


def _write_to(log: Path) -> None:
    """Let all output of this process, and of those that it starts, go to the end of the log.

    Should someone delete the logs at this moment, it goes where it went before.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with suppress(OSError), log.open("a") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    _lock_log(fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lock_log(operation: int) -> None:
    """Lock the log while the step is made, so that `status` sees that it is; or unlock it."""
    with suppress(OSError):  # a file system without locks
        fcntl.flock(sys.stdout.fileno(), operation)


def _interrupt_at_end_of_input() -> None:
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main()
