"""Left-to-right pseudo-perplexity in the report: a row of its own, also where only some scores have it."""

from pathlib import Path

import pytest
from lrl_adapt.eval.report.comparison import change, compare_runs
from lrl_adapt.eval.report.page import score_panels
from lrl_adapt.eval.report.paper import paper_value
from lrl_adapt.eval.report.pretraining_size import pretraining_size
from lrl_adapt.eval.report.runs import gather_runs
from lrl_adapt.eval.report.summary import summary
from lrl_adapt.eval.report.tables import languages_of_means
from lrl_adapt.eval.report.verdicts import Verdict
from lrl_adapt.eval.report.writer import write_page

from .made_results import ADAPTER, LANGUAGES, add_mlm, compared_results, make_tables_of

BOTH = ["pseudo_perplexity", "pseudo_perplexity_l2r"]


def test_it_has_a_row_a_comparison_and_a_figure_of_its_own(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 800.0, l2r=2000.0)
    add_mlm(tmp_path, ADAPTER, 400.0, l2r=1500.0)
    (table,) = make_tables_of(tmp_path)
    assert [row.metric for row in table.rows] == BOTH
    standard, left_to_right = table.rows
    assert left_to_right.systems["base"].mean == 2000.0
    assert change(standard, ADAPTER) == pytest.approx(-50, abs=0.1)
    assert change(left_to_right, ADAPTER) == pytest.approx(-25, abs=0.1)
    assert left_to_right.systems[ADAPTER].verdict == Verdict.BETTER
    sentences = " ".join(summary(table.rows))
    assert "masked language modelling (800.0 → 400.0" in sentences
    assert "masked language modelling, left-to-right pseudo-perplexity (2,000.0 → 1,500.0" in sentences
    names = [panel.name for panel in score_panels([table])["xlm-r"]]
    assert names == ["scores-xlm-r-mlm", "scores-xlm-r-mlm-pseudo_perplexity_l2r"]


def test_scores_made_before_it_existed_have_no_value_and_no_comparison(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 800.0)
    add_mlm(tmp_path, ADAPTER, 400.0, l2r=1500.0)
    standard, left_to_right = compared_results(tmp_path)
    assert standard.systems[ADAPTER].verdict == Verdict.BETTER
    assert list(left_to_right.systems) == [ADAPTER]
    assert left_to_right.systems[ADAPTER].verdict is None
    assert change(left_to_right, ADAPTER) is None
    (table,) = make_tables_of(tmp_path)
    assert table.systems == ["base", ADAPTER]
    page = write_page(compare_runs(gather_runs([tmp_path])), tmp_path).read_text(encoding="utf-8")
    assert "left-to-right pseudo-perplexity" in page
    assert "not measured, though others were" in page


def test_of_several_languages_it_has_a_table_of_its_own(tmp_path: Path) -> None:
    for language in LANGUAGES:
        add_mlm(tmp_path, "base", 800.0, l2r=2000.0, language=language, base="xlm-roberta-base")
        l2r = None if language == "uig_Arab" else 1500.0
        add_mlm(tmp_path, ADAPTER, 400.0, l2r=l2r, language=language, base="xlm-roberta-base")
    tables = make_tables_of(tmp_path)
    assert [table.title for table in tables] == [
        "Masked language modelling",
        "Masked language modelling, left-to-right pseudo-perplexity",
    ]
    assert f"{ADAPTER} without Uyghur" in languages_of_means(tables[1])
    names = [panel.name for panel in score_panels(tables)["xlm-roberta-base"]]
    assert names == ["gains-xlm-roberta-base-mlm", "gains-xlm-roberta-base-mlm-pseudo_perplexity_l2r"]
    results = compared_results(tmp_path)
    correlations, _ = pretraining_size(results)
    assert [correlation.task for correlation in correlations] == ["Masked language modelling"]
    # the paper has no left-to-right scores
    by_metric = {result.metric: paper_value(result, ADAPTER) for result in results if result.language == "mlt_Latn"}
    assert by_metric[BOTH[0]]
    assert not by_metric[BOTH[1]]
