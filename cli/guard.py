"""How mistakes are told: one line and an exit code, a traceback only with --debug."""

import functools
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import typer

from ..recipes.errors import UserError
from ..training.launch import is_main

USER, OURS, INTERRUPTED = 2, 1, 130
SECONDS_FOR_THE_FIRST = 3

F = TypeVar("F", bound=Callable[..., None])


def guarded(command: F) -> F:
    """Wrap a command function: exit code 2 for the user's mistakes, 1 for ours, 130 for Ctrl-C."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except KeyboardInterrupt as stop:
            if is_main():
                typer.echo(str(stop) or "interrupted; nothing half-written is left", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # the reader of our output has gone: `lrl-adapt languages | head`
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - lives until exit
            raise typer.Exit(0) from None
        except Exception as error:
            if kwargs.get("debug"):
                raise
            if not is_main():  # the first process says the same, and the launcher then ends this one
                time.sleep(SECONDS_FOR_THE_FIRST)
            typer.echo(f"error: {_message(error)}", err=True)
            raise typer.Exit(USER if _is_users(error) else OURS) from None

    return wrapper  # type: ignore[return-value]


def _is_users(error: Exception) -> bool:
    return isinstance(error, UserError | PermissionError) or (isinstance(error, OSError) and error.errno in _DISK)


_DISK = {28: "no space left on the disk", 30: "read-only file system", 122: "disk quota exceeded"}


def _message(error: Exception) -> str:
    if isinstance(error, UserError):
        return str(error)
    if _is_users(error):
        return f"{error}; choose another folder with --workspace"
    return f"{type(error).__name__}: {error}\nThis is a bug in lrl-adapt; --debug shows where"
