import csv
import shutil
import subprocess
from pathlib import Path

import pytest
from lrl_adapt.eval.report.comparison import compared, rows_of
from lrl_adapt.eval.report.results import gather
from lrl_adapt.eval.report.tables import (
    Table,
    escape_latex,
    header_words,
    latex,
    markdown,
    paper_value,
    show_p,
    tables_of,
    write_comparisons_csv,
    write_scores_csv,
)

from .made_results import ADAPTER, LANGUAGES, add_mlm, add_topic, large, small


def tables(workspace: Path) -> list[Table]:
    return tables_of(compared(rows_of(gather([workspace]))))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_one_language_has_a_table_a_base_with_a_row_a_task(tmp_path: Path) -> None:
    (table,) = tables(small(tmp_path))
    assert (table.base, table.systems, table.by_language) == ("xlm-r", ["base", ADAPTER], False)
    assert [table.head(row) for row in table.rows] == ["Masked language modelling", "Topic classification"]


def test_several_languages_have_a_table_a_task_with_a_row_a_language(tmp_path: Path) -> None:
    mlm, topic = tables(large(tmp_path))
    assert (mlm.title, topic.title) == ("Masked language modelling", "Topic classification")
    heads = [topic.head(row) for row in topic.rows]
    assert heads == sorted(heads)
    assert len(heads) == len(LANGUAGES)
    assert topic.means and topic.means[ADAPTER].languages == len(LANGUAGES)


def test_what_others_have_and_a_cell_lacks_is_an_empty_row(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 9.0, base="mbert")
    add_mlm(tmp_path, "base", 9.0)
    add_topic(tmp_path, "base", 0.5)
    mbert, xlmr = tables(tmp_path)
    assert [bool(row.systems) for row in mbert.rows] == [True, False]
    assert [bool(row.systems) for row in xlmr.rows] == [True, True]


def test_scores_csv_holds_every_score_unrounded(tmp_path: Path) -> None:
    runs = gather([small(tmp_path)])
    write_scores_csv(tmp_path / "scores.csv", runs, paper=False)
    lines = read(tmp_path / "scores.csv")
    assert len(lines) == 12
    assert {line["metric"] for line in lines} == {"pseudo_perplexity", "unknown_share", "macro_f1", "accuracy"}
    assert [float(line["value"]) for line in lines] == [score.value for run in runs for score in run.scores]
    assert all((tmp_path / line["folder"]).is_dir() for line in lines)
    assert "paper" not in lines[0]


def test_comparisons_csv_holds_every_comparison_with_the_base(tmp_path: Path) -> None:
    write_comparisons_csv(tmp_path / "c.csv", compared(rows_of(gather([small(tmp_path)]))))
    mlm, topic = read(tmp_path / "c.csv")
    assert float(mlm["difference"]) == pytest.approx(401.9 - 812.3)
    assert float(mlm["low"]) < float(mlm["difference"]) < float(mlm["high"])
    assert float(topic["p_holm"]) >= float(topic["p"]) > 0.05
    assert (mlm["against"], float(mlm["against_value"])) == ("base", 812.3)
    assert (mlm["verdict"], topic["verdict"]) == ("better", "no clear difference")


def test_markdown_is_bold_only_where_better(tmp_path: Path) -> None:
    lines = markdown(tables(small(tmp_path))).splitlines()
    assert lines[2] == "| task | metric | base | seq_bn/text |"
    assert "| 812.3 [731.1, 893.5] | **401.9** [361.7, 442.1] (−50.5 % [" in lines[4]
    assert lines[4].endswith("; better) |")
    assert "**" not in lines[5]
    assert lines[5].endswith("; no clear difference) |")


def test_markdown_of_languages_ends_in_their_mean(tmp_path: Path) -> None:
    text = markdown(tables(large(tmp_path)))
    assert "not comparable: more than 5 % [UNK]" in text
    assert "| mean, macro F1, % |" in text
    assert "(7 languages; +" in text
    (uyghur,) = [line for line in text.splitlines() if line.startswith("| Uyghur") and "0." not in line[:20]][1:]
    assert "| — |" in uyghur


def test_a_pipe_in_a_name_does_not_end_a_markdown_cell(tmp_path: Path) -> None:
    add_mlm(tmp_path, "a|b", 9.0)
    assert "| base | a\\|b |" in markdown(tables(tmp_path))


def test_latex_escapes_names_and_bolds_only_what_is_better(tmp_path: Path) -> None:
    text = latex(tables(small(tmp_path)))
    assert r"Task & base & seq\_bn/text \\" in text
    assert r"\textbf{401.9} ($-$50.5 \%)" in text
    assert text.count(r"\textbf") == 1
    assert escape_latex("50 % of {a_b} & ~^\\ #$") == (
        r"50 \% of \{a\_b\} \& \textasciitilde{}\textasciicircum{}\textbackslash{} \#\$"
    )


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no LaTeX here")
def test_latex_can_be_typeset(tmp_path: Path) -> None:
    body = latex(tables(large(tmp_path / "runs")))
    head = "\\documentclass{article}\\usepackage[utf8]{inputenc}\\usepackage{booktabs}\\begin{document}\n"
    (tmp_path / "t.tex").write_text(f"{head}{body}\\end{{document}}\n", encoding="utf-8")
    subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True, capture_output=True)


def test_the_papers_number_stands_beside_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrl_adapt.eval.report.tables.paper_score", lambda *cell: 0.5 if cell[-1] == ADAPTER else None)
    found = tables(small(tmp_path))
    assert markdown(found, paper_value).count("(paper: ") == 2
    assert markdown(found).count("paper") == 0
    assert "(paper: 50.0)" in latex(found, paper_value)
    write_scores_csv(tmp_path / "scores.csv", gather([tmp_path]), paper=True)
    told = {(line["system"], line["metric"]): line["paper"] for line in read(tmp_path / "scores.csv")}
    assert told[ADAPTER, "macro_f1"] == "0.5"
    assert told["base", "macro_f1"] == told[ADAPTER, "accuracy"] == told[ADAPTER, "pseudo_perplexity"] == ""


def test_a_systems_head_tells_adapter_and_source() -> None:
    assert header_words("base") == ("base", "")
    assert header_words("seq_bn/text (1a)") == ("seq_bn", "on text (1a)")
    assert header_words("seq_bn/fusion") == ("seq_bn", "fusion")


def test_p_is_shown_with_few_digits() -> None:
    assert [show_p(p) for p in (None, 0.0002, 0.0123, 0.5)] == ["", "p < 0.001", "p = 0.012", "p = 0.50"]


def with_two_metrics(workspace: Path) -> Path:
    """Topic by macro-F1 in Swahili and Maltese, by accuracy in Danish and Slovak."""
    for number, language in enumerate(LANGUAGES[:4]):
        more = {"language": language} | ({"metric": "accuracy"} if number > 1 else {})
        add_topic(workspace, "base", 0.5, **more)
        add_topic(workspace, ADAPTER, 0.6 + 0.1 * number, **more)
    return workspace


def test_languages_scored_by_different_metrics_have_tables_and_means_of_their_own(tmp_path: Path) -> None:
    accuracy, f1 = tables(with_two_metrics(tmp_path))
    assert (accuracy.title, f1.title) == ("Topic classification, accuracy", "Topic classification, macro F1")
    assert [row.language for row in accuracy.rows] == ["dan_Latn", "slk_Latn"]
    assert [row.language for row in f1.rows] == ["mlt_Latn", "swh_Latn"]
    assert accuracy.means and accuracy.means[ADAPTER].value == pytest.approx(0.85)  # of 0.8 and 0.9
    values = [row.systems[ADAPTER].mean for row in f1.rows]
    assert f1.means and f1.means[ADAPTER].value == pytest.approx(sum(values) / 2)


def test_exports_name_the_languages_of_each_mean(tmp_path: Path) -> None:
    found = tables(with_two_metrics(tmp_path / "two"))
    text = markdown(found)
    assert "### xlm-r: Topic classification, accuracy" in text
    assert "Means over Danish, Slovak." in text
    assert "Means over Maltese, Swahili." in text.replace("Swahili (individual language)", "Swahili")
    assert "% Means over Danish, Slovak." in latex(found)
    assert "; lora/text without Uyghur." in markdown(tables(large(tmp_path / "one")))
