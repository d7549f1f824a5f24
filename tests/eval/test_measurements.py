"""Which measurements a recipe has, and the keys of their artifacts."""

import json
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.eval.measurements import Measurement, measurements
from lrl_adapt.recipes.schema import Recipe
from lrl_adapt.training.base import load_masked_lm
from lrl_adapt.workspace.artifacts import Artifact, Prepared

from ..cli.small import TEXT, invoke
from .made import TEXTS, make_base

NOTE = "the base has no trained LM head: no pseudo-perplexity for it"
ADAPTER = "seq_bn/text"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with text and an encoder without an LM head."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRL_ADAPT_HOME", str(tmp_path / "runs"))
    monkeypatch.setenv("COLUMNS", "200")
    base = make_base(tmp_path / "made").folder
    load_masked_lm(str(base), None, "base").base_model.save_pretrained(tmp_path / "encoder")
    for file in base.glob("*token*"):
        (tmp_path / "encoder" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "sentences.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    return tmp_path


def recipe_of(folder: Path, **mlm: object) -> Recipe:
    settings = {"files": str(folder / "sentences.txt"), **mlm}
    base = {"model": str(folder / "encoder"), "new_head": True}
    return Recipe.model_validate({"language": "swh", "base": base, "corpus": {}, "eval": {"mlm": settings}})


def test_left_to_right_enters_the_key_only_where_it_is_off(folder: Path) -> None:
    def section(**mlm: bool) -> dict[str, Any]:
        measurement = Measurement(recipe_of(folder, **mlm), folder, Prepared(None, None), None, "mlm", None)
        return dict(measurement.artifact.section)

    before = {"text", "max_sentences", "max_length", "precision", "language", "task", "seed", "system", "code"}
    assert set(section()) == set(section(within_word_l2r=True)) == before
    assert section(within_word_l2r=False) == section() | {"within_word_l2r": False}


def test_a_base_without_a_trained_head_gets_no_pseudo_perplexity(folder: Path) -> None:
    recipe, nothing = recipe_of(folder), Prepared(None, None)
    systems = [each.system for each in measurements(recipe, folder, nothing, folder / "adapter")]
    assert systems == ["adapter"]
    assert measurements(recipe, folder, nothing, None) == []
    trained = Artifact(folder, "adapter", "adapter", {})
    untrained = recipe.model_copy(update={"control": "untrained"})
    assert len(measurements(recipe, folder, nothing, trained)) == 1
    assert measurements(untrained, folder, nothing, trained) == []


def test_its_adapter_is_scored_and_reported_without_a_comparison(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(
        "language: swh_Latn\nbase: {model: encoder, new_head: true}\ncorpus: {files: text.txt}\n"
        "training: {max_steps: 2, batch_tokens: 256, max_length: 16}\n"
        "eval: {tasks: [mlm], mlm: {files: sentences.txt, max_length: 32}, training: {max_length: 32}}\n"
    )
    result = invoke("run", "recipe.yaml", "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr.count(NOTE) == 1
    scores = json.loads(result.stdout)["scores"]
    assert {score["system"] for score in scores} == {ADAPTER}
    assert {"pseudo_perplexity", "pseudo_perplexity_l2r"} < {score["metric"] for score in scores}
    table = (folder / "runs/reports/swh_Latn/scores.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| Masked")]
    assert [row[3].strip() for row in rows] == ["—", "—"]  # the base
    assert all(row[4].strip().endswith("]") for row in rows)  # a value with its interval, no change and no verdict


def test_a_task_on_the_base_alone_needs_no_lm_head(folder: Path) -> None:
    for split in ("train", "validation", "test"):
        rows = [f"{text} {split},{'ab'[n % 2]}" for n, text in enumerate(TEXTS[:8])]
        (folder / f"{split}.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    (folder / "recipe.yaml").write_text(
        "language: swh_Latn\nbase: encoder\ncorpus: {files: text.txt}\nadapter: {type: none}\n"
        "eval: {tasks: [topic], seeds: [1], topic: {train: train.csv, validation: validation.csv, test: test.csv},\n"
        "  training: {max_length: 32, num_train_epochs: 1}}\n"
    )
    result = invoke("run", "recipe.yaml", "--json")
    assert result.exit_code == 0, result.output
    assert "macro_f1" in {score["metric"] for score in json.loads(result.stdout)["scores"]}
    scored = invoke("eval", "recipe.yaml", "--task", "mlm", "--set", "eval.mlm.max_length=32")
    assert scored.exit_code == 2
    assert "no complete masked-LM head" in scored.stderr
