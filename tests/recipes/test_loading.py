"""Loading recipes: finding and extending them, their paths, tasks and files."""

from pathlib import Path

import pytest
import yaml
from lrl_adapt.recipes.languages import all_languages
from lrl_adapt.recipes.loading import BUNDLED, check_files, find_recipe, load_recipe, load_runs
from lrl_adapt.recipes.schema import Recipe
from lrl_adapt.workspace.errors import UserError

from .recipe_files import PLAIN, errors, write

pytestmark = pytest.mark.usefixtures("current_folder")


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


def test_a_task_that_names_all_its_files_keeps_nothing_of_the_one_it_replaces() -> None:
    own = {"train": "a.csv", "validation": "b.csv", "test": "c.csv"}
    write("recipe.yaml", yaml.safe_dump({"extends": "mbert", "eval": {"topic": own}}))
    by_file = load_recipe("recipe.yaml").eval.topic
    by_option = load_recipe("mbert", [f"eval.topic={own}"]).eval.topic
    for topic in (by_file, by_option):
        assert topic is not None
        assert (topic.label, topic.labels, topic.dataset, topic.skip_missing) == ("label", None, "", False)
    one = load_recipe("mbert", ["eval.topic={file: a.csv}"]).eval.topic
    assert one is not None
    assert (one.train, one.labels) == (None, None)


def test_single_fields_of_a_task_change_that_task() -> None:
    topic = load_recipe("mbert", ["eval.topic.label=other", "eval.topic.test=c.csv"]).eval.topic
    assert topic is not None
    assert topic.label == "other"
    assert topic.labels is not None
    assert str(topic.train).startswith("hf://")


@pytest.mark.parametrize(
    ("change", "skips"),
    [
        ("eval.topic.max_train_samples=5", True),
        ("eval.topic=sib200", True),
        ("eval.topic.test=hf://datasets/me/mine/test.csv", False),
        ("eval.topic={train: a.csv, validation: b.csv, test: c.csv}", False),
        ("eval.mlm.files=hf://datasets/me/mine/lines.txt", False),
    ],
)
def test_data_that_the_user_names_are_never_skipped(change: str, skips: bool) -> None:
    settings = load_recipe("mbert", ["language=mlt", change]).eval
    section = settings.mlm if "mlm" in change else settings.topic
    assert section is not None
    assert section.skip_missing is skips


def test_a_base_is_a_folder_if_there_is_one_else_a_hub_id() -> None:
    text = "language: sw\nbase: my/model\ncorpus: {files: a.txt}\n"
    assert load_recipe(write("recipe.yaml", text)).base.model == "my/model"
    Path("my/model").mkdir(parents=True)
    assert load_recipe("recipe.yaml").base.model == str(Path("my/model").resolve())


def test_check_lists_every_missing_file() -> None:
    task = "eval: {topic: {train: a.csv, validation: b.csv, test: hf://datasets/a/b/c.csv}}\n"
    recipe = load_recipe(write("recipe.yaml", PLAIN + task))
    with pytest.raises(UserError) as error:
        check_files(recipe)
    lines = str(error.value).splitlines()
    assert lines[0] == "the recipe names files that do not exist:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "corpus.files",
        "eval.topic.train",
        "eval.topic.validation",
    ]


def test_a_file_beside_goes_before_a_bundled_recipe() -> None:
    write("deep/mbert", PLAIN)
    assert load_recipe(write("deep/own.yaml", "extends: mbert\n")).base.from_scratch is not None
    assert load_recipe(write("own.yaml", "extends: mbert\n")).base.from_scratch is None


@pytest.mark.parametrize("text", ["extends: 3\n", "extends: [mbert]\n"])
def test_extends_is_one_name(text: str) -> None:
    assert "extends: expected the name or path of a recipe" in errors(text=text)


def test_a_recipe_that_extends_itself() -> None:
    assert "recipe.yaml: extends itself" in errors(text="extends: recipe.yaml\n")


@pytest.mark.parametrize("name", ["2024-05-01", "yes", "off", "2024-05-01 10:00:00"])
def test_an_unquoted_path_in_a_recipe_stays_what_it_says(name: str, tmp_path: Path) -> None:
    corpus = load_recipe(write("recipe.yaml", PLAIN.replace("texts/*.txt", name))).corpus
    assert corpus is not None
    assert corpus.files == [str(tmp_path / name)]
    listed = load_recipe(write("listed.yaml", PLAIN.replace("texts/*.txt", f"[{name}]"))).corpus
    assert listed == corpus


def test_paths_are_seen_from_the_file_and_from_the_folder_for_overrides(tmp_path: Path) -> None:
    text = PLAIN.replace("texts/*.txt", '["a.txt", "../b.txt", /c.txt, "{language}/d.txt", "~/e.txt"]')
    corpus = load_recipe(write("deep/recipe.yaml", text)).corpus
    assert corpus is not None
    deep = tmp_path / "deep"
    home = Path("~/e.txt").expanduser()
    assert corpus.files == [str(deep / "a.txt"), str(tmp_path / "b.txt"), "/c.txt", f"{deep}/swh_Latn/d.txt", str(home)]
    task = [f"eval.topic.{split}={split}.csv" for split in ("train", "validation", "test")]
    topic = load_recipe("deep/recipe.yaml", task).eval.topic
    assert topic is not None
    assert (topic.train, topic.test) == (str(tmp_path / "train.csv"), str(tmp_path / "test.csv"))


def test_addresses_stay_as_they_are() -> None:
    for address in ("https://example.org/a.csv.gz", "hf://datasets/a/b@main/c.csv"):
        graph = load_recipe(write("recipe.yaml", PLAIN), [f"graph.conceptnet={address}"]).graph
        assert graph is not None
        assert graph.conceptnet == address


@pytest.mark.parametrize("base", ["./my", "../my", "/my", "~/my"])
def test_a_base_that_looks_like_a_path_is_a_folder(base: str) -> None:
    model = load_recipe(write("deep/recipe.yaml", PLAIN), [f"base={base}"]).base.model
    assert model == str(Path(base).expanduser().resolve())


def test_no_code_is_run_from_a_recipe(tmp_path: Path) -> None:
    text = PLAIN + f"name: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n"
    assert "not valid YAML" in errors(text=text)
    assert not (tmp_path / "made").exists()


def test_check_passes_where_everything_is_there_or_elsewhere() -> None:
    write("texts/a.txt", "Habari.")
    check_files(load_recipe(write("recipe.yaml", PLAIN)))
    check_files(load_recipe("recipe.yaml", ["base=owner/model"]))
    with pytest.raises(UserError, match=r"base\.model: no such file or folder: .*/my"):
        check_files(load_recipe("recipe.yaml", ["base=./my"]))
    with pytest.raises(UserError, match=r"corpus\.files: no such file or folder: .*/none\.txt"):
        check_files(load_recipe("recipe.yaml", ["corpus.files=[texts/a.txt, none.txt]"]))


def test_a_task_may_be_a_bundled_name_or_a_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "intent.yaml").write_text("file: intent.csv\nlabel: intent\n")
    (tmp_path / "mine.yaml").write_text(
        "extends: mbert\neval:\n  topic: sib200\n  ner: null\n  others:\n    intent: intent.yaml\n"
    )
    evaluation = load_recipe(str(tmp_path / "mine.yaml"), ["language=mlt"]).eval
    assert evaluation.topic is not None
    assert evaluation.topic.test.endswith("/data/mlt_Latn/test.tsv")
    assert evaluation.others["intent"].file == str(tmp_path / "intent.csv")
    assert evaluation.configured == ["mlm", "topic", "intent"]
    with pytest.raises(UserError, match="no task file or bundled task is called 'sib20'; did you mean sib200"):
        load_recipe("mbert", ["eval.topic=sib20"])


def test_data_in_place_of_a_task_file_is_reported_with_the_other_mistakes() -> None:
    text = "eval: {topic: suġġetti.csv, others: {intent: 'a, b.conll'}, sede: 1}\ntraining: {max_steps: none}\n"
    message = errors(text=PLAIN + text)
    assert message.startswith("recipe.yaml: 4 errors\n")
    assert "eval.topic: 'suġġetti.csv' is data and not a task file: write topic: {file: suġġetti.csv}" in message
    assert "eval.others.intent: 'a, b.conll' is data" in message
    assert "write intent: {file: 'a, b.conll'}" in message
    assert "training.max_steps: expected" in message
    assert errors("eval.topic=a.csv") == (
        "--set eval.topic=a.csv: 'a.csv' is data and not a task file: write topic: {file: a.csv}"
    )


def test_a_task_file_may_be_json(tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text('{"file": "data.csv"}', encoding="utf-8")
    recipe = load_recipe(write("recipe.yaml", PLAIN + f"eval: {{topic: {tmp_path}/task.json}}\n"))
    assert recipe.eval.topic is not None
    assert recipe.eval.topic.file == str(tmp_path / "data.csv")


def test_a_task_file_leaves_nothing_of_the_task_it_replaces() -> None:
    recipe = load_recipe("quickstart", ["eval.topic=sib200"])
    assert recipe.eval.topic is not None
    assert recipe.eval.topic.train == load_recipe("mbert", ["language=swh"]).eval.topic.train  # type: ignore[union-attr]
    assert recipe.eval.topic.max_train_samples is None


def test_transfer_trains_on_the_other_languages_files() -> None:
    topic = load_recipe("mbert", ["language=mlt", "eval.transfer_from=eng"]).eval.topic
    assert topic is not None
    assert str(topic.transfer_train).endswith("/eng_Latn/train.tsv")
    assert str(topic.transfer_validation).endswith("/eng_Latn/dev.tsv")
    assert str(topic.train).endswith("/mlt_Latn/train.tsv")  # still what the text must not hold


def test_the_transfer_adapter_is_the_other_languages() -> None:
    changes = ["language=mlt", "eval.transfer_from=eng", "eval.transfer_adapter=/adapters/{language}"]
    assert load_recipe("mbert", changes).eval.transfer_adapter == "/adapters/eng_Latn"


def test_without_labels_of_its_own_a_language_needs_a_test_file_alone() -> None:
    files = "{train: null, validation: null, test: /mlt, transfer_train: /a, transfer_validation: /b}"
    changes = ["language=mlt", "eval.tasks=[topic]", f"eval.topic={files}"]
    learnt = load_recipe("mbert", [*changes, "eval.transfer_from=eng"]).eval.learnt("topic")
    assert (learnt.train, learnt.validation, learnt.test) == ("/a", "/b", "/mlt")
    with pytest.raises(UserError, match="train and validation missing; to use its transfer files, set their language"):
        load_recipe("mbert", changes)
    with pytest.raises(UserError, match="validation missing: give train, validation and test"):
        load_recipe("mbert", [*changes, "eval.topic.transfer_validation=null", "eval.transfer_from=eng"])
    with pytest.raises(
        UserError, match=r"that do not exist:\n  eval\.topic\.test: no such file or folder: /mlt$"
    ):  # the others are not read
        check_files(load_recipe("mbert", ["language=mlt", "eval.tasks=[mlm]", f"eval.topic={files}"]))


def test_a_branch_of_the_base_may_be_written_as_in_an_address() -> None:
    recipe = load_recipe("mbert", ["base.revision=refs%2Fpr%2F3"])
    assert recipe.base.revision == load_recipe("mbert", ["base.revision=refs/pr/3"]).base.revision == "refs/pr/3"


@pytest.mark.parametrize(
    "name", ["bert-base-multilingual-cased", "xlm-roberta-large", "xlm-mlm-100-1280", "me/base-mini"]
)
def test_ids_that_the_hub_may_have_are_left_to_it(name: str) -> None:
    assert load_recipe("mbert", ["language=mlt", f"base={name}"]).base.model == name


def test_a_task_may_change_the_training_of_its_adapters() -> None:
    texts = "{train: a.tsv, validation: b.tsv, test: c.tsv}"
    below = f"eval: {{topic: {texts}, others: {{mood: {texts}}}, training: {{batch_size: 8, max_length: 64}}}}\n"
    write("below.yaml", PLAIN + below)
    own = "eval: {topic: {training: {num_train_epochs: 3, max_length: 99}}, others: {mood: {training: {dropout: 0}}}}\n"
    path = write("own.yaml", "extends: below.yaml\n" + own)
    for recipe in (load_recipe(path), Recipe.model_validate(load_recipe(path).model_dump(mode="json"))):
        topic, mood = recipe.eval.training_of("topic"), recipe.eval.training_of("mood")
        assert (topic.num_train_epochs, topic.max_length, topic.batch_size) == (3, 99, 8)
        assert (mood.num_train_epochs, mood.max_length, mood.dropout) == (20, 64, 0)
        assert (recipe.eval.training.num_train_epochs, recipe.eval.training.max_length) == (20, 64)
    changes = ["eval.training.batch_size=2", "eval.topic.training.max_length=77"]
    topic = load_recipe(path, changes).eval.training_of("topic")
    assert (topic.num_train_epochs, topic.max_length, topic.batch_size) == (3, 77, 2)
    with pytest.raises(
        UserError, match=r"eval\.topic\.training\.num_epochs.*did you mean eval\.topic\.training\.num_train_epochs"
    ):
        load_recipe(path, ["eval.topic.training.num_epochs=3"])


@pytest.mark.parametrize(("name", "runs"), [("paper", 600), ("paper-today", 480)])
def test_the_grids_of_the_paper_are_its_thirty_languages_on_both_bases(name: str, runs: int) -> None:
    recipes = [recipe for _, recipe in load_runs(name)]
    assert len(recipes) == runs
    assert {recipe.language for recipe in recipes} == {one.code for one in all_languages() if one.paper}
    systems = {recipe.system for recipe in recipes if recipe.language == "mlt_Latn"}
    assert {"none/text", "seq_bn/text", "full/text", "seq_bn/graph", "seq_bn/fusion"} <= systems
    assert {recipe.base.model for recipe in recipes} == {load_recipe(base).base.model for base in ("mbert", "xlmr")}
    if name == "paper":
        (graph,) = [one for one in recipes if one.language == "mlt_Latn" and one.system == "lora/graph"][:1]
        assert (graph.training.max_steps, graph.training.line_by_line, graph.adapter.invert_before_head) == (
            25000,
            True,
            False,
        )
        epochs = {task: graph.eval.training_of(task).num_train_epochs for task in ("topic", "sentiment", "ner")}
        assert epochs == {"topic": 20, "sentiment": 25, "ner": 100}
        assert graph.eval.training_of("ner").label_pieces == "all"
