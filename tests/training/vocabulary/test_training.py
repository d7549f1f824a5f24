"""From a recipe with `vocabulary.pieces` to an adapter that reads its script: plan, training, resuming, scores."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt import pipeline
from lrl_adapt.recipes.loading import load_recipe
from lrl_adapt.recipes.schema import Recipe
from lrl_adapt.training.artifacts import adapter_artifact, vocabulary_artifact
from lrl_adapt.workspace.artifacts import Prepared
from lrl_adapt.workspace.errors import UserError
from pydantic import ValidationError
from safetensors.torch import load_file
from transformers import AutoTokenizer

from ...cli.small import invoke
from ...eval.made import TEXTS, make_base

_SYLLABLES = "བོད ཀྱི སྐད ཡིག སྦྱོང བ ནི གལ ཆེན པོ ཡིན དེ རིང ཆར བབས པས ལམ ལ ཆུ མང འདུག ཁྱེད རང གི མིང"
TEXT = "\n".join("་".join(random.Random(number).choices(_SYLLABLES.split(), k=9)) + "།" for number in range(200))
TRAINING = "{max_steps: 6, learning_rate: 0.01, batch_tokens: 256, max_length: 32, eval_steps: 3, save_steps: 2}"


def given(**changes: Any) -> dict[str, Any]:
    return {"language": "bod_Tibt", "base": {"model": "owner/base"}, "corpus": {"files": ["text.txt"]}} | changes


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate(given(**changes))


def test_without_new_pieces_the_keys_of_adapters_stay(tmp_path: Path) -> None:
    plain, off, on = (
        adapter_artifact(recipe(**section), tmp_path, Prepared(None, None))
        for section in ({}, {"vocabulary": {"pieces": 0, "train": "none"}}, {"vocabulary": {"pieces": 9}})
    )
    assert plain.key == off.key != on.key
    assert "vocabulary" not in plain.section
    assert vocabulary_artifact(recipe(), tmp_path, Prepared(None, None)) is None


def test_recipes_whose_pieces_could_not_be_trained_are_refused(tmp_path: Path) -> None:
    pieces = {"vocabulary": {"pieces": 9}}
    with pytest.raises(ValidationError, match="from_scratch makes its vocabulary from the text"):
        recipe(base={"from_scratch": {}}, **pieces)
    with pytest.raises(ValidationError, match=r"remove embeddings from adapter\.freeze"):
        recipe(adapter={"type": "full", "freeze": ["embeddings"]}, **pieces)
    missing = recipe(vocabulary={"pieces": 9, "reference": str(tmp_path / "gone.txt")})
    with pytest.raises(UserError, match=r"vocabulary\.reference: no such file: .*gone\.txt"):
        vocabulary_artifact(missing, tmp_path, Prepared(None, None))


def run_recipe(folder: Path, language: str, base: Path, pieces: str) -> Any:
    """`lrl-adapt run` on text.txt in the folder, with new pieces."""
    (folder / "recipe.yaml").write_text(
        f"language: {language}\nbase: {base}\ncorpus: {{files: text.txt}}\nvocabulary: {{pieces: {pieces}}}\n"
        f"training: {TRAINING}\neval: {{tasks: [mlm], mlm: {{max_sentences: 4, max_length: 32}}}}\n",
        encoding="utf-8",
    )
    run = invoke("run", "recipe.yaml")
    assert run.exit_code == 0, run.output
    return run


@pytest.mark.parametrize("kind", ["WordPiece", "Unigram"])
def test_a_run_on_a_script_that_the_base_cannot_read(kind: str, folder: Path) -> None:
    base = make_base(folder / "made", kind=kind).folder
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    run_recipe(folder, "bod_Tibt", base, "80")
    (manifest,) = (folder / "runs" / "adapters").glob("*/*/manifest.json")
    facts = json.loads(manifest.read_text(encoding="utf-8"))["facts"]
    assert facts["unknown_share"] < 0.01
    assert facts["unknown_share_without"] > 0.4
    assert facts["reference_words_changed"] == 0
    assert facts["validation_loss"] < 6
    rows = load_file(manifest.parent / "vocabulary.safetensors")
    first = load_file(manifest.parent / "last" / "vocabulary.safetensors")
    assert len(rows["rows"]) == len(rows["bias"]) == facts["new_pieces"] == len(first["rows"]) <= 80
    assert facts["trainable_parameters"] > rows["rows"].numel() + rows["bias"].numel()
    scores = [
        score
        for file in (folder / "runs" / "scores").glob("*/*/scores.json")
        for score in json.loads(file.read_text(encoding="utf-8"))["scores"]
    ]
    unknown = {score["system"]: score["value"] for score in scores if score["metric"] == "unknown_share"}
    assert unknown["seq_bn+pieces/text"] == 0
    assert unknown["base"] > 0.4
    again = invoke("run", "recipe.yaml", "--dry-run")
    assert again.exit_code == 0, again.output
    assert "to do" not in [
        step.state for step in pipeline.plan(load_recipe("recipe.yaml")).steps if step.kind != "report"
    ]


def test_a_run_with_merges_for_byte_level_bpe(folder: Path) -> None:
    base = make_base(folder / "made", kind="byte-level BPE").folder
    (folder / "text.txt").write_text(TEXT, encoding="utf-8")
    run_recipe(folder, "bod_Tibt", base, "80")
    (manifest,) = (folder / "runs" / "adapters").glob("*/*/manifest.json")
    facts = json.loads(manifest.read_text(encoding="utf-8"))["facts"]
    assert facts["tokens_per_word"] < facts["tokens_per_word_without"] / 3
    assert facts["reference_words_changed"] == 0
    tokenizer, plain = (AutoTokenizer.from_pretrained(folder) for folder in (manifest.parent, base))
    assert len(tokenizer) - len(plain) == facts["new_pieces"] <= 80
    first = TEXT.splitlines()[0]
    assert len(tokenizer.tokenize(first)) < len(plain.tokenize(first)) / 3
    assert tokenizer.tokenize(TEXTS[0]) == plain.tokenize(TEXTS[0])


def test_with_auto_a_base_that_reads_the_text_well_keeps_its_vocabulary(folder: Path) -> None:
    base = make_base(folder / "made").folder
    words = " ".join(TEXTS).split()
    lines = "\n".join(" ".join(random.Random(number).choices(words, k=9)) for number in range(200))
    (folder / "text.txt").write_text(lines, encoding="utf-8")
    run = run_recipe(folder, "swh_Latn", base, "auto")
    assert "the base reads this text well, so no new pieces are added" in run.output
    (adapter,) = (folder / "runs" / "adapters").glob("*/*/")
    assert json.loads((adapter / "manifest.json").read_text(encoding="utf-8"))["facts"]["new_pieces"] == 0
    assert not (adapter / "vocabulary.safetensors").exists()
    assert "PeftModel" in (adapter / "README.md").read_text(encoding="utf-8")
