"""Languages that a data set on the hub lacks, and the names behind numeric labels."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from lrl_adapt.recipes.availability import sentence_settings, skipped_tasks, tasks_to_run
from lrl_adapt.recipes.evaluation import Task
from lrl_adapt.recipes.label_names import label_names
from lrl_adapt.recipes.loading import load_recipe
from lrl_adapt.recipes.task_files import label_origin, read_split
from lrl_adapt.workspace.errors import UserError

from ..hub import Hub
from .hub_data_sets import SIB200, put_sib200, put_wikiann


@pytest.fixture
def sets(hub: Hub) -> Hub:
    """SIB-200 in Maltese alone, WikiANN in Breton and Maltese."""
    put_sib200(hub, "mlt_Latn", "index_id\tcategory\ttext\n1\tsports\tIl-{split}\n")
    for language in ("mt", "br"):
        put_wikiann(hub, language, "")
    return hub


@pytest.mark.usefixtures("sets")
def test_a_language_that_the_data_sets_have() -> None:
    recipe = load_recipe("mbert", ["language=mlt"])
    assert skipped_tasks(recipe, None) == {}
    assert tasks_to_run(recipe, skipped_tasks(recipe, None)) == ["mlm", "topic", "ner"]
    assert sentence_settings(recipe, skipped_tasks(recipe, None)).files[0].endswith("/data/mlt_Latn/test.tsv")


@pytest.mark.usefixtures("sets")
def test_a_language_that_one_of_them_lacks() -> None:
    recipe = load_recipe("mbert", ["language=bre"])
    assert {name: str(skipped) for name, skipped in skipped_tasks(recipe, None).items()} == {
        "mlm": "mlm: SIB-200 has no bre_Latn; the prepared test split is scored instead",
        "topic": "topic: skipped, SIB-200 has no bre_Latn",
    }
    assert tasks_to_run(recipe, skipped_tasks(recipe, None)) == ["mlm", "ner"]
    assert sentence_settings(recipe, skipped_tasks(recipe, None)).files == []


@pytest.mark.usefixtures("sets")
def test_a_task_that_the_user_asks_for_is_not_skipped() -> None:
    recipe = load_recipe("mbert", ["language=bre", "eval.tasks=[topic]"])
    with pytest.raises(UserError, match=r"^eval\.topic: SIB-200 has no bre_Latn; remove topic from eval\.tasks"):
        tasks_to_run(recipe, skipped_tasks(recipe, None))
    others = load_recipe("mbert", ["language=bre", "eval.tasks=[mlm, ner]"])
    assert tasks_to_run(others, skipped_tasks(others, None)) == ["mlm", "ner"]


def test_files_of_the_users_own_are_not_skipped(sets: Hub, tmp_path: Path) -> None:
    own = "hf://datasets/Davlan/sib200/data/bre_Latn/test.tsv"
    recipe = load_recipe("mbert", ["language=bre", f"eval.topic.test={own}", f"eval.mlm.files={own}"])
    assert skipped_tasks(recipe, None) == {}
    assert recipe.eval.topic is not None
    with pytest.raises(UserError, match=r"eval\.topic\.test: Davlan/sib200/data has no bre_Latn; it holds mlt_Latn"):
        read_split("topic", recipe.eval.topic, "test", tmp_path)


def test_another_layout_than_expected_is_an_error_not_a_skip(sets: Hub, tmp_path: Path) -> None:
    (sets.folder / SIB200 / "data").rename(sets.folder / SIB200 / "annotated")
    recipe = load_recipe("mbert", ["language=mlt"])
    assert skipped_tasks(recipe, None) == {}
    assert recipe.eval.topic is not None
    with pytest.raises(UserError, match=r"eval\.topic\.train: Davlan/sib200 has no data; it holds annotated"):
        read_split("topic", recipe.eval.topic, "train", tmp_path)
    (sets.folder / SIB200 / "annotated/mlt_Latn/train.tsv").unlink()


@pytest.mark.usefixtures("sets")
def test_a_missing_file_of_a_language_that_is_there_is_an_error(sets: Hub, tmp_path: Path) -> None:
    (sets.folder / SIB200 / "data/mlt_Latn/dev.tsv").unlink()
    recipe = load_recipe("mbert", ["language=mlt"])
    assert skipped_tasks(recipe, None) == {}
    assert recipe.eval.topic is not None
    with pytest.raises(UserError, match=r"data/mlt_Latn has no dev\.tsv; it holds test\.tsv, train\.tsv"):
        read_split("topic", recipe.eval.topic, "validation", tmp_path)


@pytest.mark.usefixtures("no_waiting")
def test_nothing_is_skipped_while_the_hub_cannot_be_asked(sets: Hub) -> None:
    sets.status = 503
    assert skipped_tasks(load_recipe("mbert", ["language=bre"]), None) == {}


@pytest.mark.usefixtures("sets")
def test_transfer_needs_the_test_data_alone_in_the_own_language(sets: Hub) -> None:
    for split in ("train", "validation"):
        (sets.folder / f"datasets/unimelb-nlp/wikiann/br/{split}-00000-of-00001.parquet").unlink()
    assert "ner" not in skipped_tasks(load_recipe("mbert", ["language=bre", "eval.transfer_from=mlt"]), None)


NUMBERS = {"text": ["a", "b", "c"], "label": [0, 2, 1]}
NAMES = ["entertainment", "geography", "health"]


def parquet(path: Path, features: object = None) -> Path:
    table = pyarrow.table(NUMBERS)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(table, path)
    return path


@pytest.mark.parametrize(
    "feature",
    [
        {"names": NAMES, "_type": "ClassLabel"},
        {"feature": {"names": NAMES, "_type": "ClassLabel"}, "_type": "Sequence"},
        {"feature": {"names": NAMES, "_type": "ClassLabel"}, "_type": "List"},
        [{"names": NAMES, "_type": "ClassLabel"}],
    ],
)
def test_a_parquet_file_names_its_labels(tmp_path: Path, feature: object) -> None:
    path = parquet(tmp_path / "a.parquet", {"label": feature})
    message = label_names(path, "label", ["health", "geography", "entertainment"], str(path))
    assert (message.names, message.origin) == (NAMES, "file")  # the file's order, not the recipe's
    assert label_names(path, "label", None, str(path)).names == NAMES


def test_labels_of_another_set_than_the_recipes_are_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "a.parquet", {"label": {"names": NAMES}})
    with pytest.raises(
        UserError, match=r"a\.parquet itself names the labels entertainment, .* the recipe yes, no; corr"
    ):
        label_names(path, "label", ["yes", "no"], str(path))


CARD = """---
dataset_info:
- config_name: mlt_Latn
  features:
  - {name: label, dtype: {class_label: {names: {'0': entertainment, '1': geography, '2': health}}}}
- config_name: swh_Latn
  features:
  - {name: label, dtype: {class_label: {names: {'0': health, '1': geography, '2': entertainment}}}}
---
"""


def test_the_card_names_the_labels_of_a_configuration(hub: Hub, tmp_path: Path) -> None:
    hub.put("datasets/me/topics/README.md", CARD)
    for language in ("mlt_Latn", "swh_Latn", "ben_Beng"):
        parquet(hub.folder / f"datasets/me/topics/test/{language}.parquet")

    def task(language: str, labels: list[str] | None = None) -> list[str]:
        address = f"hf://datasets/me/topics/test/{language}.parquet"
        topic = Task(train=address, validation=address, test=address, labels=labels)
        items = read_split("topic", topic, "test", tmp_path)
        return [label_origin("topic", topic, tmp_path), *(str(item.label) for item in items)]

    assert task("mlt_Latn") == ["card", "entertainment", "health", "geography"]
    assert task("swh_Latn", NAMES) == ["card", "health", "entertainment", "geography"]
    assert task("ben_Beng", NAMES) == ["recipe", "entertainment", "health", "geography"]  # assumed, and told
    with pytest.raises(UserError, match="the data set's card names the labels entertainment"):
        task("mlt_Latn", ["a", "b", "c"])


def test_columns_may_have_alternatives(hub: Hub, tmp_path: Path) -> None:
    hub.put("datasets/me/topics/a.csv", "text,label\nx,sports\n")
    hub.put("datasets/me/topics/b.csv", "sentence,category,label\ny,health,0\n")
    for name, label in (("a", "sports"), ("b", "health")):
        address = f"hf://datasets/me/topics/{name}.csv"
        columns = {"text": ["sentence", "text"], "label": ["category", "label"]}
        task = Task(train=address, validation=address, test=address, **columns)
        (item,) = read_split("topic", task, "test", tmp_path)
        assert item.label == label
