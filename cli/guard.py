"""How errors are shown: one line and an exit code, and with --debug a traceback."""

import functools
import inspect
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import typer

from ..pipeline.outcome import PlanFailedError, exit_code_of, summary_of
from ..training.launch import ProcessesFailedError, is_main, joined, main_process_runs, reports_result
from ..workspace.errors import UserError

INTERRUPTED = 130
SECONDS_FOR_THE_FIRST = 3
SECONDS_TO_JOIN = 7

F = TypeVar("F", bound=Callable[..., None])


def guarded(command: F, *, single_process: str = "") -> F:
    """Wrap a command function: exit code 2 for the user's mistakes, 1 for ours, 130 for Ctrl-C.

    Applies --cpu through accelerate's environment variable, which started processes inherit. `single_process` is the
    name of a command that is refused in a process that torchrun or srun started together with others.
    """

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            if single_process and joined():
                raise UserError(
                    f"`lrl-adapt {single_process}` runs in one process: start it without torchrun, or with srun "
                    "--ntasks 1 (only `lrl-adapt train` uses several)"
                )
            if kwargs.get("cpu"):
                os.environ["ACCELERATE_USE_CPU"] = "true"
            command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except KeyboardInterrupt as stop:
            if reports_result():
                typer.echo(str(stop) or "interrupted; to finish, run the same command again", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # the reader of our output has closed it: `lrl-adapt languages | head`
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - lives until exit
            raise typer.Exit(0) from None
        except Exception as error:
            _report(error, debug=bool(kwargs.get("debug")))
            raise typer.Exit(exit_code_of(error)) from None

    wrapper.__doc__ = _joined_lines(command)
    return wrapper  # type: ignore[return-value]


def _joined_lines(command: Callable[..., None]) -> str:
    """The docstring with each paragraph on one line, as rich keeps the line breaks of the source."""
    paragraphs = (inspect.getdoc(command) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _report(error: Exception, *, debug: bool) -> None:
    """Print an error, only once if several processes raise it."""
    if not is_main():
        time.sleep(SECONDS_FOR_THE_FIRST)  # it mostly prints the same error, and torchrun then ends this one
        if not main_process_runs(SECONDS_TO_JOIN):
            return
    if debug:
        failures = error.failures if isinstance(error, PlanFailedError) else []
        for failure_error in [failure.error for failure in failures] or [error]:
            traceback.print_exception(failure_error)
    if not (isinstance(error, ProcessesFailedError) and error.shown):
        typer.echo(f"error: {summary_of(error)}", err=True)
