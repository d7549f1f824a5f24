"""Environment variables and language codes in the locations of a recipe."""

from pathlib import Path

import pytest
from lrl_adapt.recipes.availability import skipped_tasks
from lrl_adapt.recipes.loading import check_files, load_recipe
from lrl_adapt.workspace.errors import UserError

from .recipe_files import PLAIN, errors, write

pytestmark = pytest.mark.usefixtures("current_folder")


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


@pytest.mark.slow
def test_a_bundled_task_without_a_code_for_the_language_is_skipped_later() -> None:
    recipe = load_recipe("mbert", ["language=kab-Latn"])
    assert recipe.eval.ner is not None
    assert "{wikiann}" in str(recipe.eval.ner.test)
    assert skipped_tasks(recipe, None)["ner"].reason == "WikiANN does not have Kabyle"


def test_a_variable_is_missed_in_every_place_at_once() -> None:
    text = "language: swx\nbase: {from_scratch: {}}\ncorpus: {files: ['${ONE_}/a', '${TWO_}/b']}\n"
    message = errors(text=text)
    assert message.startswith("recipe.yaml: 3 errors\n")
    for part in ("variable ONE_ is not set (in ${ONE_}/a)", "variable TWO_ is not set", "unknown language 'swx'"):
        assert part in message


def test_the_sample_data_are_in_one_language() -> None:
    with pytest.raises(UserError, match=r"Swahili \(swh_Latn\) only; for mlt_Latn use another recipe"):
        load_recipe("quickstart", ["language=mt"])
    check_files(load_recipe("quickstart"))


def test_an_unknown_language_is_the_only_error() -> None:
    with pytest.raises(UserError) as error:
        load_recipe("quickstart", ["language=klingon"])
    assert "unknown language 'klingon'" in str(error.value)
    assert "sample data" not in str(error.value)
