"""Merging trained adapters from the command line, and the validation loss by weight."""

import json
import shutil
from pathlib import Path

import lrl_adapt
import pytest
import torch
from lrl_adapt.pipeline.export import trim
from lrl_adapt.training.wordpiece import train_tokenizer
from lrl_adapt.workspace.artifacts import read_manifest
from lrl_adapt.workspace.errors import UserError
from transformers import BertConfig, BertForMaskedLM

from ..cli.small import SMALL, TEXT, invoke

RECIPE = """\
language: swh_Latn
base: base
corpus: {files: "{language}.txt"}
adapter: {reduction_factor: 4}
training: {max_steps: 3, batch_tokens: 256, max_length: 16, learning_rate: 1.0e-2}
eval:
  seeds: [1]
  mlm: {files: sentences.txt, max_sentences: 3}
  topic: {train: topic.csv, validation: topic.csv, test: topic.csv}
  training: {num_train_epochs: 1, max_length: 16}
"""


@pytest.fixture
def trained(folder: Path) -> dict[str, Path]:
    """Adapters for two languages, trained on one base, by language; the recipe is in the current folder."""
    lines = TEXT.splitlines()
    (folder / "swh_Latn.txt").write_text("\n".join(lines[:100]), encoding="utf-8")
    (folder / "hau_Latn.txt").write_text("\n".join(lines[100:]), encoding="utf-8")
    (folder / "sentences.txt").write_text("\n".join(lines[:5]), encoding="utf-8")
    rows = ["text,label", *(f"{line},{'ab'[number % 2]}" for number, line in enumerate(lines[100:120]))]
    (folder / "topic.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    tokenizer = train_tokenizer(lines, 200)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")
    adapters = {}
    for language in ("swh", "hau"):
        recipe = lrl_adapt.load_recipe("recipe.yaml", language=language)
        lrl_adapt.prepare(recipe, progress=lrl_adapt.QUIET)
        adapters[language] = lrl_adapt.train(recipe, progress=lrl_adapt.QUIET).folder
    return adapters


def test_a_merged_adapter_is_one_like_any_other(trained: dict[str, Path], folder: Path) -> None:
    merged = invoke("merge", *map(str, trained.values()), "--weights", "0.7,0.3", "--out", "merged")
    assert merged.exit_code == 0, merged.output
    assert merged.stdout.splitlines()[-1] == "merged"
    manifest = read_manifest(folder / "merged")
    assert manifest["section"]["languages"] == ["swh_Latn", "hau_Latn"]
    assert manifest["inputs"]["base"] == read_manifest(trained["swh"])["inputs"]["base"]
    card = (folder / "merged" / "README.md").read_text(encoding="utf-8")
    assert f"- 0.7 × {trained['swh'].name}, Swahili (swh_Latn): " in card
    assert "language:\n- sw\n- ha\n" in card
    corpora = [name for name in manifest["parents"] if "/corpus-" in name]
    assert len(corpora) == 2
    for corpus, code in zip(corpora, ("swh", "hau"), strict=True):
        key = read_manifest(Path(corpus))["key"]
        assert f"- corpus {Path(corpus).name}, sha256 {key}\n  - source: {code}_Latn.txt" in card
    scored = invoke("eval", "--adapter-dir", "merged", "--json")
    assert scored.exit_code == 0, scored.output
    scores = json.loads(scored.stdout)["scores"]
    assert {(score["task"], score["system"]) for score in scores} == {
        (task, system) for task in ("mlm", "topic") for system in ("base", "merged")
    }
    (topic,) = folder.glob("runs/scores/swh_Latn/topic-base-merged-*")
    for words in (
        ["fill-mask", "shule [MASK]", "--adapter", "merged", "--adapter", str(trained["swh"])],
        ["predict", "shule", "--adapter", str(topic), "--language-adapter", "merged"],
        ["export", "merged", "--bits", "8", "--out", "small"],
        ["export", "merged", "--format", "adapterhub", "--out", "for-adapterhub"],
        ["merge", "merged", str(trained["hau"]), "--out", "again"],
    ):
        done = invoke(*words)
        assert done.exit_code == 0, done.output
    assert (folder / "again" / "README.md").read_text(encoding="utf-8").count("- corpus ") == len(corpora)


def test_a_part_of_the_text_is_not_taken_for_all_that_a_merged_adapter_was_trained_on(
    trained: dict[str, Path], folder: Path
) -> None:
    words = [*map(str, trained.values())]
    assert invoke("merge", *words, "--out", "before").exit_code == 0
    names, texts = trim._of_workspace(folder / "before")
    assert names.count("corpus-") == 2
    kept, lines = set(texts), TEXT.splitlines()
    assert kept & {*lines[:100]} and kept & {*lines[100:]}
    (deleted,) = read_manifest(trained["hau"])["parents"]
    shutil.rmtree(deleted)
    assert invoke("merge", *words, "--out", "after").exit_code == 0
    assert read_manifest(folder / "after")["parents"] == []
    assert (folder / "after" / "README.md").read_text(encoding="utf-8").count("- corpus ") == 1
    for merged in ("before", "after"):
        with pytest.raises(UserError, match=f"{merged} was trained on is not in its workspace, or not all of it"):
            trim._of_workspace(folder / merged)


def test_a_sweep_needs_one_run_of_a_grid(folder: Path) -> None:
    grid = "grid: {training.seed: [1, 2], adapter.type: [seq_bn, par_bn]}\n"
    (folder / "recipe.yaml").write_text(SMALL + grid, encoding="utf-8")
    for name in ("a", "b"):
        (folder / name).mkdir()
    refused = invoke("merge", "a", "b", "--sweep", "0.5", "--out", "c")
    assert refused.exit_code == 2
    assert refused.stderr == (
        "error: recipe.yaml is a grid of 4 runs: choose one with --set training.seed=... --set adapter.type=...\n"
    )


def test_a_sweep_shows_the_loss_that_training_records(trained: dict[str, Path], folder: Path) -> None:
    words = [*map(str, trained.values()), "--sweep", "1,0.5,0,-0.5", "--out", "best", "--json"]
    swept = invoke("merge", *words)
    assert swept.exit_code == 0, swept.output
    result = json.loads(swept.stdout)
    losses = {point["weight"]: point["validation_loss"] for point in result["points"]}
    assert losses[1.0] == pytest.approx(read_manifest(trained["swh"])["facts"]["validation_loss"], abs=1e-5)
    assert len(set(losses.values())) == 4
    best = min(losses, key=losses.__getitem__)
    assert result["best"] == {"weight": best, "validation_loss": losses[best]}
    assert result["merged"]["weights"] == [best, 1 - best]
    assert read_manifest(folder / "best")["facts"]["sweep"] == result["points"]
    assert "- weights: of 4 tried, those with the lowest validation loss" in (folder / "best" / "README.md").read_text()
    other = invoke("merge", *map(str, trained.values()), "--sweep", "0", "--language", "hau", "--json")
    (point,) = json.loads(other.stdout)["points"]
    assert point["validation_loss"] == pytest.approx(
        read_manifest(trained["hau"])["facts"]["validation_loss"], abs=1e-5
    )
    shown = invoke("merge", *map(str, trained.values()), "--sweep", "0,1")
    assert f"{losses[1.0]:.4f}" in shown.stdout
    assert "lowest" in shown.stdout


def test_a_sweep_needs_prepared_text_and_the_adapters_base(trained: dict[str, Path], folder: Path) -> None:
    words = ["merge", *map(str, trained.values()), "--sweep", "0,1"]
    (folder / "mlt_Latn.txt").write_text(TEXT, encoding="utf-8")
    refused = invoke(*words, "--language", "mlt")
    assert refused.exit_code == 2
    assert "run `lrl-adapt prepare" in refused.stderr
    BertForMaskedLM(BertConfig(vocab_size=300, hidden_size=16, num_attention_heads=2)).save_pretrained(folder / "other")
    refused = invoke(*words, "--set", "base.model=other")
    assert refused.exit_code == 2
    assert (
        f"the adapters were trained on {folder / 'base'}, but the recipe's base is {folder / 'other'}" in refused.stderr
    )
    assert refused.stderr.splitlines()[-1].startswith("error: ")
