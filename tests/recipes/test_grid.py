"""Recipes that stand for many runs."""

from pathlib import Path

import pytest
from lrl_adapt.recipes.errors import UserError
from lrl_adapt.recipes.grid import grid_cells
from lrl_adapt.recipes.loading import grid_overrides, load_recipe

RECIPE = """
base: {from_scratch: {}}
corpus: {files: texts/*.txt}
grid:
  - {language: [mlt_Latn, swh_Latn], adapter.type: [none, lora]}
  - {language: [swh_Latn], adapter.type: [seq_bn], source: [graph, fusion]}
by_language:
  swh:
    graph: {conceptnet: dump.csv.gz}
    training: {max_steps: 7}
    eval: {topic: {file: topics.csv}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    (tmp_path / "many.yaml").write_text(RECIPE, encoding="utf-8")
    return str(tmp_path / "many.yaml")


def runs(recipe: str, *overrides: str) -> list[tuple[str, str, str]]:
    loaded = [load_recipe(recipe, cell) for cell in grid_overrides(recipe, overrides)]
    return [(one.language, one.adapter.type, one.source) for one in loaded]


def test_every_combination_is_a_run_in_the_order_written(recipe: str) -> None:
    assert runs(recipe) == [
        ("mlt_Latn", "none", "text"),
        ("mlt_Latn", "lora", "text"),
        ("swh_Latn", "none", "text"),
        ("swh_Latn", "lora", "text"),
        ("swh_Latn", "seq_bn", "graph"),
        ("swh_Latn", "seq_bn", "fusion"),
    ]


def test_what_is_said_in_the_command_chooses_among_the_runs(recipe: str) -> None:
    assert runs(recipe, "language=mt") == [("mlt_Latn", "none", "text"), ("mlt_Latn", "lora", "text")]
    assert runs(recipe, "source=graph") == [("swh_Latn", "seq_bn", "graph")]
    assert len(runs(recipe, "source=text")) == 4
    assert runs(recipe, "language=sw", "adapter.type=seq_bn", "source=fusion") == [("swh_Latn", "seq_bn", "fusion")]
    assert runs(recipe, "language=cym", "adapter.type=full", "source=text") == [("cym_Latn", "full", "text")]


def test_what_a_language_says_stands_between_the_file_and_the_command(recipe: str) -> None:
    swahili = load_recipe(recipe, ["language=swh", "adapter.type=lora", "source=text"])
    assert swahili.training.max_steps == 7
    assert swahili.graph is not None
    assert swahili.graph.conceptnet == str(Path(recipe).parent / "dump.csv.gz")
    assert swahili.eval.topic is not None
    assert load_recipe(recipe, ["language=mlt", "adapter.type=lora"]).eval.topic is None
    changed = load_recipe(recipe, ["language=swh", "adapter.type=lora", "source=text", "training.max_steps=9"])
    assert changed.training.max_steps == 9


def test_one_run_must_be_chosen_where_one_is_wanted(recipe: str) -> None:
    with pytest.raises(UserError, match=r"is a grid of runs; for one of them say adapter\.type"):
        load_recipe(recipe, ["language=mlt"])


@pytest.mark.parametrize("grid", ["x", [], [1], {"source": "text"}, {"source": []}, {}])
def test_a_grid_of_another_shape(grid: object) -> None:
    with pytest.raises(UserError, match="grid: expected fields with a list of values each"):
        grid_cells(grid, {})


def test_without_a_grid_there_is_one_run() -> None:
    assert grid_overrides("quickstart", ["training.max_steps=3"]) == [["training.max_steps=3"]]


def test_by_language_of_another_shape(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("by_language: [mlt]\nlanguage: mlt\n", encoding="utf-8")
    with pytest.raises(UserError, match="by_language: expected a mapping"):
        load_recipe(str(tmp_path / "odd.yaml"))


def test_paths_in_a_grid_are_seen_from_its_file(tmp_path: Path) -> None:
    text = "language: mlt\nbase: {from_scratch: {}}\ngrid: {corpus.files: [a.txt, b.txt], base: [./own, x/y]}\n"
    (tmp_path / "paths.yaml").write_text(text, encoding="utf-8")
    reference = str(tmp_path / "paths.yaml")
    loaded = [load_recipe(reference, cell) for cell in grid_overrides(reference, [])]
    files = [one.corpus.files for one in loaded if one.corpus]
    assert files == [[str(tmp_path / name)] for name in ("a.txt", "a.txt", "b.txt", "b.txt")]
    assert [one.base.model for one in loaded] == [str(tmp_path / "own"), "x/y"] * 2
