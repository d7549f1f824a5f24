"""Controls in recipes: which runs can have them, and the recipe of another language."""

from pathlib import Path

import pytest
from lrl_adapt.recipes.loading import load_recipe, load_runs
from lrl_adapt.recipes.schema import Recipe
from lrl_adapt.workspace.errors import UserError

from .recipe_files import errors, write

TEXT = (
    "language: swh\nbase: some/model\ncorpus: {files: 'texts/{language}.txt'}\n"
    "by_language: {hau_Latn: {training: {max_steps: 7}}}\n"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("control=random", "expected untrained, head, text-fusion, {language: CODE} or null, got 'random'"),
        ("control={language: hau, seed: 1}", "expected untrained, head"),
        ("control.language=nonsense", "nonsense"),
        ("control=text-fusion", "text-fusion is for source: fusion"),
        ("control.language=sw", "swh_Latn is the recipe's language"),
        ("training.max_steps=0", "for an adapter without training, set control: untrained"),
    ],
)
def test_what_is_no_control_is_refused(override: str, message: str) -> None:
    assert message in errors(override, text=TEXT)


def test_controls_need_an_adapter_that_differs_from_the_base() -> None:
    assert "adapter none is the base itself" in errors("control=head", "adapter.type=none", text=TEXT)
    assert "an untrained full is the base itself" in errors("control=untrained", "adapter.type=full", text=TEXT)
    scratch = TEXT.replace("some/model", "{from_scratch: {}}")
    assert "needs a base that both share" in errors("control.language=hau", text=scratch)


def test_the_other_language_has_the_settings_of_a_run_in_it() -> None:
    write("recipe.yaml", TEXT)
    control = load_recipe("recipe.yaml", ["control.language=ha", "training.seed=3"])
    assert control.language == "swh_Latn"
    assert control.system == "control:language(hau_Latn) seq_bn/text"
    assert control.trained == load_recipe("recipe.yaml", ["language=hau", "training.seed=3"])
    assert control.trained.training.max_steps == 7
    plain = load_recipe("recipe.yaml", ["control=head"])
    assert plain.trained is plain
    assert plain.system == "control:head seq_bn/text"


def test_the_other_languages_text_has_to_be_another() -> None:
    text = TEXT.replace("{language}.txt", "swh_Latn.txt")
    assert "control: in hau_Latn: corpus.files: write {language} in place of swh_Latn" in errors(
        "control.language=hau", text=text
    )


def test_a_recipe_made_by_hand_does_not_know_the_other_language() -> None:
    given = {"language": "swh", "base": {"model": "some/model"}, "corpus": {}, "control": {"language": "hau"}}
    with pytest.raises(UserError, match="has to be read by load_recipe"):
        _ = Recipe.model_validate(given).trained


def test_controls_in_a_grid() -> None:
    write("recipe.yaml", TEXT + "grid: {control: [null, untrained, {language: hau}], adapter.type: [seq_bn, lora]}\n")
    systems = [recipe.system for _, recipe in load_runs("recipe.yaml")]
    assert systems == [
        *("seq_bn/text", "lora/text", "control:untrained seq_bn/text", "control:untrained lora/text"),
        *("control:language(hau_Latn) seq_bn/text", "control:language(hau_Latn) lora/text"),
    ]
    (chosen,) = load_runs("recipe.yaml", ["control={language: hau}", "adapter.type=lora"])
    assert chosen[1].trained.language == "hau_Latn"
