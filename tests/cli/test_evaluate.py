"""What `eval` shows at its end."""

from pathlib import Path

import pytest
from lrl_adapt.cli.console import Terminal
from lrl_adapt.cli.evaluate import show_scores
from lrl_adapt.eval.scores import read_scores

from ..eval.results import add_topic


def test_the_table_has_what_was_asked_for_and_nothing_with_the_same_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    learnt_here = add_topic(tmp_path, "base", 0.5)
    transferred = add_topic(tmp_path, "base", 0.5, transfer_from="eng_Latn")
    asked = {transferred: read_scores(transferred / "scores.json")}
    assert asked[transferred] == read_scores(learnt_here / "scores.json")
    show_scores(Terminal(), asked, tmp_path)
    table = capsys.readouterr().out
    assert table.count("topic") == 1
    assert "zero-shot from English" in table
    show_scores(Terminal(), asked | {learnt_here: asked[transferred]}, tmp_path)
    assert capsys.readouterr().out.count("topic") == 2
