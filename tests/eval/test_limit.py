"""`eval --limit`: fewer test items, always the same ones, under a key of their own."""

import json
from pathlib import Path
from typing import Any

import pytest
from lrl_adapt.cli.app import app
from typer.testing import CliRunner

FAST = ["--adapter", "none", "--cpu", "--set", "eval.seeds=[1]", "--set", "eval.training.num_train_epochs=1"]
FAST += ["--set", "corpus.drop_task_lines=false", "--json"]


def scores(folder: Path, *words: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["eval", "quickstart", "-w", str(folder), *FAST, *words])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["scores"]


def items(folder: Path, task: str) -> dict[int, list[str]]:
    """Texts scored, by their number."""
    files = folder.glob(f"scores/swh_Latn/{task}-*/predictions.jsonl")
    scored = [[json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()] for file in files]
    return {len(texts): texts for texts in scored}


@pytest.mark.slow
def test_a_limit_scores_a_fixed_choice_of_the_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    full = scores(tmp_path, "--task", "mlm,topic")
    limited = scores(tmp_path, "--task", "mlm,topic", "--limit", "10")
    assert {score["limit"] for score in full} == {None}
    assert {(score["limit"], score["n"]) for score in limited} == {(10, 10)}
    for task in ("mlm", "topic"):
        by_number = items(tmp_path, task)
        assert min(by_number) == 10
        assert set(by_number[10]) < set(by_number[max(by_number)])
    again = scores(tmp_path, "--task", "mlm,topic", "--limit", "10")
    assert again == limited
    assert len(list(tmp_path.glob("scores/swh_Latn/*/scores.json"))) == 4
