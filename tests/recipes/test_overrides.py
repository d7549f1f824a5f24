"""Overrides from `--set`, short options and the environment, and the mistakes that they cause."""

from pathlib import Path

import pytest
from lrl_adapt.recipes.loading import check_files, load_recipe
from lrl_adapt.recipes.overrides import Override
from lrl_adapt.workspace.errors import UserError

from .recipe_files import PLAIN, errors, write

pytestmark = pytest.mark.usefixtures("current_folder")


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


def test_a_mistake_is_told_of_the_file_or_the_override_that_it_is_in() -> None:
    text = PLAIN + "training: {max_steps: 0, learning_rate: -1}\nadapter: {typ: lora}\n"
    message = errors("training.max_steps=-5", "training.seed=7", "training.seed=-1", text=text)
    assert message.splitlines() == [
        "recipe.yaml: 2 errors",
        "  adapter.typ: unknown key; did you mean adapter.type?",
        "  training.learning_rate: expected a number above 0, got -1",
        "--set training.max_steps=-5: expected a number above 0, got -5",  # the file's value does not count
        "--set training.seed=-1: expected a number of at least 0, got -1",
    ]


def test_a_mistake_of_a_section_is_told_of_the_override_that_brought_it_about() -> None:
    text = PLAIN + "eval: {topic: {train: a.csv}}\n"
    assert errors("eval.topic.label=x", text=text).startswith("recipe.yaml: 1 error\n  eval.topic: validation and test")
    text = PLAIN + "eval: {topic: {train: a.csv, validation: b.csv, test: c.csv}}\n"
    message = errors("eval.topic.file=d.csv", "training.seed=1", text=text)
    assert message.startswith(
        "--set eval.topic.file=d.csv: eval.topic: give either file, or train, validation and test"
    )
    fused = PLAIN + "graph: {}\nsource: fusion\n"
    assert errors("adapter.type=lora", "training.seed=1", text=fused).startswith(
        "recipe.yaml with --set adapter.type=lora, --set training.seed=1: 1 error\n  source: fusion works "
    )


def test_an_override_is_named_as_the_user_gave_it() -> None:
    given = Override("adapter.type=seqbn", "--adapter seqbn")
    assert errors(given).startswith("--adapter seqbn: expected 'seq_bn'")
    assert errors(Override("adapter.type=seqbn", "")).startswith("recipe.yaml: 1 error\n  adapter.type: expected")


def test_a_task_file_that_is_not_there_is_told_of_its_override() -> None:
    assert errors("eval.topic=sib20").startswith(
        "--set eval.topic=sib20: no task file or bundled task is called 'sib20'"
    )


NAMES = ["texts #2", "2024-05-01", "yes", "no", "on", "true", "3", "1e3", "null.txt", "[2024]", "[2024] c.txt", "{a}"]


@pytest.mark.parametrize("name", NAMES)
def test_a_path_given_to_set_means_what_it_says(name: str, tmp_path: Path) -> None:
    """In every field that holds paths: of the corpus, tasks, sentences, the base, the graph, an adapter."""
    write("recipe.yaml", PLAIN)
    Path(name).write_text("text,label\n", encoding="utf-8")
    here = str(tmp_path / name)
    fields = ["corpus.files", "eval.mlm.files", "eval.topic.file", "eval.others.mood.file", "graph.conceptnet"]
    fields += ["graph.templates"]
    recipe = load_recipe("recipe.yaml", [f"{field}={name}" for field in fields])
    assert recipe.corpus is not None
    assert recipe.graph is not None
    assert recipe.eval.topic is not None
    result = [recipe.corpus.files, recipe.eval.mlm.files, [recipe.eval.topic.file], [recipe.graph.templates]]
    assert result == [[here]] * 4
    assert (recipe.eval.others["mood"].file, recipe.graph.conceptnet) == (here, here)
    check_files(recipe)
    assert load_recipe("recipe.yaml", [f"base={name}"]).base.model == here
    Path(name).write_text("{train: a.csv, validation: b.csv, test: c.csv}", encoding="utf-8")
    topic = load_recipe("recipe.yaml", [f"eval.topic={name}"]).eval.topic
    assert topic is not None
    assert topic.train == str(tmp_path / "a.csv")


def test_lists_quotes_and_null_in_set_are_yaml_for_paths_too(tmp_path: Path) -> None:
    write("recipe.yaml", PLAIN)

    def files(value: str) -> list[str]:
        corpus = load_recipe("recipe.yaml", [f"corpus.files={value}"]).corpus
        assert corpus is not None
        return [str(Path(file).relative_to(tmp_path)) for file in corpus.files]

    assert files("[2024-05-01, yes, 3]") == ["2024-05-01", "yes", "3"]
    assert files('["a #2", b]') == ["a #2", "b"]
    assert files("'a #2'") == ["a #2"]
    assert files(str([f"part-{number:04}.txt" for number in range(40)])) == [f"part-{n:04}.txt" for n in range(40)]
    assert load_recipe("recipe.yaml", ["eval.topic.file=x.csv", "eval.topic=null"]).eval.topic is None
    assert load_recipe("recipe.yaml", ["graph.templates=~", "graph.conceptnet=x"]).graph is not None
    assert "the value is not valid YAML" in errors("corpus.files=[2024] gone.txt")
    with pytest.raises(UserError, match=r"no such file or folder: .*/texts #2$"):
        check_files(load_recipe("recipe.yaml", ["corpus.files=texts #2"]))


def test_a_later_override_goes_before_an_earlier_one() -> None:
    write("recipe.yaml", PLAIN)
    assert load_recipe("recipe.yaml", ["training.seed=1", "training.seed=2"]).training.seed == 2
    assert load_recipe("recipe.yaml", ["name=a=b"]).name == "a=b"


@pytest.mark.parametrize("override", ["a..b=1", ".a=1", "", "training.max_steps:3", "corpus.files=[a"])
def test_a_bad_override_is_quoted(override: str) -> None:
    write("recipe.yaml", PLAIN)
    with pytest.raises(UserError, match=r"^--set ") as error:
        load_recipe("recipe.yaml", [override])
    assert str(error.value).startswith(f"--set {override}:")


def test_extends_cannot_be_overridden() -> None:
    assert "extends can be set in a recipe file only" in errors("extends=mbert")


def test_a_base_in_the_command_takes_the_place_of_a_random_one() -> None:
    base = load_recipe(write("recipe.yaml", PLAIN), ["base=a/b"]).base
    assert (base.model, base.from_scratch) == ("a/b", None)
    assert "base: give either model or from_scratch" in errors("base.model=a/b")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training=3", ": expected a section, got 3; write training: {max_steps: 3}"),
        ("base=null", ": the value is missing"),
        ("training.max_steps=", ": the value is missing"),
        ("training.max_steps=1e3", ": expected a whole number, got '1e3'"),
        ("eval.seeds=1", ": expected a list, got 1; write [1]"),
        ("adapter=lora", ": expected a section, got 'lora'; write adapter: {type: lora}"),
        ("eval=mlm", "eval: {tasks: [mlm]}"),
        ("eval.training=20", ": expected a section, got 20; write training: {num_train_epochs: 20}"),
        ("corpus=texts", ": expected a section, got 'texts'; write corpus: {files: [texts]}"),
        ("graph=native", ": expected a section, got 'native'; write graph: {linearisation: native}"),
        ("graph=true", ": expected a section, got True; write graph: {}"),
        ("eval=true", "; write eval: {}"),
        ('adapter="a\\nb"', "got 'a\\nb'; write adapter: {type: seq_bn}"),
        ("eval=x", "; write eval: {seeds: [1, 2, 3]}"),
        ("name=3", ": expected text, got 3; put it in quotes"),
        ("corpus.repair=sometimes", ": expected true or false, got 'sometimes'"),
        ("corpus.share=3", ": expected a mapping such as {NAME: VALUE}, got 3"),
        ("corpus.share={1: 0.5}", "corpus.share.1: expected a name as the key, got 1"),
        ("training.seed=5000000000", ": expected a number below 4294967296, got 5000000000"),
        ("corpus.min_letters=1.5", ": expected a number of at most 1, got 1.5"),
        ("adapter.freeze=[embedding]", ": expected embeddings or the number of a block, got 'embedding'"),
        ("eval.topic={file: []}", "eval.topic.file: expected a path, or a list of them, got []"),
        ("eval.topic={file: a.csv, text: {}}", "text: expected a column's name, or a list of them, got {}"),
        ("corpus.sources=[{repo: a/b}]", "sources.0.repo: unknown key; did you mean corpus.sources.0.repository?"),
        ("max_steps=5", ": unknown key; did you mean training.max_steps?"),
        ("max_step=5", ": unknown key; did you mean training.max_steps?"),
        ("training.epochs=3", ": unknown key; did you mean eval.training.num_train_epochs?"),
        (
            "max_length=9",
            "did you mean training.max_length, eval.mlm.max_length or eval.training.max_length?",
        ),
        ("training.max_steps=true", ": expected a number, got true"),
        ("training.early_stopping_patience=false", ": expected a number, got false"),
        (
            "training.max_steps=0",
            ": expected a number above 0; for an adapter without training, set control: untrained",
        ),
        ("training.learning_rate=.inf", ": expected a finite number"),
        ("corpus.max_bytes=lots", ": expected a size such as 100MB, got 'lots'"),
        (
            "eval.tasks=[mlmm]",
            ": the recipe has no task 'mlmm'; did you mean mlm?",
        ),
        ("eval.seeds=[]", ": expected at least one value, got []"),
        ("eval.topic.train=a.csv", "eval.topic: validation and test missing"),
        ("training.zzzz=1", ": unknown key; known: max_steps, learning_rate"),
        ("corpsu.files=a", "corpsu: unknown key; did you mean corpus?"),
        ("language=no", ": 'no' may mean nno_Latn"),
        ("language=kur", ": 'kur' is a macro-language; use"),
    ],
)
def test_each_mistake_in_an_override_is_told_with_its_place(override: str, message: str) -> None:
    assert errors(override).startswith(f"--set {override}: ")
    assert message in errors(override)


def test_null_takes_a_section_away() -> None:
    text = PLAIN + "graph: {}\neval: {topic: {train: a.csv, validation: b.csv, test: c.csv}}\n"
    recipe = load_recipe(write("recipe.yaml", text), ["eval.topic=null", "graph=null", "corpus.max_bytes=1KB"])
    assert (recipe.graph, recipe.eval.topic, recipe.eval.configured) == (None, None, ["mlm"])
    assert recipe.corpus is not None
    assert recipe.corpus.max_bytes == 1000
    assert load_recipe("recipe.yaml", ["corpus=none", "source=graph"]).corpus is None
