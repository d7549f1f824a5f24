"""What `eval` shows at its end."""

import csv
from pathlib import Path

import pytest
from lrl_adapt.cli.console import Terminal
from lrl_adapt.cli.evaluate import compare, show_scores
from lrl_adapt.eval.report.comparison import compare_runs
from lrl_adapt.eval.report.runs import gather_runs
from lrl_adapt.eval.report.writer import write_report
from lrl_adapt.eval.scores import read_scores

from ..eval.report.made_results import ADAPTER, add_mlm, add_topic, add_topic_seeds


def test_the_table_has_what_was_asked_for_and_nothing_with_the_same_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    learnt_here = add_topic(tmp_path, "base", 0.5)
    transferred = add_topic(tmp_path, "base", 0.5, transfer_from="eng_Latn")
    asked = {transferred: read_scores(transferred / "scores.json")}
    assert asked[transferred] == read_scores(learnt_here / "scores.json")
    show_scores(Terminal(), asked, compare_runs(gather_runs([tmp_path])))
    table = capsys.readouterr().out
    assert table.count("topic") == 1
    assert "zero-shot from English" in table
    show_scores(Terminal(), [transferred, learnt_here], compare_runs(gather_runs([tmp_path])))
    assert capsys.readouterr().out.count("topic") == 2


def verdict_on_page(workspace: Path, system: str) -> str:
    page = write_report(workspace, languages=["swh_Latn"])
    with (page.parent / "comparisons.csv").open(encoding="utf-8") as file:
        return next(line["verdict"] for line in csv.DictReader(file) if line["system"] == system)


def test_the_table_has_the_verdicts_of_the_report_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A difference that is clear alone need not be after Holm's correction over the workspace's other adapters."""
    monkeypatch.setenv("COLUMNS", "80")
    folders = [*add_topic_seeds(tmp_path, "base", 0.5), *add_topic_seeds(tmp_path, ADAPTER, 0.58)]
    scores = [score for folder in folders for score in read_scores(folder / "scores.json")]
    assert verdict_on_page(tmp_path, ADAPTER) == "better"
    for system in "abcdef":
        add_topic_seeds(tmp_path, system, 0.5)
    assert verdict_on_page(tmp_path, ADAPTER) == "no clear difference"
    show_scores(Terminal(), folders, compare(scores, tmp_path, Terminal()))
    table = capsys.readouterr().out
    assert "no clear difference" in table
    assert "better" not in table
    assert "change with a" not in table


def test_no_change_is_shown_where_values_cannot_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    folders = [add_mlm(tmp_path, "base", 400.0, unknown=0.99), add_mlm(tmp_path, ADAPTER, 100.0)]
    show_scores(Terminal(), folders, compare_runs(gather_runs([tmp_path])))
    table = capsys.readouterr().out
    assert "not comparable: more" in table
    assert "75" not in table  # percent less


def test_one_seed_is_said_and_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folders = [add_topic(tmp_path, "base", 0.3), add_topic(tmp_path, ADAPTER, 0.9)]
    show_scores(Terminal(), folders, compare_runs(gather_runs([tmp_path])))
    captured = capsys.readouterr()
    assert "one seed, no verdict" in captured.out
    assert "better" not in captured.out
    assert "With one seed, the interval of a task covers the test items only" in " ".join(captured.err.split())
    assert verdict_on_page(tmp_path, ADAPTER) == "one seed, no verdict"


def test_means_over_more_seeds_than_were_asked_for_are_announced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = add_topic(tmp_path, "base", 0.5)
    show_scores(Terminal(), [folder], compare_runs(gather_runs([tmp_path])))
    assert "all seeds" not in capsys.readouterr().err
    add_topic(tmp_path, "base", 0.7, seed=2)
    show_scores(Terminal(), [folder], compare_runs(gather_runs([tmp_path])))
    captured = capsys.readouterr()
    assert "means are over all seeds in the workspace" in captured.err
    means = [row.systems["base"].mean for row in compare_runs(gather_runs([tmp_path])).results]
    assert f"{means[0] * 100:.1f}" in captured.out


def test_the_table_fits_a_terminal_of_80_columns_with_controls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folders = [*add_topic_seeds(tmp_path, "base", 0.5), *add_topic_seeds(tmp_path, ADAPTER, 0.8)]
    folders += add_topic_seeds(tmp_path, f"control:untrained {ADAPTER}", 0.5)
    show_scores(Terminal(), folders, compare_runs(gather_runs([tmp_path])))
    table = capsys.readouterr().out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if line.startswith("│")]
    assert " ".join(row[1] for row in rows).split() == ["base", ADAPTER, "control:untrained", ADAPTER]
    assert [row[0] for row in rows if row[0]] == ["topic", "macro-F1"]
    assert "better" in [row[3] for row in rows]
    assert max(map(len, table.splitlines())) <= 80
