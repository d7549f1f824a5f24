"""Every recipe that comes along, and the quickstart's data."""

import runpy
from pathlib import Path
from typing import get_args

import pyarrow.parquet
import pytest
from lrl_adapt.recipes import schema
from lrl_adapt.recipes.loading import BUNDLED, bundled_recipes, load_recipe
from pydantic import BaseModel

ROOT = BUNDLED.parent
EDITOR = "# yaml-language-server: $schema="
FILES = [*bundled_recipes().values(), *sorted((ROOT / "benchmarks").rglob("*.yaml"))]


def test_no_recipe_is_overlooked() -> None:
    others = ("data", "tasks", "templates")
    found = {file for file in BUNDLED.rglob("*.yaml") if not set(others) & set(file.relative_to(BUNDLED).parts)}
    assert found == set(bundled_recipes().values())
    assert {"quickstart", "mbert", "xlmr", "conceptnet"} <= set(bundled_recipes())


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_recipe_loads_and_says_what_it_does(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRL_DATA", "/data")
    load_recipe(str(file))
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(EDITOR)
    assert (file.parent / lines[0].removeprefix(EDITOR)).resolve() == BUNDLED / "recipe.schema.json"
    head = [line for line in lines if line.startswith("# ")][1:]
    assert head[0][2:].strip()
    for number, word in enumerate(("Downloads:", "Launch:", "Override:")):
        assert head[number + 1].startswith(f"# {word}"), f"line {number + 3} should begin with # {word}"


def test_the_bundled_schema_is_the_codes() -> None:
    bundled = (BUNDLED / "recipe.schema.json").read_text(encoding="utf-8")
    assert bundled == schema.json_schema(), "run: lrl-adapt recipes schema recipes/recipe.schema.json"


def test_every_field_is_described() -> None:
    sections = [value for value in vars(schema).values() if isinstance(value, type) and issubclass(value, BaseModel)]
    for section in sections:
        for name, field in section.model_fields.items():
            assert field.description, f"{section.__name__}.{name}"
            assert not any(arg is object for arg in get_args(field.annotation))


def test_the_quickstarts_data_are_what_its_script_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = BUNDLED / "quickstart" / "make_data.py"
    monkeypatch.setattr("sys.argv", [str(script), str(tmp_path)])
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        assert not end.code
    made = {file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file()}
    assert len(made) == 12
    committed = BUNDLED / "quickstart" / "data"
    for name in made:
        if name.suffix == ".parquet":
            assert pyarrow.parquet.read_table(tmp_path / name).equals(pyarrow.parquet.read_table(committed / name))
        else:
            assert (tmp_path / name).read_bytes() == (committed / name).read_bytes(), name


def test_the_quickstarts_pages_have_glotccs_columns() -> None:
    table = pyarrow.parquet.read_table(BUNDLED / "quickstart" / "data" / "swh_Latn" / "glotcc.parquet")
    assert table.num_rows >= 600
    assert len(table.column_names) == 13
    assert {"content", "warc-record-id", "quality-warnings", "identification-prob", "tlsh"} <= set(table.column_names)
