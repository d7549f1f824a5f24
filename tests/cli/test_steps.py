"""What commands share: reading the recipe, tables of values."""

from pathlib import Path

import pytest
from lrl_adapt.cli.steps import values_rows

from .small import invoke


def test_values_are_formatted_and_missing_ones_left_out() -> None:
    values = {"base_commit": None, "parameters": 7469440, "validation_loss": 4.07172464672985, "devices": "1 x cpu"}
    assert values_rows(values) == [("parameters", "7,469,440"), ("validation loss", "4.072"), ("devices", "1 x cpu")]
    assert values_rows({"resumed": True, "parts": [1, 2]}) == [("resumed", "true"), ("parts", "[1, 2]")]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_bundled_recipe_is_named_where_a_folder_has_none(folder: Path, options: list[str]) -> None:
    line = "no recipe.yaml in this folder: using the bundled recipe quickstart"
    without = invoke("prepare", "--dry-run", *options)
    assert without.stderr.splitlines()[0] == line
    assert line not in without.stdout
    assert line not in invoke("prepare", "quickstart", "--dry-run", *options).stderr
    (folder / "recipe.yaml").write_text("extends: quickstart\n", encoding="utf-8")
    assert line not in invoke("prepare", "--dry-run", *options).stderr
