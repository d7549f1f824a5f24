"""What YAML can say and a recipe cannot hold."""

from pathlib import Path

import pytest
from lrl_adapt.recipes.yaml_files import read_yaml
from lrl_adapt.workspace.errors import UserError

from .recipe_files import PLAIN, errors

LEVELS = [
    f"&{name} [{', '.join([below] * 20)}]" for name, below in zip("abcde", ("x", "*a", "*b", "*c", "*d"), strict=True)
]


def read(tmp_path: Path, text: str) -> object:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    return read_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: &x [1, 2]\nb: *x", {"a": [1, 2], "b": [1, 2]}),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("a: !!str 3", {"a": "3"}),
        ("a: !!int 0x10", {"a": 16}),
        ("[" * 99 + "]" * 99, None),
        ("a: [.inf, 1e3, 0b1]", {"a": [float("inf"), "1e3", 1]}),
        ('a: "\\U0001F600"', {"a": "😀"}),
    ],
)
def test_what_may_be_written(tmp_path: Path, text: str, value: object) -> None:
    assert value is None or read(tmp_path, text) == value
    read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor for the tag"),
        ("!!python/name:os.getcwd", "could not determine a constructor for the tag"),
        ("!!binary aGk=", "could not determine a constructor for the tag"),
        ("!!set {a, b}", "could not determine a constructor for the tag"),
        ("!!int x", "'x' cannot be read as int"),
        ("!!int ''", "'' cannot be read as int"),
        ("!!bool x", "'x' cannot be read as bool"),
        ("0x_", "'0x_' cannot be read as int"),
        ("9" * 5000, "'999.*… cannot be read as int"),
        ("0x" + "f" * 5000, "cannot be read as int"),
        ('"\\ud800"', "cannot be read as str"),
        ('"\\0"', "cannot be read as str"),
        ("!!map [x]", "expected a mapping"),
        ("[" * 5000, "nested more than 100 levels deep"),
        ("{b: " * 5000, "nested more than 100 levels deep"),
        ("&b [*b]", "this alias stands for a value that it is a part of"),
        ("&b {c: *b}", "this alias stands for a value that it is a part of"),
        (f"[{', '.join(LEVELS)}]", "more than 100,000 values"),
    ],
)
def test_what_no_recipe_holds(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(UserError, match=rf"a\.yaml, line 2: not valid YAML: .*({problem})") as refused:
        read(tmp_path, f"x: 1\na: {text}\n")
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("value", ["&b [*b]", "!!int x", "x\0", "\ud800", "!!python/name:os.getcwd", "[a, !!bool b]"])
@pytest.mark.parametrize("field", ["training.max_steps", "corpus.files"])
@pytest.mark.usefixtures("folder")
def test_overrides_have_the_same_limits(field: str, value: str) -> None:
    if field == "corpus.files" and not value.startswith("["):
        value = f"[{value}]"
    assert errors(f"{field}={value}").endswith("the value is not valid YAML")


@pytest.mark.usefixtures("folder")
def test_a_name_that_is_too_long_for_a_file_is_the_name_of_none() -> None:
    long = "x" * 300
    assert "no recipe file or bundled recipe is called 'xxx" in errors(text=f"extends: {long}\n")
    assert "no task file or bundled task is called 'xxx" in errors(f"eval.topic={long}")
    assert "no such file" in errors(f"corpus.sources=[{long}.yaml]")


@pytest.mark.usefixtures("folder")
def test_a_long_value_is_shortened_and_not_repeated_whole() -> None:
    message = errors(text=PLAIN + f"training: [{', '.join(['x'] * 5000)}]\n")
    assert message.endswith("'x',…; write training: {max_steps: 1000}")
    assert len(message) < 500
