"""Mistakes in how a command is called, told in one line as all other errors are."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

UsageError: Any = typer.BadParameter.__base__  # typer does not export it
PROGRAM = "lrl-adapt"
WORDS = (
    (r"Invalid value for (.*?): ", r"\1: "),
    (r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)", r"unexpected argument: \1"),
    (r"No such command '(.*?)'\. Did you mean (.*?)\?.*", r"no such command: \1; did you mean \2?"),
    (r"No such command '(.*?)'\.", r"no such command: \1"),
    (r"(.*): '?(.*?)'? is not a valid integer(?: range)?\.", r"\1: expected a whole number, got \2"),
    (r"(.*): '?(.*?)'? is not a valid float(?: range)?\.", r"\1: expected a number, got \2"),
    (r"(.*): (\S+) is not in the range x>=(\S+)\.", r"\1: expected a number of at least \3, got \2"),
    (r"(.*): (\S+) is not in the range (\S+)<=x<=(\S+)\.", r"\1: expected a number from \3 to \4, got \2"),
)
"""What typer says in one of its versions, and what is said instead."""


class Commands(TyperGroup):
    """The commands of the program."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options before the command's name."""
        with _usage_errors():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Find the command, read its arguments and run it."""
        with _usage_errors():
            return super().invoke(ctx)


@contextmanager
def _usage_errors() -> Iterator[None]:
    """Print a usage error on one line, and end with its exit code."""
    try:
        yield
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # typer prints the help
            raise
        message = plain_message(error)
        help_command = f"; see {_command(error.ctx)} --help" if error.ctx and not message.endswith("?") else ""
        typer.echo(f"error: {message}{help_command}", err=True)
        raise typer.Exit(error.exit_code) from None


def plain_message(error: Any) -> str:
    """What is wrong, in plain words."""
    from pydantic import ValidationError  # slow to import

    message = error.format_message()
    if type(error).__name__ == "NoSuchOption":  # versions differ in its words
        name, near = error.option_name, set(error.possibilities or ())
        if not name.startswith("--h"):
            near.discard("--help")  # which is near to any short name
        guess = f"; did you mean {', '.join(sorted(near))}?" if near else ""
        message = f"no such option: {name}{guess}"
    for pattern, words in WORDS:
        message = re.sub(f"^{pattern}", words, message)
    if isinstance(error.__cause__, ValidationError):
        from ..recipes.validation_messages import explain

        detail = error.__cause__.errors()[0]
        message = f"{message.partition(': ')[0]}: {explain({**detail, 'loc': ()}).removeprefix('recipe: ')}"
    message = message.replace("'", "").rstrip(".")
    if message.endswith("?"):  # a guess, or several
        message = message.replace(", ", " or ")
    return message[0].lower() + message[1:]


def _command(context: Any) -> str:
    """The command as users type it: `lrl-adapt recipes show`."""
    names = []
    while context is not None and context.parent is not None:
        names.insert(0, context.info_name)
        context = context.parent
    return " ".join([PROGRAM, *names])
