"""The bundled task files on the hub, in the layouts of their data sets, on its stand-in."""

from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from lrl_adapt.eval.task_data import read_task
from lrl_adapt.recipes.availability import skipped_tasks
from lrl_adapt.recipes.loading import load_recipe

from ..hub import Hub, Repository

BRIGHTER, BRIGHTER_COMMIT = (
    "datasets/brighter-dataset/BRIGHTER-emotion-categories",
    "419566ac8f46f951b51584be36c13e5363008144",
)
AFRIXNLI, AFRIXNLI_COMMIT = "datasets/masakhane/afrixnli", "e3ca06b30f3e7af2a86f6c8609ea76fee326bc56"
XNLI = "datasets/facebook/xnli"
RECIPE = "base: {{model: a/b}}\ncorpus: {{files: text.txt}}\nlanguage: {}\neval: {{others: {{mine: {}}}{}}}\n"


def put_table(hub: Hub, place: str, columns: dict[str, list[Any]]) -> None:
    path = hub.folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def recipe_of(folder: Path, language: str, task: str, more: str = "") -> Any:
    (folder / "recipe.yaml").write_text(RECIPE.format(language, task, more), encoding="utf-8")
    return load_recipe(str(folder / "recipe.yaml"))


def test_brighter_has_a_column_for_each_emotion_and_some_rows_twice(hub: Hub, tmp_path: Path) -> None:
    hub.known[BRIGHTER] = Repository(commit=BRIGHTER_COMMIT)
    for split in ("train", "dev", "test"):
        columns: dict[str, list[Any]] = {"id": ["track_a_1", "track_a_2", "track_c_1"], "text": ["a", "b", "a"]}
        columns |= {"anger": [1, 0, 1], "disgust": [None] * 3, "fear": [0, 0, 0], "joy": [0, 1, 0]}
        columns |= {"sadness": [1, 0, 1], "surprise": [0, 0, 0], "emotions": [["anger", "sadness"], ["joy"], ["anger"]]}
        put_table(hub, f"{BRIGHTER}/swa/{split}-00000-of-00001.parquet", columns)
    recipe = recipe_of(tmp_path, "swh", "brighter")
    assert skipped_tasks(recipe, None) == {}
    data = read_task("mine", recipe.eval.learnt("mine"), tmp_path)
    assert (data.kind, data.labels) == ("multilabel", ["anger", "joy", "sadness"])
    assert [(item.text, item.label) for item in data.splits["test"]] == [("a", ["anger", "sadness"]), ("b", ["joy"])]
    assert data.accounts["test"].dropped["drop_duplicates"] == 1
    lacking = skipped_tasks(recipe_of(tmp_path, "bre", "brighter"), None)
    assert str(lacking["mine"]) == "mine: skipped, BRIGHTER has no bre"


def test_afrixnli_is_learnt_from_pairs_of_xnli(hub: Hub, tmp_path: Path) -> None:
    hub.known[AFRIXNLI] = Repository(commit=AFRIXNLI_COMMIT)
    hub.put(f"{AFRIXNLI}/data/hau/test.tsv", "premise\thypothesis\tlabel\na\tb\t2\nc\td\t0\n")
    for split in ("train", "validation"):
        columns = {"premise": ["e", "f"], "hypothesis": ["g", "h"], "label": [0, 2]}
        put_table(hub, f"{XNLI}/en/{split}-00000-of-00001.parquet", columns)
    recipe = recipe_of(tmp_path, "hau", "afrixnli", ", transfer_from: eng")
    data = read_task("mine", recipe.eval.learnt("mine"), tmp_path)
    assert [(item.text, item.pair, item.label) for item in data.splits["test"]] == [
        ("a", "b", "contradiction"),
        ("c", "d", "entailment"),
    ]
    assert [item.label for item in data.splits["train"]] == ["entailment", "contradiction"]
