"""Recipes that stand for many runs."""

from pathlib import Path

import pytest
from lrl_adapt.recipes.grid import grid_cells
from lrl_adapt.recipes.loading import load_recipe, load_runs
from lrl_adapt.workspace.errors import UserError

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
    return [(one.language, one.adapter.type, one.source) for _, one in load_runs(recipe, overrides)]


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
    assert runs(recipe, "language=cym", "adapter.type=full") == [("cym_Latn", "full", "text")]
    assert runs(recipe, "language=mlt", "adapter={type: lora}") == [("mlt_Latn", "lora", "text")]


def test_the_words_of_a_run_make_that_run_alone(tmp_path: Path) -> None:
    text = RECIPE.replace("language: [swh_Latn], adapter.type: [seq_bn]", "language: [swh_Latn], adapter.type: [lora]")
    (tmp_path / "same.yaml").write_text(text.replace("fusion", "both"), encoding="utf-8")
    reference = str(tmp_path / "same.yaml")
    assert len(runs(reference, "language=swh", "adapter.type=lora")) == 3
    for words, run in load_runs(reference, ["training.seed=3"]):
        assert load_runs(reference, words) == [(words, run)]
        assert run.training.seed == 3


def test_numbers_are_one_however_written(tmp_path: Path) -> None:
    (tmp_path / "rates.yaml").write_text(
        "language: mlt\nbase: {from_scratch: {}}\ncorpus: {}\n"
        "grid: [{training.learning_rate: [0.001, 0.1]}, {training.max_steps: [1, 2]}]\n",
        encoding="utf-8",
    )
    reference = str(tmp_path / "rates.yaml")
    for written in ("1e-3", "1.0e-3", "0.001"):
        assert len(load_runs(reference, [f"training.learning_rate={written}"])) == 1


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
    with pytest.raises(UserError, match=r"is a grid of runs; to select one, set adapter\.type"):
        load_recipe(recipe, ["language=mlt"])


@pytest.mark.parametrize("grid", ["x", [], [1], {"source": "text"}, {"source": []}, {}, {1: [2]}, {"extends": ["x"]}])
def test_a_grid_of_another_shape(grid: object) -> None:
    with pytest.raises(UserError, match="grid: expected fields with a list of values each"):
        grid_cells(grid, {})


def test_without_a_grid_there_is_one_run() -> None:
    ((words, run),) = load_runs("quickstart", ["training.max_steps=3"])
    assert words == ["training.max_steps=3"]
    assert run == load_recipe("quickstart", words)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("by_language: [mlt]", "by_language: expected a mapping"),
        ("by_language: {mlt: 3}", r"by_language\.mlt: expected sections"),
        ("by_language: {mlt_Lat: {}}", "by_language: unknown language 'mlt_Lat'; did you mean mlt_Latn"),
        ("by_language: {mlt: {language: swh}}", "language is not allowed here"),
        ("by_language: {mlt: {}, mt: {}}", "mlt_Latn is listed twice"),
    ],
)
def test_by_language_of_another_shape(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "odd.yaml").write_text(f"{text}\nlanguage: mlt\n", encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load_recipe(str(tmp_path / "odd.yaml"))


def test_a_file_goes_over_what_it_extends_in_every_language(tmp_path: Path) -> None:
    above = (
        "language: mlt\nbase: {from_scratch: {}}\ncorpus: {}\nby_language: {mlt: {training: {max_steps: 2, seed: 5}}}\n"
    )
    (tmp_path / "above.yaml").write_text(above, encoding="utf-8")
    (tmp_path / "own.yaml").write_text("extends: above.yaml\ntraining: {max_steps: 9}\n", encoding="utf-8")
    (tmp_path / "both.yaml").write_text(
        "extends: own.yaml\nby_language: {mt: {training: {seed: 6}}}\n", encoding="utf-8"
    )
    training = load_recipe(str(tmp_path / "own.yaml")).training
    assert (training.max_steps, training.seed) == (9, 5)
    training = load_recipe(str(tmp_path / "both.yaml")).training
    assert (training.max_steps, training.seed) == (9, 6)


def test_the_mistakes_of_all_runs_are_told_at_once(tmp_path: Path) -> None:
    text = "language: mlt\nbase: {from_scratch: {}}\ncorpus: {}\ngrid: {source: [text, graph, fusion]}\n"
    (tmp_path / "odd.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"graph needs a graph section(.|\n)*in 1 of 3 runs(.|\n)*fusion needs a graph"):
        load_runs(str(tmp_path / "odd.yaml"))


def test_a_wrong_field_of_a_grid_is_told_once_with_the_other_mistakes(tmp_path: Path) -> None:
    text = (
        "language: mlt\nbase: {from_scratch: {}}\ncorpus: {file: a.txt}\n"
        "grid: {adapter: [seq_bn, lora], seed: [1, 2], training.max_steps: [1, 2]}\n"
    )
    (tmp_path / "odd.yaml").write_text(text, encoding="utf-8")
    for load in (load_runs, load_recipe):
        with pytest.raises(UserError) as caught:
            load(str(tmp_path / "odd.yaml"), ["training.max_grad_norm=x"])
        assert str(caught.value).splitlines() == [
            f"{tmp_path}/odd.yaml: 3 errors",
            "  grid.adapter: expected fields of this section; write grid: {adapter.type: [seq_bn, lora]}",
            "  grid.seed: unknown key; did you mean base.from_scratch.seed, graph.seed or training.seed?",
            "  corpus.file: unknown key; did you mean corpus.files?",
            "--set training.max_grad_norm=x: expected a number, got 'x'",
        ]


def test_a_grid_cannot_be_set() -> None:
    with pytest.raises(UserError, match="grid can be set in a recipe file only"):
        load_recipe("quickstart", ["grid={source: [text]}"])


def test_paths_in_a_grid_are_seen_from_its_file(tmp_path: Path) -> None:
    text = "language: mlt\nbase: {from_scratch: {}}\ngrid: {corpus.files: [a.txt, b.txt], base: [./own, x/y]}\n"
    (tmp_path / "paths.yaml").write_text(text, encoding="utf-8")
    reference = str(tmp_path / "paths.yaml")
    loaded = [run for _, run in load_runs(reference)]
    files = [one.corpus.files for one in loaded if one.corpus]
    assert files == [[str(tmp_path / name)] for name in ("a.txt", "a.txt", "b.txt", "b.txt")]
    assert [one.base.model for one in loaded] == [str(tmp_path / "own"), "x/y"] * 2
    assert len(load_runs(reference, ["base=x/y"])) == 2
