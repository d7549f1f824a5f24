"""Scores on a choice of the items (`eval.limit`) stand apart from full ones, and say so."""

import csv
from pathlib import Path

import pytest
from lrl_adapt.cli.console import Terminal
from lrl_adapt.cli.evaluate import show_scores
from lrl_adapt.eval.report.comparison import compare_runs
from lrl_adapt.eval.report.pretraining_size import pretraining_size
from lrl_adapt.eval.report.runs import gather_runs
from lrl_adapt.eval.report.summary import summary
from lrl_adapt.eval.report.tables import make_tables
from lrl_adapt.eval.report.writer import write_report

from .made_results import ADAPTER, LANGUAGES, add_topic, large

NOTE = "limited to 50 items: not comparable with full scores"


def test_a_limited_score_gets_no_verdict_against_a_full_one(tmp_path: Path) -> None:
    add_topic(tmp_path, "base", 0.3)
    add_topic(tmp_path, ADAPTER, 0.9, limit=50)
    full, limited = compare_runs(gather_runs([tmp_path])).results
    assert (full.limit, full.note, list(full.systems)) == (None, "", ["base"])
    assert (limited.limit, limited.note, list(limited.systems)) == (50, NOTE, [ADAPTER])
    assert limited.systems[ADAPTER].verdict is None


def test_limited_scores_leave_the_p_values_of_full_ones_as_they_are(tmp_path: Path) -> None:
    for system, right in (("base", 0.5), (ADAPTER, 0.6)):
        add_topic(tmp_path, system, right)
    before = compare_runs(gather_runs([tmp_path])).results[0]
    for system, right in (("base", 0.5), (ADAPTER, 0.6), ("lora/text", 0.5)):
        add_topic(tmp_path, system, right, limit=50)
    full, limited = compare_runs(gather_runs([tmp_path])).results
    assert full == before
    assert set(limited.systems) == {"base", ADAPTER, "lora/text"}


def test_the_summary_leaves_limited_scores_out(tmp_path: Path) -> None:
    for system, right in (("base", 0.5), (ADAPTER, 0.9)):
        add_topic(tmp_path, system, right, limit=50)
    assert summary(compare_runs(gather_runs([tmp_path])).results) == [
        "All scores are limited to a sample of the items (eval.limit): see the tables."
    ]
    for system, right in (("base", 0.5), (ADAPTER, 0.6)):
        add_topic(tmp_path, system, right)
    sentences = summary(compare_runs(gather_runs([tmp_path])).results)
    assert "topic" in " ".join(sentences)
    assert "limited" not in " ".join(sentences)


def test_means_and_correlations_leave_limited_scores_out(tmp_path: Path) -> None:
    large(tmp_path)
    rows = compare_runs(gather_runs([tmp_path])).results
    for number, language in enumerate(LANGUAGES):
        shared = {"language": language, "base": "bert-base-multilingual-cased", "limit": 50}
        add_topic(tmp_path, "base", 0.9, **shared)
        adapter = tmp_path / "adapters" / language / "mbert-text-seq_bn-1a"
        add_topic(tmp_path, ADAPTER, 0.1 + 0.1 * number, parents=(adapter,), **shared)
    more = compare_runs(gather_runs([tmp_path])).results
    assert len(more) == len(rows) + len(LANGUAGES)
    assert pretraining_size(more)[0] == pretraining_size(rows)[0]
    topic, limited = (table for table in make_tables(more) if table.title.startswith("Topic"))
    assert topic.means == next(table.means for table in make_tables(rows) if table.title == topic.title)
    assert limited.title == "Topic classification, limited to 50 items"


def test_terminal_page_and_csv_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    folders = [add_topic(tmp_path, system, 0.5, limit=50) for system in ("base", ADAPTER)]
    show_scores(Terminal(), folders, compare_runs(gather_runs([tmp_path])))
    assert NOTE in capsys.readouterr().out
    page = write_report(tmp_path, paper_scores=True)
    text = page.read_text(encoding="utf-8")
    assert NOTE in text
    assert ">120 (limited)<" in text
    for name, expected in (("scores.csv", {"limit": "50"}), ("comparisons.csv", {"note": NOTE})):
        with (page.parent / name).open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        assert lines
        assert all(line.items() >= expected.items() for line in lines)
