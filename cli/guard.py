"""How errors are shown: one line and an exit code, and with --debug a traceback."""

import functools
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import typer

from ..training.launch import is_main, main_process_runs, reports_result
from ..workspace.errors import UserError

USER, OURS, INTERRUPTED = 2, 1, 130
SECONDS_FOR_THE_FIRST = 3
SECONDS_TO_JOIN = 7

F = TypeVar("F", bound=Callable[..., None])


class RunsFailedError(Exception):
    """Some runs of a command failed, and each has been reported; `exit_code` is 1 if one met a bug, else 2."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def guarded(command: F) -> F:
    """Wrap a command function: exit code 2 for the user's mistakes, 1 for ours, 130 for Ctrl-C."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except KeyboardInterrupt as stop:
            if reports_result():
                typer.echo(str(stop) or "interrupted; nothing half-written is left", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # the reader of our output has gone: `lrl-adapt languages | head`
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - lives until exit
            raise typer.Exit(0) from None
        except Exception as error:
            if not is_main():
                time.sleep(SECONDS_FOR_THE_FIRST)  # it mostly prints the same error, and torchrun then ends this one
                if not main_process_runs(SECONDS_TO_JOIN):
                    raise typer.Exit(exit_code_of(error)) from None
            if kwargs.get("debug") and not isinstance(error, RunsFailedError):  # those of the runs have been shown
                traceback.print_exception(error)
            typer.echo(f"error: {summary_of(error)}", err=True)
            raise typer.Exit(exit_code_of(error)) from None

    return wrapper  # type: ignore[return-value]


def exit_code_of(error: BaseException) -> int:
    """2 for what the user can mend, 1 for a bug; a process that was started for the work has told it itself."""
    if isinstance(error, RunsFailedError):
        return error.exit_code
    if isinstance(error, SystemExit):
        return USER if error.code == USER else OURS
    return USER if _is_users(error) else OURS


def summary_of(error: BaseException) -> str:
    """What went wrong, without a traceback."""
    if isinstance(error, SystemExit):
        return "the error is shown above"
    if isinstance(error, UserError | RunsFailedError):
        return str(error)
    if _is_users(error):
        return f"{error}; choose another folder with --workspace"
    return f"{type(error).__name__}: {error} (a bug in lrl-adapt: --debug shows where)"


def _is_users(error: BaseException) -> bool:
    return isinstance(error, UserError | PermissionError) or (isinstance(error, OSError) and error.errno in _DISK)


_DISK = {28: "no space left on the disk", 30: "read-only file system", 122: "disk quota exceeded"}
