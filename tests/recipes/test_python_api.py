"""Recipes from Python: keywords do what the command line's options do."""

from pathlib import Path

import pytest
from lrl_adapt.recipes.loading import load_recipe as load_with_words
from lrl_adapt.recipes.python_api import load_recipe, load_recipes
from lrl_adapt.workspace.errors import UserError

GRID = 'extends: quickstart\ngrid: {adapter.type: [none, lora], "training.learning_rate": [1e-3, 1e-4]}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_keywords_are_the_options_of_the_command_line(folder: Path) -> None:
    words = ["adapter.type=lora", "source=graph", "eval.tasks=[mlm, ner]", "training.learning_rate=0.00001"]
    words += ["training.line_by_line=false", "corpus.files=x.txt", "adapter.r=4", "language=swh"]
    recipe = load_recipe(
        "quickstart",
        language="sw",
        adapter="lora",
        source="graph",
        tasks=("mlm", "ner"),
        overrides={
            "training.learning_rate": 1e-5,
            "training.line_by_line": False,
            "corpus.files": Path("x.txt"),
            "adapter": {"r": 4},
        },
    )
    assert recipe == load_with_words("quickstart", words)


def test_a_string_is_one_task(folder: Path) -> None:
    assert load_recipe("quickstart", tasks="mlm").eval.tasks == ["mlm"]
    assert load_recipes("quickstart", overrides={"eval.tasks": "ner"})[0].eval.tasks == ["ner"]


def test_keywords_win_over_overrides_and_these_over_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRL_ADAPT_SET", "adapter.type=ia3;training.max_steps=1;training.seed=7")
    recipe = load_recipe("quickstart", adapter="lora", overrides={"adapter.type": "par_bn", "training.max_steps": 2})
    assert (recipe.adapter.type, recipe.training.max_steps, recipe.training.seed) == ("lora", 2, 7)


def test_a_recipe_in_the_current_folder_comes_before_the_quickstart(folder: Path) -> None:
    assert load_recipe().name == "quickstart"
    Path("recipe.yaml").write_text("extends: quickstart\nname: here\n", encoding="utf-8")
    assert load_recipe().name == "here"
    assert load_recipe(Path("recipe.yaml")).name == "here"


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"adapter": "lorra"}, "adapter='lorra': expected .* did you mean lora"),
        ({"language": "xx"}, "language='xx': unknown language"),
        ({"tasks": "topik"}, r"^tasks='topik': the recipe has no task 'topik'; did you mean topic\?$"),
        ({"overrides": {"eval.tasks": "topik"}}, r"^eval.tasks='topik': the recipe has no task 'topik'"),
        ({"tasks": ["topik"]}, r"tasks=\['topik'\]: the recipe has no task 'topik'; did you mean topic"),
        (
            {"overrides": {"training.max_stepz": 5}},
            "training.max_stepz=5: unknown key; did you mean training.max_steps",
        ),
        ({"overrides": {"training.max_steps": "many"}}, "training.max_steps='many': expected a whole number"),
        ({"recipe": "quickstat"}, "did you mean quickstart"),
    ],
)
def test_mistakes_are_named_as_they_were_written_in_python(folder: Path, keywords: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_recipe(**keywords)


def test_a_grid_is_several_recipes_of_which_keywords_choose(folder: Path) -> None:
    Path("grid.yaml").write_text(GRID, encoding="utf-8")
    runs = [(recipe.adapter.type, recipe.training.learning_rate) for recipe in load_recipes("grid.yaml")]
    assert runs == [("none", 1e-3), ("none", 1e-4), ("lora", 1e-3), ("lora", 1e-4)]
    with pytest.raises(UserError, match=r"a grid of 4 runs: .* adapter.type, training.learning_rate, .* load_recipes"):
        load_recipe("grid.yaml")
    assert [recipe.adapter.type for recipe in load_recipes("grid.yaml", adapter="lora")] == ["lora", "lora"]
    chosen = load_recipe("grid.yaml", adapter="lora", overrides={"training.learning_rate": 1e-4})
    assert (chosen.adapter.type, chosen.training.learning_rate) == ("lora", 1e-4)
    assert len(load_recipes("quickstart")) == 1
