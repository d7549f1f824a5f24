"""Controls from the plan to the scores."""

from pathlib import Path

import pytest
import torch
from lrl_adapt import pipeline
from lrl_adapt.eval.inference.choose_adapters import newest_adapter
from lrl_adapt.recipes.loading import load_recipe, load_runs
from lrl_adapt.training.wordpiece import train_tokenizer
from lrl_adapt.workspace.progress import QUIET
from safetensors.torch import load_file
from transformers import BertConfig, BertForMaskedLM

from ..cli.small import TEXT, invoke

RECIPE = """\
language: swh_Latn
base: base
corpus: {files: "{language}.txt"}
adapter: {reduction_factor: 4}
training: {max_steps: 3, batch_tokens: 256, max_length: 16, learning_rate: 1.0e-2}
eval: {tasks: [mlm], mlm: {files: sentences.txt, max_sentences: 3}}
"""
GRID = "grid: {control: [null, untrained, head, {language: hau}]}\n"
FUSION = """\
graph: {conceptnet: dump.csv}
source: fusion
grid: {control: [null, text-fusion]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a small base, text in two languages and recipes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "250")
    lines = TEXT.splitlines()
    (tmp_path / "swh_Latn.txt").write_text("\n".join(lines[:100]), encoding="utf-8")
    (tmp_path / "hau_Latn.txt").write_text("\n".join(lines[100:]), encoding="utf-8")
    (tmp_path / "sentences.txt").write_text("\n".join(lines[:5]), encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "controls.yaml").write_text(RECIPE + GRID, encoding="utf-8")
    (tmp_path / "fusion.yaml").write_text(RECIPE + FUSION, encoding="utf-8")
    tokenizer = train_tokenizer(lines, 200)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    return tmp_path


def test_adapter_and_controls_run_together(folder: Path) -> None:
    workspace = folder / "runs"
    recipes = [recipe for _, recipe in load_runs("controls.yaml")]
    outcome = pipeline.run(recipes, workspace=workspace, progress=QUIET)
    values = {score.system: score.value for score in outcome.scores if score.metric == "pseudo_perplexity"}
    assert list(values) == [
        "base",
        "seq_bn/text",
        "control:untrained seq_bn/text",
        "control:head seq_bn/text",
        "control:language(hau_Latn) seq_bn/text",
    ]
    assert len(set(values.values())) == len(values)
    adapters = [artifact for artifact in outcome.artifacts if artifact.kind == "adapter"]
    adapter, untrained, head, other = adapters
    same = pipeline.plan(load_recipe("recipe.yaml"), workspace=workspace, parts=("train",)).steps[-1]
    assert same.artifact and same.artifact.key == adapter.key
    hausa = pipeline.plan({"hausa": load_recipe("recipe.yaml", ["language=hau"])}, workspace=workspace)
    assert hausa.adapter_of("hausa").key == other.key
    assert untrained.manifest()["facts"]["steps"] == 0
    assert head.manifest()["facts"]["steps"] == 3
    assert all("modules_to_save" not in key for key in load_file(head.folder / "adapter_model.safetensors"))
    assert "- control: untrained, " in (untrained.folder / "README.md").read_text(encoding="utf-8")
    assert "- control: head, " in (head.folder / "README.md").read_text(encoding="utf-8")
    assert newest_adapter(workspace, "swh_Latn") == adapter.folder


def test_two_text_adapters_with_different_seeds_are_the_control_of_a_fusion(folder: Path) -> None:
    (folder / "dump.csv").write_text("", encoding="utf-8")
    runs = dict(zip(("fusion", "control"), (recipe for _, recipe in load_runs("fusion.yaml")), strict=True))
    plan = pipeline.plan(runs, workspace=folder / "runs")
    details = {label: [s.details for s in plan.steps_of(label) if s.kind == "adapter"] for label in runs}
    assert details == {
        "fusion": ["swh_Latn, seq_bn on text", "swh_Latn, seq_bn on graph", "swh_Latn, seq_bn on fusion"],
        "control": [
            "swh_Latn, seq_bn on text",
            "swh_Latn, seq_bn on text, seed 43",
            "swh_Latn, seq_bn on fusion, control text-fusion",
        ],
    }
    control = plan.adapter_of("control")
    assert [parent.kind for parent in control.parents] == ["corpus", "adapter", "adapter"]
    outcome = pipeline.plan({"control": runs["control"]}, workspace=folder / "runs").execute(QUIET)
    assert control.exists
    assert {score.system for score in outcome.scores} == {"base", "control:text-fusion seq_bn/fusion"}


def test_commands_one_after_the_other_and_a_dry_run(folder: Path) -> None:
    shown = invoke("eval", "controls.yaml", "--dry-run", "--workspace", "runs")
    assert "control:language(hau_Latn)" in shown.stdout
    for command in ("prepare", "train", "eval"):
        done = invoke(command, "controls.yaml", "--workspace", "runs")
        assert done.exit_code == 0, done.stderr
    assert "control:head" in done.stdout
    assert (folder / "runs" / "adapters" / "hau_Latn").is_dir()


def test_a_missing_text_of_the_other_language_is_named(folder: Path) -> None:
    (folder / "hau_Latn.txt").unlink()
    shown = invoke("run", "recipe.yaml", "--set", "control.language=hau", "--workspace", "runs")
    assert shown.exit_code == 2
    assert "hau_Latn.txt" in shown.stderr
