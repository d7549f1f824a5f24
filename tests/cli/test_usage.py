"""Mistakes in how a command is called: one line each, exit code 2."""

from typing import Any

import pytest
import typer
from lrl_adapt.cli.usage import plain_message

from .small import invoke


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("prepar", "no such command: prepar; did you mean prepare or report?"),
        ("xyz", "no such command: xyz; see lrl-adapt --help"),
        ("recipes chck", "no such command: chck; did you mean check?"),
        ("--foo", "no such option: --foo; see lrl-adapt --help"),
        ("train --adaptor lora", "no such option: --adaptor; did you mean --adapter?"),
        ("push . --repo", "no such option: --repo; see lrl-adapt push --help"),
        ("push --hepl", "no such option: --hepl; did you mean --help?"),
        ("train --zzzz", "no such option: --zzzz; see lrl-adapt train --help"),
        ("run quickstart --set training.max_steps 3", "unexpected argument: 3; see lrl-adapt run --help"),
        ("run quickstart --set", "option --set requires an argument"),
        ("run --limit 0", "--limit: expected a number of at least 1, got 0; see lrl-adapt run --help"),
        ("run --gpus two", "--gpus: expected a whole number, got two; see lrl-adapt run --help"),
        ("serve --port 99999", "--port: expected a number of at most 65535, got 99999; see lrl-adapt serve --help"),
        ("serve --timeout soon", "--timeout: expected a number, got soon; see lrl-adapt serve --help"),
        ("train --resume maybe", "--resume: maybe is not one of auto, never; see lrl-adapt train --help"),
        ("report --against base", "--against is now called --baseline; see lrl-adapt report --help"),
        ("export x", "missing option --out / -o; see lrl-adapt export --help"),
        ("recipes copy", "missing argument RECIPE; see lrl-adapt recipes copy --help"),
    ],
)
def test_a_usage_error_is_one_line(words: str, message: str) -> None:
    refused = invoke(*words.split())
    assert (refused.exit_code, refused.stderr) == (2, f"error: {message}\n")


UsageError: Any = typer.BadParameter.__base__


NO_SUCH_OPTION = type(
    "NoSuchOption", (UsageError,), {"option_name": "--adaptor", "possibilities": ["--source", "--adapter"]}
)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            NO_SUCH_OPTION("No such option '--adaptor'."),
            "no such option: --adaptor; did you mean --adapter or --source?",
        ),
        (UsageError("Got unexpected extra argument (3)"), "unexpected argument: 3"),
        (UsageError("Got unexpected extra arguments (a b)"), "unexpected argument: a b"),
        (
            UsageError("No such command 'trian'. Did you mean 'train'? Did you mean 'train'?"),
            "no such command: trian; did you mean train?",
        ),
        (UsageError("No such command 'xyz'."), "no such command: xyz"),
        (
            UsageError("Invalid value for '--gpus': 'two' is not a valid integer range."),
            "--gpus: expected a whole number, got two",
        ),
        (
            UsageError("Invalid value for '--timeout': 'soon' is not a valid float range."),
            "--timeout: expected a number, got soon",
        ),
        (
            UsageError("Invalid value for '--limit': 0 is not in the range x>=1."),
            "--limit: expected a number of at least 1, got 0",
        ),
        (
            UsageError("Invalid value for '--port': 99999 is not in the range 0<=x<=65535."),
            "--port: expected a number from 0 to 65535, got 99999",
        ),
    ],
)
def test_the_wordings_of_other_versions_of_typer_are_replaced_too(error: Any, message: str) -> None:
    assert plain_message(error) == message


@pytest.mark.parametrize("words", [[], ["recipes"]])
def test_without_a_command_the_help_is_shown(words: list[str]) -> None:
    shown = invoke(*words)
    assert "Usage: " in shown.output
    assert "error:" not in shown.output
    assert not isinstance(shown.exception, Exception)
