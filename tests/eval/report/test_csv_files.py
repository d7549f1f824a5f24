import csv
from pathlib import Path

import pytest
from lrl_adapt.eval.report.csv_files import write_comparisons_csv, write_scores_csv
from lrl_adapt.eval.report.runs import gather_runs

from .made_results import ADAPTER, compared_results, small


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_scores_csv_holds_every_score_unrounded(tmp_path: Path) -> None:
    runs = gather_runs([small(tmp_path)])
    write_scores_csv(tmp_path / "scores.csv", runs, paper=False)
    lines = read(tmp_path / "scores.csv")
    assert len(lines) == 12
    assert {line["metric"] for line in lines} == {"pseudo_perplexity", "unknown_share", "macro_f1", "accuracy"}
    assert [float(line["value"]) for line in lines] == [score.value for run in runs for score in run.scores]
    assert all((tmp_path / line["folder"]).is_dir() for line in lines)
    assert "paper" not in lines[0]


def test_comparisons_csv_holds_every_comparison_with_the_base(tmp_path: Path) -> None:
    write_comparisons_csv(tmp_path / "c.csv", compared_results(small(tmp_path)))
    mlm, topic = read(tmp_path / "c.csv")
    assert float(mlm["difference"]) == pytest.approx(401.9 - 812.3)
    assert float(mlm["low"]) < float(mlm["difference"]) < float(mlm["high"])
    assert float(topic["p_holm"]) >= float(topic["p"]) > 0.05
    assert (mlm["baseline"], float(mlm["baseline_value"])) == ("base", 812.3)
    assert (mlm["verdict"], topic["verdict"]) == ("better", "no clear difference")


def test_scores_csv_has_the_papers_score_beside_the_metric_that_the_paper_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "lrl_adapt.eval.report.csv_files.paper_score", lambda *cell: 0.5 if cell[-1] == ADAPTER else None
    )
    write_scores_csv(tmp_path / "scores.csv", gather_runs([small(tmp_path)]), paper=True)
    papers = {(line["system"], line["metric"]): line["paper"] for line in read(tmp_path / "scores.csv")}
    assert papers[ADAPTER, "macro_f1"] == "0.5"
    assert papers["base", "macro_f1"] == papers[ADAPTER, "accuracy"] == papers[ADAPTER, "pseudo_perplexity"] == ""
