"""What `import lrl_adapt` offers: typed, imported lazily, and complete for editors and for dir()."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import lrl_adapt
import pytest

SOURCE = Path(lrl_adapt.__file__).resolve()
FUNCTIONS = [name for name in lrl_adapt.__all__ if inspect.isfunction(getattr(lrl_adapt, name))]
HEAVY = ("torch", "transformers", "peft", "datasets", "typer", "rich", "pydantic", "pandas", "numpy")


def test_the_import_loads_no_heavy_library() -> None:
    code = "import lrl_adapt, sys; dir(lrl_adapt); print([name for name in sys.argv[1:] if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code, *HEAVY], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_a_recipe_is_loaded_without_torch() -> None:
    code = "import lrl_adapt, sys; lrl_adapt.load_recipe('quickstart'); print('torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"


def test_editors_see_the_names_that_are_imported_lazily() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {f".{node.module}": {alias.name for alias in node.names} for node in block.body}
    assert seen == {module: set(names) for module, names in lrl_adapt._MODULES.items()}
    assert set().union(*seen.values()) == set(lrl_adapt.__all__)
    assert set(lrl_adapt.__all__) <= set(dir(lrl_adapt))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lrl_adapt.nothing


def test_the_name_of_a_recipe_in_place_of_a_recipe_is_a_user_error() -> None:
    for function in (lrl_adapt.plan, lrl_adapt.prepare, lrl_adapt.train, lrl_adapt.evaluate, lrl_adapt.run):
        with pytest.raises(lrl_adapt.UserError, match=r"load_recipe\('quickstart'\)"):
            function("quickstart")


def test_strings_name_folders(tmp_path: Path) -> None:
    recipe = lrl_adapt.load_recipe("quickstart", tasks=["mlm"])
    planned = lrl_adapt.plan([recipe], workspace=str(tmp_path / "runs"))
    assert {step.kind for step in planned.steps} >= {"corpus", "adapter", "scores", "report"}
    assert all(step.folder is None or step.folder.is_relative_to(tmp_path / "runs") for step in planned.steps)
    for function in (lrl_adapt.train, lrl_adapt.evaluate):
        with pytest.raises(lrl_adapt.UserError, match="run `lrl-adapt prepare quickstart`"):
            function(recipe, workspace=str(tmp_path / "runs"), progress=lrl_adapt.QUIET)
    with pytest.raises(lrl_adapt.UserError, match="no scores"):
        lrl_adapt.report(str(tmp_path / "nowhere"), progress=lrl_adapt.QUIET)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_are_documented(name: str) -> None:
    function = getattr(lrl_adapt, name)
    text = inspect.getdoc(function) or ""
    assert f"lrl_adapt.{name}(" in text, "no example"
    documented = re.findall(r"^    (\w+): ", text.partition("Args:")[2].partition("Returns:")[0], re.MULTILINE)
    assert documented == list(inspect.signature(function).parameters)
    assert "Returns:" in text
    assert "Raises:" in text
