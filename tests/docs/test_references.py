"""The generated references hold every key of a recipe and every option of a command."""

import json
import re
from pathlib import Path

import lrl_adapt
import pytest
from lrl_adapt.docs import cli_reference, recipe_reference
from lrl_adapt.recipes.schema import json_schema

SCHEMA = json.loads(json_schema())
COMMANDS = dict(cli_reference.commands())


@pytest.fixture(scope="module")
def recipes() -> str:
    return recipe_reference.page()


@pytest.fixture(scope="module")
def commands() -> str:
    return cli_reference.page()


@pytest.mark.slow
def test_every_key_of_the_top_level_is_in_the_reference(recipes: str) -> None:
    for key in SCHEMA["properties"]:
        assert f"### `{key}` {{ #{key} " in recipes


@pytest.mark.parametrize("name", SCHEMA["$defs"])
def test_every_key_of_a_section_is_in_the_reference(name: str, recipes: str) -> None:
    path, *_ = recipe_reference.section_places(SCHEMA)[name]
    for key, value in SCHEMA["$defs"][name]["properties"].items():
        assert f"### `{path}.{key}` {{ #{path}.{key} " in recipes
        assert recipe_reference.as_markdown(value["description"]) in recipes


def test_a_section_that_stands_in_several_places_names_them_all(recipes: str) -> None:
    assert "## `eval.topic`, `eval.sentiment`, `eval.ner`, `eval.others.NAME` { #eval.topic.keys }" in recipes


@pytest.mark.parametrize(
    ("key", "facts"),
    [
        ("language", "string · required"),
        ("source", "`text`, `graph`, `both` or `fusion` · default `text`"),
        ("training.max_steps", "integer > 0 · default `1000`"),
        ("corpus.min_letters", "number ≥ 0, ≤ 1 · default `0.5`"),
        ("adapter.leave_out", "list of integer ≥ 0 · default `[]`"),
        ("corpus", "[section](#corpus.keys), `null` or `none` · default `null`"),
        ("training", "[section](#training.keys)"),
        ("by_language", "mapping from name to recipe"),
    ],
)
def test_types_limits_and_defaults_are_shown(key: str, facts: str, recipes: str) -> None:
    heading = next(line for line in recipes.splitlines() if line.startswith(f"### `{key}` "))
    assert f"{heading}\n\n{facts}\n" in recipes


@pytest.mark.parametrize("words", COMMANDS)
def test_every_option_and_example_of_a_command_is_in_the_reference(words: str, commands: str) -> None:
    command = COMMANDS[words]
    assert f"## `lrl-adapt {words}` " in commands
    for parameter in cli_reference.parameters(command):
        assert f"{{ #{cli_reference.option_anchor(words, parameter)} }}" in commands
        assert all(name in commands for name in parameter.opts if name.startswith("-"))
    for line in (command.epilog or "").splitlines():
        assert line == "Examples:" or line in commands


def test_commands_of_a_group_are_named_with_it() -> None:
    assert {"train", "eval", "recipes list", "recipes schema"} <= set(COMMANDS)
    assert "recipes" not in COMMANDS


@pytest.mark.parametrize("reference", [recipe_reference, cli_reference])
@pytest.mark.slow
def test_anchors_are_unique_and_every_link_within_the_page_has_one(reference: object) -> None:
    text = reference.page()
    anchors = re.findall(r"\{ #(\S+) .*\}", text)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"\]\(#(.+?)\)", text)) <= set(anchors)


def test_the_python_reference_lists_every_public_name() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^        - (\w+)$", page, re.MULTILINE))
    assert set(lrl_adapt.__all__) == listed
