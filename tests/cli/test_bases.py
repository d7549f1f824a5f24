"""The recipes of other bases, rehearsed on stand-ins with the same files, from the hub on loopback."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from lrl_adapt.cli.app import app
from lrl_adapt.recipes.loading import load_recipe
from typer.testing import CliRunner, Result

from .. import bases
from ..hub import Hub

STAND_INS = {"mmbert": bases.write_mmbert, "afroxlmr": bases.write_afroxlmr, "glot500": bases.write_glot500}
SHORT = {
    "language": "swh",
    "corpus.files": "text.txt",
    "corpus.min_letters": 0.1,
    "corpus.drop_near_duplicates": "false",
    "training.max_steps": 2,
    "training.max_length": 64,
    "adapter.reduction_factor": 4,
    "adapter.leave_out": "[0]",
    "eval.topic": "null",
    "eval.mlm.files": "test.txt",
    "eval.ner": "{train: ner.txt, validation: ner.txt, test: ner.txt}",
    "eval.seeds": "[1]",
    "eval.training.num_train_epochs": 1,
    "eval.training.reduction_factor": 4,
}
NER = "Amina B-PER\nanafanya O\nkazi O\nNairobi B-LOC\n\nleo O\nmvua O\nKenya B-LOC\n\n" * 6


@pytest.fixture(params=STAND_INS)
def name(request: pytest.FixtureRequest, hub: Hub) -> str:
    """A recipe whose base is on the hub."""
    STAND_INS[request.param](hub.folder / "models" / str(load_recipe(request.param).base.model))
    return request.param


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command with the settings in SHORT, in a folder with a little text."""
    lines = [f"{line} {number}" for number, line in enumerate(bases.TEXTS)]
    (tmp_path / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "test.txt").write_text("habari za watoto\nmvua inanyesha ħobż\n", encoding="utf-8")
    (tmp_path / "ner.txt").write_text(NER, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LRL_ADAPT_HOME", str(tmp_path / "runs"))
    settings = [word for key, value in SHORT.items() for word in ("--set", f"{key}={value}")]
    return lambda line: CliRunner().invoke(app, [*shlex.split(line), *settings])


@pytest.mark.slow
def test_a_recipe_goes_the_whole_way(name: str, invoke: Callable[..., Result]) -> None:
    result = invoke(f"run {name} --json --adapter seq_bn_inv")
    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout)
    scores = {(score["task"], score["system"]) for score in made["scores"]}
    assert scores == {(task, system) for task in ("mlm", "ner") for system in ("base", "seq_bn_inv/text")}
    perplexities = [score["value"] for score in made["scores"] if score["metric"] == "pseudo_perplexity"]
    assert len(perplexities) == 2
    assert min(perplexities) > 1
    card = (Path(made["artifacts"][-1]["folder"]) / "README.md").read_text(encoding="utf-8")
    assert f"base_model: {load_recipe(name).base.model}\n" in card


@pytest.mark.parametrize("name", ["mmbert"], indirect=True)
def test_mmbert_takes_every_adapter_but_ia3(name: str, invoke: Callable[..., Result]) -> None:
    prepared = invoke(f"prepare {name}")
    assert prepared.exit_code == 0, prepared.output
    for kind in ("lora", "double_seq_bn", "par_bn", "full"):
        result = invoke(f"train {name} --json --adapter {kind}")
        assert result.exit_code == 0, result.output
    result = invoke(f"train {name} --adapter ia3")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith(
        "error: adapter: ia3 needs separate key, value and intermediate layers"
    )
