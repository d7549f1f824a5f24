from pathlib import Path

import pytest
import yaml
from lrl_adapt.recipes.availability import skipped_tasks
from lrl_adapt.recipes.loading import BUNDLED, check_files, find_recipe, load_recipe
from lrl_adapt.recipes.overrides import Override
from lrl_adapt.workspace.errors import UserError

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
    own = "eval.ner={train: 'hf://datasets/a/b/{wikiann}/c.csv', validation: d.csv, test: e.csv}"
    with pytest.raises(UserError, match=r"eval\.ner\.train: kab_Latn has no wikiann code.* --set eval\.ner=null"):
        load_recipe("mbert", ["language=kab-Latn", own])
    with pytest.raises(UserError, match=r"eval\.ner\.transfer_train: kab_Latn has no wikiann code"):
        load_recipe("mbert", ["language=mlt", "eval.transfer_from=kab-Latn"])  # named by the user


def test_a_bundled_task_without_a_code_for_the_language_is_skipped_later() -> None:
    recipe = load_recipe("mbert", ["language=kab-Latn"])
    assert recipe.eval.ner is not None
    assert "{wikiann}" in str(recipe.eval.ner.test)
    assert skipped_tasks(recipe, None)["ner"].reason == "WikiANN does not have Kabyle"


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


def test_every_mistake_in_one_message() -> None:
    told = errors(
        "training.max_step=3", "language=swx", "adapter.type=seqbn", "training.learning_rate=abc", "eval.topc.train=x"
    )
    lines = told.splitlines()
    for start in (
        "--set language=swx: unknown language 'swx'; did you mean",
        "--set training.max_step=3: unknown key; did you mean max_steps?",
        "--set adapter.type=seqbn: expected 'seq_bn', 'seq_bn_inv', 'double_seq_bn', 'par_bn', 'lora', 'ia3', 'full' "
        "or 'none', got 'seqbn'; did you mean seq_bn?",
        "--set training.learning_rate=abc: expected a number",
        "--set eval.topc.train=x: eval.topc: unknown key; did you mean topic?",
    ):
        assert any(line.startswith(start) for line in lines), start
    assert len(lines) == 5


def test_a_mistake_is_told_of_the_file_or_the_override_that_it_is_in() -> None:
    text = PLAIN + "training: {max_steps: 0, learning_rate: -1}\nadapter: {typ: lora}\n"
    told = errors("training.max_steps=-5", "training.seed=7", "training.seed=-1", text=text)
    assert told.splitlines() == [
        "recipe.yaml: 2 errors",
        "  adapter.typ: unknown key; did you mean type?",
        "  training.learning_rate: expected greater than 0, got -1",
        "--set training.max_steps=-5: expected greater than 0, got -5",  # the file's value does not count
        "--set training.seed=-1: expected greater than or equal to 0, got -1",
    ]


def test_a_mistake_of_a_section_is_told_of_the_override_that_brought_it_about() -> None:
    text = PLAIN + "eval: {topic: {train: a.csv}}\n"
    assert errors("eval.topic.label=x", text=text).startswith("recipe.yaml: 1 error\n  eval.topic: validation and test")
    text = PLAIN + "eval: {topic: {train: a.csv, validation: b.csv, test: c.csv}}\n"
    told = errors("eval.topic.file=d.csv", "training.seed=1", text=text)
    assert told.startswith("--set eval.topic.file=d.csv: eval.topic: give either file, or train, validation and test")
    fused = PLAIN + "graph: {}\nsource: fusion\n"
    assert errors("adapter.type=lora", "training.seed=1", text=fused).startswith(
        "recipe.yaml with --set adapter.type=lora, --set training.seed=1: 1 error\n  source: fusion fuses "
    )


def test_an_override_is_named_as_the_user_gave_it() -> None:
    given = Override("adapter.type=seqbn", "--adapter seqbn")
    assert errors(given).startswith("--adapter seqbn: expected 'seq_bn'")
    assert errors(Override("adapter.type=seqbn", "")).startswith("recipe.yaml: 1 error\n  adapter.type: expected")


def test_a_task_file_that_is_not_there_is_told_of_its_override() -> None:
    assert errors("eval.topic=sib20").startswith(
        "--set eval.topic=sib20: no task file or bundled task is called 'sib20'"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAIN.replace("sw", "no", 1), "language: 'no' may mean nno_Latn (Norwegian Nynorsk) or nob_Latn"),
        (PLAIN.replace("texts/*.txt", "2024"), "corpus.files: expected a path, but YAML reads a number here (2024)"),
        (PLAIN.replace("texts/*.txt", "[a.txt, 1e3, 2024]"), "YAML reads a number here (2024): put it in quotes"),
        (PLAIN.replace("texts/*.txt", "[true]"), "YAML reads true or false here (True): put it in quotes"),
        ("language: [", "not valid YAML"),
        ("- a\n- b\n", "a recipe is a mapping"),
        ("base: {from_scratch: {}}\n", "language: is required"),
        (PLAIN + "source: fusion\n", "source: fusion needs a graph section"),
        (
            PLAIN + "source: fusion\ngraph: {}\nadapter: {type: lora}\n",
            "fusion fuses seq_bn, seq_bn_inv, double_seq_bn; lora cannot be fused",
        ),
        (PLAIN + "source: graph\n", "source: graph needs a graph section"),
        (PLAIN.replace("corpus: {files: texts/*.txt}", "corpus: none"), "source: text needs a corpus section"),
        (PLAIN + "eval: {tasks: [ner]}\n", "eval: task ner has no data: add eval.ner"),
        (PLAIN.replace("{from_scratch: {}}", "{}"), "base: give either model or from_scratch"),
        (
            PLAIN.replace("{from_scratch: {}}", "{from_scratch: {num_attention_heads: 7}}"),
            "128 is not a multiple of num_attention_heads 7",
        ),
        *(
            (
                PLAIN + f"adapter: {{reduction_factor: {value}}}\n",
                "1 error\n  adapter.reduction_factor: expected a whole",
            )
            for value in ("0", "-1", "x", "true", "2.5", "{}", "{x: 8}", "{0: 0}", "{-1: 8}", "[8]")
        ),
        (PLAIN + "training: {mlm_probability: 2}\n", "mlm_probability: expected less than 1"),
        (PLAIN + "sorce: graph\n", "sorce: unknown key; did you mean source"),
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


def test_a_file_beside_goes_before_a_bundled_recipe() -> None:
    write("deep/mbert", PLAIN)
    assert load_recipe(write("deep/own.yaml", "extends: mbert\n")).base.from_scratch is not None
    assert load_recipe(write("own.yaml", "extends: mbert\n")).base.from_scratch is None


@pytest.mark.parametrize("text", ["extends: 3\n", "extends: [mbert]\n"])
def test_extends_is_one_name(text: str) -> None:
    assert "extends: expected the name or path of a recipe" in errors(text=text)


def test_a_recipe_that_extends_itself() -> None:
    assert "recipe.yaml: extends itself" in errors(text="extends: recipe.yaml\n")


def test_a_mistake_below_is_told_of_the_recipe_that_was_asked_for() -> None:
    write("below.yaml", PLAIN + "training: {max_step: 3}\n")
    told = errors(text="extends: below.yaml\n")
    assert "training.max_step: unknown key; did you mean max_steps?" in told
    write("below.yaml", "language: [\n")
    assert "below.yaml: not valid YAML" in errors(text="extends: below.yaml\n")


def test_null_takes_a_section_away() -> None:
    text = PLAIN + "graph: {}\neval: {topic: {train: a.csv, validation: b.csv, test: c.csv}}\n"
    recipe = load_recipe(write("recipe.yaml", text), ["eval.topic=null", "graph=null", "corpus.max_bytes=1KB"])
    assert (recipe.graph, recipe.eval.topic, recipe.eval.configured) == (None, None, ["mlm"])
    assert recipe.corpus is not None
    assert recipe.corpus.max_bytes == 1000
    assert load_recipe("recipe.yaml", ["corpus=none", "source=graph"]).corpus is None


NAMES = ["texts #2", "2024-05-01", "yes", "no", "on", "true", "3", "1e3", "null.txt", "[2024]", "[2024] c.txt", "{a}"]
NAMES += [
    "a: b",
    "*x",
    "&y",
    "!z",
    "%q",
    "'a'",
    '"b"',
    "- c",
    "a,b",
    "~x",
    "@m",
    "`n",
    "# one",
    "Kitabu – Ọ̀rọ̀",
    "u\u0301",
]


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
    found = [recipe.corpus.files, recipe.eval.mlm.files, [recipe.eval.topic.file], [recipe.graph.templates]]
    assert found == [[here]] * 4
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
    with pytest.raises(UserError, match=r"no such file: .*/texts #2$"):
        check_files(load_recipe("recipe.yaml", ["corpus.files=texts #2"]))


@pytest.mark.parametrize("name", ["2024-05-01", "yes", "off", "2024-05-01 10:00:00"])
def test_an_unquoted_path_in_a_recipe_stays_what_it_says(name: str, tmp_path: Path) -> None:
    corpus = load_recipe(write("recipe.yaml", PLAIN.replace("texts/*.txt", name))).corpus
    assert corpus is not None
    assert corpus.files == [str(tmp_path / name)]
    listed = load_recipe(write("listed.yaml", PLAIN.replace("texts/*.txt", f"[{name}]"))).corpus
    assert listed == corpus


def test_a_later_override_goes_before_an_earlier_one() -> None:
    write("recipe.yaml", PLAIN)
    assert load_recipe("recipe.yaml", ["training.seed=1", "training.seed=2"]).training.seed == 2
    assert load_recipe("recipe.yaml", ["name=a=b"]).name == "a=b"


@pytest.mark.parametrize("override", ["a..b=1", ".a=1", "", "training.max_steps:3", "corpus.files=[a"])
def test_a_bad_override_is_quoted(override: str) -> None:
    write("recipe.yaml", PLAIN)
    with pytest.raises(UserError, match=r"^--set ") as told:
        load_recipe("recipe.yaml", [override])
    assert str(told.value).startswith(f"--set {override}:")


def test_extends_cannot_be_overridden() -> None:
    assert "extends can be set in a recipe file only" in errors("extends=mbert")


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


def test_a_base_in_the_command_takes_the_place_of_a_random_one() -> None:
    base = load_recipe(write("recipe.yaml", PLAIN), ["base=a/b"]).base
    assert (base.model, base.from_scratch) == ("a/b", None)
    assert "base: give either model or from_scratch" in errors("base.model=a/b")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training=3", ": expected fields, such as training.max_steps=1000, got 3"),
        ("base=null", ": the value is missing"),
        ("training.max_steps=", ": the value is missing"),
        ("training.max_steps=1e3", ": expected a whole number, got '1e3'"),
        ("eval.seeds=1", ": expected a list, got 1; write [1]"),
        ("max_steps=5", ": unknown key; did you mean training.max_steps?"),
        ("max_step=5", ": unknown key; did you mean training.max_steps?"),
        ("training.epochs=3", ": unknown key; did you mean eval.training.num_train_epochs?"),
        (
            "max_length=9",
            "did you mean training.max_length, eval.mlm.max_length or eval.training.max_length?",
        ),
        ("training.max_steps=true", ": expected a number, got true"),
        ("training.early_stopping_patience=false", ": expected a number, got false"),
        ("training.max_steps=0", ": expected greater than 0, got 0"),
        ("training.learning_rate=.inf", ": expected a finite number"),
        ("corpus.max_bytes=lots", ": could not parse value and unit"),
        (
            "eval.tasks=[mlmm]",
            ": the recipe has no task 'mlmm'; did you mean mlm?",
        ),
        ("eval.seeds=[]", ": List should have at least 1 item"),
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


def test_a_variable_is_missed_in_every_place_at_once() -> None:
    text = "language: swx\nbase: {from_scratch: {}}\ncorpus: {files: ['${ONE_}/a', '${TWO_}/b']}\n"
    told = errors(text=text)
    assert told.startswith("recipe.yaml: 3 errors\n")
    for part in ("variable ONE_ is not set (in ${ONE_}/a)", "variable TWO_ is not set", "unknown language 'swx'"):
        assert part in told


def test_no_code_is_run_from_a_recipe(tmp_path: Path) -> None:
    text = PLAIN + f"name: !!python/object/apply:os.mkdir ['{tmp_path / 'made'}']\n"
    assert "not valid YAML" in errors(text=text)
    assert not (tmp_path / "made").exists()


def test_an_empty_file_is_no_recipe() -> None:
    assert "a recipe is a mapping" in errors(text="")
    assert "a recipe is a mapping" in errors(text="# nothing yet\n")


def test_check_passes_where_everything_is_there_or_elsewhere() -> None:
    write("texts/a.txt", "Habari.")
    check_files(load_recipe(write("recipe.yaml", PLAIN)))
    check_files(load_recipe("recipe.yaml", ["base=owner/model"]))
    with pytest.raises(UserError, match=r"base\.model: no such file: .*/my"):
        check_files(load_recipe("recipe.yaml", ["base=./my"]))
    with pytest.raises(UserError, match=r"corpus\.files: no such file: .*/none\.txt"):
        check_files(load_recipe("recipe.yaml", ["corpus.files=[texts/a.txt, none.txt]"]))


def test_the_sample_data_are_in_one_language() -> None:
    with pytest.raises(UserError, match=r"Swahili \(swh_Latn\) only; for mlt_Latn use another recipe"):
        load_recipe("quickstart", ["language=mt"])
    check_files(load_recipe("quickstart"))


def test_a_key_that_stands_twice(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("language: swh_Latn\ntraining:\n  max_steps: 5\n  max_steps: 6\n")
    with pytest.raises(UserError, match=r"max_steps is repeated here .*line 4, column 3"):
        load_recipe(str(tmp_path / "r.yaml"))


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
        UserError, match=r"missing\n  eval\.topic\.test: no such file: /mlt$"
    ):  # the others are not read
        check_files(load_recipe("mbert", ["language=mlt", "eval.tasks=[mlm]", f"eval.topic={files}"]))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["language=mlt", "eval.transfer_from=mlt"], "is the recipe's language"),
        (
            ["language=mlt", "eval.transfer_from=eng", "eval.topic.transfer_train=t", "eval.topic.train=t"],
            "name the training file",
        ),
        (["language=mlt", "eval.transfer_from=eng", "eval.transfer_adapter=hf://a/b"], "a folder on this machine"),
        (["language=mlt", "eval.seeds=[1,1]"], "seeds=.*: 1 is listed twice"),
    ],
)
def test_transfer_and_seeds_that_make_no_sense(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_recipe("mbert", overrides)


def test_a_branch_of_the_base_may_be_written_as_in_an_address() -> None:
    recipe = load_recipe("mbert", ["base.revision=refs%2Fpr%2F3"])
    assert recipe.base.revision == load_recipe("mbert", ["base.revision=refs/pr/3"]).base.revision == "refs/pr/3"
