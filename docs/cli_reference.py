"""The command-line reference: a Markdown page with every command, its arguments, options and examples.

The source is the typer application, so that the page says what `--help` says.
"""

from collections.abc import Iterator
from typing import Any

import typer
import typer.main
from lrl_adapt.cli.app import app
from lrl_adapt.docs.recipe_reference import as_markdown

INTRODUCTION = """# Command line

Every command and option. `lrl-adapt COMMAND --help` shows the same on a terminal. This page is generated from the
program.
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for words, command in commands():
        parts.append(_command(words, command))
    return "\n".join(parts)


def commands() -> Iterator[tuple[str, Any]]:
    """Every command that the help lists, with the words that call it: ("recipes show", command)."""
    for name, command in typer.main.get_command(app).commands.items():  # pyright: ignore[reportAttributeAccessIssue]
        for child, subcommand in getattr(command, "commands", {}).items():
            yield f"{name} {child}", subcommand
        if not hasattr(command, "commands") and not command.hidden:
            yield name, command


def parameters(command: Any) -> list[Any]:
    """The arguments and options of a command that its help shows, `--help` apart."""
    return [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]


def option_anchor(words: str, parameter: Any) -> str:
    """The anchor of an option or argument: "train--max-steps", "recipes-show-RECIPE"."""
    name = max(parameter.opts, key=len) if parameter.param_type_name == "option" else f"-{parameter.name}"
    return f"{words.replace(' ', '-')}{name}"


def _command(words: str, command: Any) -> str:
    context = typer.Context(command, info_name=f"lrl-adapt {words}")
    usage = command.get_usage(context).removeprefix("Usage: ")
    heading = f'## `lrl-adapt {words}` {{ #{words.replace(" ", "-")} data-toc-label="{words}" }}'
    parts = [heading, "", as_markdown(command.help), "", f"```\n{usage}\n```", ""]
    if examples := _examples(command.epilog):
        parts += ["Examples:", "", "```\n" + "\n".join(examples) + "\n```", ""]
    parts += [_parameter(words, parameter, context) for parameter in parameters(command)]
    return "\n".join(parts)


def _parameter(words: str, parameter: Any, context: typer.Context) -> str:
    names, description = parameter.get_help_record(context)
    text, bracket, extra = description.partition("  [")
    facts = f"{extra.removesuffix(']')}\n{{ .facts }}\n\n" if bracket else ""
    return f"#### `{names}` {{ #{option_anchor(words, parameter)} }}\n\n{facts}{as_markdown(text)}\n"


def _examples(epilog: str | None) -> list[str]:
    return [line for line in (epilog or "").splitlines() if line.startswith("lrl-adapt ")]
