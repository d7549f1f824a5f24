from pathlib import Path

import pytest
from lrl_adapt.recipes.errors import UserError
from lrl_adapt.recipes.loading import BUNDLED, check_files, find_recipe, load_recipe

PLAIN = "language: sw\nbase: {from_scratch: {}}\ncorpus: {files: texts/*.txt}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, text: str) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")
    return name


def errors(*overrides: str, text: str = PLAIN) -> str:
    with pytest.raises(UserError) as told:
        load_recipe(write("recipe.yaml", text), overrides)
    return str(told.value)


def test_the_default_is_the_folders_recipe_else_the_quickstart() -> None:
    assert find_recipe(None) == BUNDLED / "quickstart" / "recipe.yaml"
    write("recipe.yaml", PLAIN)
    assert find_recipe(None) == Path("recipe.yaml")
    assert load_recipe().language == "swh_Latn"


def test_a_mistyped_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean quickstart"):
        load_recipe("quikstart")
    with pytest.raises(UserError, match=r"bundled recipes: .*mbert"):
        load_recipe("zzzz")


def test_extends_merges_mappings_and_replaces_the_rest() -> None:
    write("below/base.yaml", PLAIN + "training: {max_steps: 7, seed: 3}\neval: {seeds: [1, 2]}\n")
    write("middle.yaml", "extends: below/base.yaml\ntraining: {seed: 4}\n")
    top = load_recipe(write("top.yaml", "extends: middle.yaml\neval: {seeds: [9]}\n"))
    assert (top.name, top.training.max_steps, top.training.seed, top.eval.seeds) == ("top", 7, 4, [9])
    assert top.corpus is not None
    assert top.corpus.files == [str(Path("below/texts/*.txt").resolve())]  # seen from the file that says it
    assert (
        load_recipe(write("own.yaml", "extends: mbert\nlanguage: mt\n")).base.model == load_recipe("mbert").base.model
    )


def test_extends_that_goes_in_a_circle_or_nowhere() -> None:
    write("a.yaml", "extends: b.yaml\n")
    write("b.yaml", "extends: a.yaml\n")
    with pytest.raises(UserError, match="extends itself"):
        load_recipe("a.yaml")
    with pytest.raises(UserError, match="no recipe file or bundled recipe"):
        load_recipe(write("c.yaml", "extends: nowhere\n"))


def test_overrides_are_read_as_yaml_from_the_current_folder() -> None:
    recipe = load_recipe(
        write("deep/recipe.yaml", PLAIN),
        [
            "training.max_steps=50",
            "training.learning_rate=1e-3",
            "eval.seeds=[1, 2]",
            "corpus.files=own.txt",
            "graph={}",
        ],
    )
    assert (recipe.training.max_steps, recipe.training.learning_rate, recipe.eval.seeds) == (50, 1e-3, [1, 2])
    assert recipe.corpus is not None
    assert recipe.corpus.files == [str(Path("own.txt").resolve())]
    assert recipe.graph is not None
    assert load_recipe("deep/recipe.yaml", ["base=a/b"]).base.model == "a/b"
    for bad in ("training.max_steps", "=3", "a b=3", "training.max_steps=[1"):
        with pytest.raises(UserError, match="--set"):
            load_recipe("deep/recipe.yaml", [bad])


def test_variables_and_placeholders(monkeypatch: pytest.MonkeyPatch) -> None:
    write("recipe.yaml", PLAIN.replace("texts/*.txt", '"${TEXTS}/{language}-{glotcc}-{conceptnet}-{wikiann}.txt"'))
    assert "environment variable TEXTS is not set" in errors(text=Path("recipe.yaml").read_text())
    monkeypatch.setenv("TEXTS", "/data")
    for code in ("sw", "swh-Latn"):
        corpus = load_recipe("recipe.yaml", [f"language={code}"]).corpus
        assert corpus is not None
        assert corpus.files == ["/data/swh_Latn-swh-Latn-sw-sw.txt"]


def test_a_language_without_a_code_for_a_source_says_how_to_leave_it_out() -> None:
    with pytest.raises(UserError, match=r"eval\.ner\.train: no wikiann code .* --set eval\.ner=null"):
        load_recipe("mbert", ["language=kab-Latn"])
    assert load_recipe("mbert", ["language=kab-Latn", "eval.ner=null"]).eval.configured == ["mlm", "topic"]


def test_a_base_is_a_folder_if_there_is_one_else_a_hub_id() -> None:
    text = "language: sw\nbase: my/model\ncorpus: {files: a.txt}\n"
    assert load_recipe(write("recipe.yaml", text)).base.model == "my/model"
    Path("my/model").mkdir(parents=True)
    assert load_recipe("recipe.yaml").base.model == str(Path("my/model").resolve())


def test_every_mistake_in_one_message() -> None:
    told = errors(
        "training.max_step=3", "language=swx", "adapter.type=seqbn", "training.learning_rate=abc", "eval.topc.train=x"
    )
    assert told.startswith("recipe.yaml: 5 errors\n")
    for line in (
        "language: unknown language 'swx'; did you mean",
        "training.max_step: unknown key; did you mean max_steps?",
        "adapter.type: expected 'seq_bn', 'lora' or 'none', got 'seqbn'; did you mean seq_bn?",
        "training.learning_rate: expected a number",
        "eval.topc: unknown key; did you mean topic?",
    ):
        assert f"\n  {line}" in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAIN.replace("sw", "no", 1), "language: YAML reads a bare"),
        ("language: [", "not valid YAML"),
        ("- a\n- b\n", "a recipe is a mapping"),
        ("base: {from_scratch: {}}\n", "language: is required"),
        (PLAIN + "source: fusion\n", "fusion needs a fusion layer"),
        (PLAIN + "source: graph\n", "source: graph needs a graph section"),
        (PLAIN.replace("corpus: {files: texts/*.txt}", "corpus: none"), "source: text needs a corpus section"),
        (PLAIN + "eval: {tasks: [ner]}\n", "eval: task ner has no data: add eval.ner"),
        (PLAIN.replace("{from_scratch: {}}", "{}"), "base: give either model or from_scratch"),
        (PLAIN.replace("{from_scratch: {}}", "{from_scratch: {heads: 7}}"), "128 is not a multiple of heads 7"),
        (PLAIN + "training: {mask_probability: 2}\n", "mask_probability: expected less than 1"),
        (PLAIN + "corpus: none\nsorce: graph\n", "sorce: unknown key; did you mean source"),
    ],
)
def test_each_mistake_is_told_with_its_place(text: str, message: str) -> None:
    told = errors(text=text)
    assert message.lower() in told.lower()


def test_an_unreadable_recipe() -> None:
    Path("recipe.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="cannot be read"):
        load_recipe("recipe.yaml")


def test_check_lists_every_missing_file() -> None:
    task = "eval: {topic: {train: a.csv, validation: b.csv, test: hf://datasets/a/b/c.csv}}\n"
    recipe = load_recipe(write("recipe.yaml", PLAIN + task))
    with pytest.raises(UserError) as told:
        check_files(recipe)
    lines = str(told.value).splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "corpus.files",
        "eval.topic.train",
        "eval.topic.validation",
    ]
