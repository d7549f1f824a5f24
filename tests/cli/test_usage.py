"""Mistakes in how a command is called: one line each, exit code 2."""

import pytest

from .small import invoke


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("prepar", "no such command: prepar; did you mean prepare or report?"),
        ("xyz", "no such command: xyz; see lrl-adapt --help"),
        ("recipes chck", "no such command: chck; did you mean check?"),
        ("--foo", "no such option: --foo; see lrl-adapt --help"),
        ("train --adaptor lora", "no such option: --adaptor; did you mean --adapter?"),
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


@pytest.mark.parametrize("words", [[], ["recipes"]])
def test_without_a_command_the_help_is_shown(words: list[str]) -> None:
    shown = invoke(*words)
    assert "Usage: " in shown.output
    assert "error" not in shown.output
