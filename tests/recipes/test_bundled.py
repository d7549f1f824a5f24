"""Every recipe that comes along, and the quickstart's data."""

import json
import re
import runpy
import shlex
from pathlib import Path
from typing import Annotated, Any

import pyarrow.parquet
import pytest
from lrl_adapt.recipes import schema
from lrl_adapt.recipes.loading import BUNDLED, bundled_recipes, find_recipe, load_recipe, load_runs
from pydantic import BaseModel, TypeAdapter

ROOT = BUNDLED.parent
EDITOR = "# yaml-language-server: $schema="
SECTIONS = schema.Section.__subclasses__()
FILES = [*bundled_recipes().values(), *sorted((ROOT / "benchmarks").rglob("*.yaml"))]


def test_no_recipe_is_overlooked() -> None:
    others = ("data", "tasks", "templates", "sources")
    result = {file for file in BUNDLED.rglob("*.yaml") if not set(others) & set(file.relative_to(BUNDLED).parts)}
    assert result == set(bundled_recipes().values())
    assert {"quickstart", "mbert", "xlmr", "mmbert", "afroxlmr", "glot500", "conceptnet"} <= set(bundled_recipes())


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("xlmr", "FacebookAI/xlm-roberta-base"),
        ("mmbert", "jhu-clsp/mmBERT-base"),
        ("afroxlmr", "Davlan/afro-xlmr-base"),
        ("glot500", "cis-lmu/glot500-base"),
    ],
)
def test_recipes_of_other_bases_are_mberts_but_for_the_base(name: str, model: str) -> None:
    recipe, mbert = load_recipe(name), load_recipe("mbert")
    assert recipe.base.model == model
    same = {"name": mbert.name, "base": mbert.base}
    assert recipe.model_copy(update=same) == mbert


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_recipe_loads_and_says_what_it_does(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRL_DATA", "/data")
    monkeypatch.setenv("LRL_BASES", "/bases")
    monkeypatch.setenv("BASE_TEXT", "/text")
    load_runs(str(file))
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith(EDITOR)
    assert (file.parent / lines[0].removeprefix(EDITOR)).resolve() == BUNDLED.resolve() / "recipe.schema.json"
    head = [line for line in lines if line.startswith("# ")][1:]
    assert head[0][2:].strip()
    for number, word in enumerate(("Downloads:", "Launch:", "Override:")):
        assert head[number + 1].startswith(f"# {word}"), f"line {number + 3} should begin with # {word}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
@pytest.mark.slow
def test_the_lines_to_copy_name_a_recipe_that_is_there(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LRL_DATA", "/data")
    monkeypatch.setenv("LRL_BASES", "/bases")
    monkeypatch.setenv("BASE_TEXT", "/text")
    monkeypatch.chdir(ROOT)  # from where the paths in them are written
    text = file.read_text(encoding="utf-8")
    for word in ("Launch:", "Override:"):
        line = re.search(rf"^# {word} +(.+)$", text, re.MULTILINE)
        assert line, word
        words = shlex.split(line[1])
        if words[0] == "make":
            target, _, language = words[-1].partition("=")
            assert (words[1], target) == ("real", "LANG")
            assert file.stem == language
            continue
        command, *arguments = words[words.index("lrl-adapt") + 1 :]
        assert command in ("run", "prepare", "train", "eval", "report")
        assert find_recipe(arguments[0]).resolve() == file.resolve()
        overrides = [arguments[number + 1] for number, option in enumerate(arguments) if option == "--set"]
        options = dict(zip(arguments[1::2], arguments[2::2], strict=True))
        fields = {"--language": "language", "--adapter": "adapter.type", "--source": "source"}
        overrides += [f"{fields[option]}={value}" for option, value in options.items() if option in fields]
        load_runs(arguments[0], overrides)


@pytest.mark.parametrize("file", sorted((BUNDLED / "tasks").glob("*.yaml")), ids=lambda file: file.stem)
def test_bundled_task_files_are_valid_pinned_and_say_what_they_are(file: Path, tmp_path: Path) -> None:
    place = {"topic": "topic", "sib200": "topic", "sentiment": "sentiment", "wikiann": "ner"}.get(file.stem)
    section = f"{place}: {file.stem}" if place else f"others: {{mine: {file.stem}}}"
    transfer = "\n  transfer_from: eng" if file.stem == "afrixnli" else ""
    (tmp_path / "r.yaml").write_text(
        f"language: swh\nbase: {{model: a/b}}\ncorpus: {{files: text.txt}}\neval:\n  {section}{transfer}\n",
        encoding="utf-8",
    )
    (task,) = load_recipe(str(tmp_path / "r.yaml")).eval.with_data.values()
    assert task.dataset
    assert file.read_text(encoding="utf-8").startswith("# ")
    for place in (task.train, task.validation, task.test):
        for address in [place] if isinstance(place, str) else place or []:
            assert "{" not in address.replace("{dev,validation,valid}", "")
            if file.stem not in ("wikiann", "sentiment"):
                assert re.search(r"[@/][0-9a-f]{40}/", address), "a pinned commit"


def test_the_bundled_schema_is_the_codes() -> None:
    bundled = (BUNDLED / "recipe.schema.json").read_text(encoding="utf-8")
    assert bundled == schema.json_schema(), "run: lrl-adapt recipes schema recipes/recipe.schema.json"


def test_every_field_is_described() -> None:
    assert len(SECTIONS) >= 10
    for section in SECTIONS:
        for name, field in section.model_fields.items():
            assert field.description, f"{section.__name__}.{name}"


def test_every_default_is_a_value_that_may_be_given() -> None:
    for section in SECTIONS:
        for name, field in section.model_fields.items():
            if not field.is_required():
                kind: Any = Annotated[field.annotation, name, *field.metadata]  # pyright: ignore[reportInvalidTypeForm]
                check: TypeAdapter = TypeAdapter(kind)
                assert check.validate_python(field.default) == field.default, f"{section.__name__}.{name}"


def test_every_default_of_the_schema_is_the_codes() -> None:
    message = json.loads((BUNDLED / "recipe.schema.json").read_text(encoding="utf-8"))["$defs"]
    for section in SECTIONS:
        for name, entry in message.get(section.__name__, {}).get("properties", {}).items():
            field = section.model_fields[name]
            assert entry["description"] == field.description
            if "default" in entry and not isinstance(field.default, BaseModel):
                assert entry["default"] == field.default, f"{section.__name__}.{name}"


def test_the_quickstarts_data_are_what_its_script_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = BUNDLED.parent / "benchmarks" / "quickstart" / "make_data.py"
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
