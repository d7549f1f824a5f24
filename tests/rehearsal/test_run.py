"""The rehearsal's own parts: what it rehearses, and what it takes for a failure."""

from pathlib import Path

import pytest

from .run import ROOT, Step, commands_in, complaints, load_tracks

NOT_REHEARSED = {
    "lrl-adapt languages --search maltese": "asks nobody",
    "lrl-adapt run quickstart --source fusion": "asks nobody; make demo runs the quickstart",
    "lrl-adapt import-adapter FOLDER --base google-bert/bert-base-multilingual-cased --out my-adapter": "no FOLDER",
    "lrl-adapt export my-adapter --format adapterhub --out for-adapterhub": "asks nobody",
    "lrl-adapt train --dry-run": "in a sentence",
    "lrl-adapt recipes list": "asks nobody",
    "lrl-adapt run RECIPE --jobs auto": "in a sentence",
}
"""Commands of the README that the rehearsal leaves out, and why."""


def test_every_command_of_the_readme_is_rehearsed() -> None:
    rehearsed = {step.command for steps in load_tracks().values() for step in steps}
    assert commands_in(ROOT / "README.md") - rehearsed == set(NOT_REHEARSED)


def test_every_step_is_written_where_it_says() -> None:
    steps = [step for steps in load_tracks().values() for step in steps]
    assert len(steps) >= 18
    for step in steps:
        assert not step.written_in or step.command in commands_in(ROOT / step.written_in)


def test_commands_are_found_in_code_in_sentences_and_in_heads_of_recipes(tmp_path: Path) -> None:
    text = tmp_path / "text.md"
    text.write_text(
        "Run `lrl-adapt prepare -l mlt`, then\n```\nlrl-adapt run mbert      # everything\n"
        'lrl-adapt fill-mask "Habari ya [MASK]"\n```\n# Launch:    lrl-adapt train mbert\n'
    )
    assert commands_in(text) == {
        *("lrl-adapt prepare -l mlt", "lrl-adapt run mbert", "lrl-adapt train mbert"),
        'lrl-adapt fill-mask "Habari ya [MASK]"',
    }


OUTPUT = "│ topic │ 3.6 │\nerror: access is\ngated\n"


@pytest.mark.parametrize(
    ("expected", "complaint"),
    [
        ({"exit_code": 0}, "exit code 2, expected 0"),
        ({"shows": ["named entities"]}, "does not show: named entities"),
        ({"hides": ["access is gated"]}, "shows: access is gated"),
        ({"downloads_nothing": True}, "downloads GET /datasets/a/b/resolve/main/c.tsv"),
        ({"asks_nobody": True}, "asks for GET /api/datasets/a/b"),
        ({"written_in": "README.md"}, "is not written in README.md"),
        ({"shows": ["topic 3.6", "access is gated"], "hides": ["ner"]}, ""),
    ],
)
def test_what_is_a_failure(expected: dict, complaint: str) -> None:
    step = Step("a test", "lrl-adapt run nothing", **{"exit_code": 2} | expected)
    requests = [
        "GET /api/datasets/a/b",
        "HEAD /datasets/a/b/resolve/main/c.tsv",
        "GET /datasets/a/b/resolve/main/c.tsv",
    ]
    assert complaints(step, OUTPUT, 2, requests) == ([complaint] if complaint else [])


def test_a_traceback_or_a_warning_is_always_a_failure() -> None:
    step = Step("a test", "lrl-adapt run nothing")
    assert complaints(step, "Traceback (most recent call last):", 0, []) == ["shows: Traceback"]
    assert complaints(step, "x.py:3: UserWarning: no such file", 0, []) == ["shows: Warning:"]
