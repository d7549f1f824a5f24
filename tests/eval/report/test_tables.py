import csv
import json
from pathlib import Path

import pytest
from lrl_adapt.eval.report.latex import latex
from lrl_adapt.eval.report.markdown import markdown
from lrl_adapt.eval.report.tables import interval_notes, missing_from_means, row_notes, system_header
from lrl_adapt.eval.report.writer import write_report

from .made_results import (
    ADAPTER,
    LANGUAGES,
    add_adapter,
    add_mlm,
    add_topic,
    compared_results,
    large,
    make_tables_of,
    small,
)


def with_two_metrics(workspace: Path) -> Path:
    """Topic by macro-F1 in Swahili and Maltese, by accuracy in Danish and Slovak."""
    for number, language in enumerate(LANGUAGES[:4]):
        more = {"language": language} | ({"metric": "accuracy"} if number > 1 else {})
        add_topic(workspace, "base", 0.5, **more)
        add_topic(workspace, ADAPTER, 0.6 + 0.1 * number, **more)
    return workspace


def test_one_language_has_a_table_a_base_with_a_row_a_task(tmp_path: Path) -> None:
    (table,) = make_tables_of(small(tmp_path))
    assert (table.base, table.systems, table.by_language) == ("xlm-r", ["base", ADAPTER], False)
    assert [table.row_name(row) for row in table.rows] == ["Masked language modelling", "Topic classification"]


def test_several_languages_have_a_table_a_task_with_a_row_a_language(tmp_path: Path) -> None:
    mlm, topic = make_tables_of(large(tmp_path))
    assert (mlm.title, topic.title) == ("Masked language modelling", "Topic classification")
    heads = [topic.row_name(row) for row in topic.rows]
    assert heads == sorted(heads)
    assert len(heads) == len(LANGUAGES)
    assert topic.means and topic.means[ADAPTER].languages == len(LANGUAGES)


def test_what_others_have_and_a_cell_lacks_is_an_empty_row(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 9.0, base="mbert")
    add_mlm(tmp_path, "base", 9.0)
    add_topic(tmp_path, "base", 0.5)
    mbert, xlmr = make_tables_of(tmp_path)
    assert [bool(row.systems) for row in mbert.rows] == [True, False]
    assert [bool(row.systems) for row in xlmr.rows] == [True, True]


def test_a_systems_head_tells_adapter_and_source() -> None:
    assert system_header("base") == ("base", "")
    assert system_header("seq_bn/text (1a)") == ("seq_bn", "on text (1a)")
    assert system_header("seq_bn/fusion") == ("seq_bn", "fusion")


def test_languages_scored_by_different_metrics_have_tables_and_means_of_their_own(tmp_path: Path) -> None:
    accuracy, f1 = make_tables_of(with_two_metrics(tmp_path))
    assert (accuracy.title, f1.title) == ("Topic classification, accuracy", "Topic classification, macro-F1")
    assert [row.language for row in accuracy.rows] == ["dan_Latn", "slk_Latn"]
    assert [row.language for row in f1.rows] == ["mlt_Latn", "swh_Latn"]
    assert accuracy.means and accuracy.means[ADAPTER].value == pytest.approx(0.85)  # of 0.8 and 0.9
    values = [row.systems[ADAPTER].mean for row in f1.rows]
    assert f1.means and f1.means[ADAPTER].value == pytest.approx(sum(values) / 2)


def test_exports_name_the_languages_of_each_mean(tmp_path: Path) -> None:
    tables = make_tables_of(with_two_metrics(tmp_path / "two"))
    text = markdown(tables)
    assert "### xlm-r: Topic classification, accuracy" in text
    assert "Means over Danish, Slovak." in text
    assert "Means over Maltese, Swahili." in text.replace("Swahili (individual language)", "Swahili")
    assert "% Means over Danish, Slovak." in latex(tables)
    assert "; lora/text without Uyghur." in markdown(make_tables_of(large(tmp_path / "one")))


def test_a_mean_over_fewer_languages_stands_beside_the_bases_over_the_same(tmp_path: Path) -> None:
    tables = make_tables_of(large(tmp_path))
    mlm, topic = tables
    assert missing_from_means(mlm) == []
    assert missing_from_means(topic) == ["lora/text without Uyghur"]
    note = topic.baseline_note("lora/text")
    assert topic.means and note == f"base over the same languages: {topic.means['lora/text'].baseline * 100:.1f}"
    assert topic.baseline_note(ADAPTER) == topic.baseline_note("base") == ""
    page = write_report(tmp_path).read_text(encoding="utf-8")
    for text in (markdown(tables), latex(tables), page):
        assert note in text
    assert "Topic classification: lora/text without Uyghur." in page


def test_majority_class_and_head_only_stand_beside_the_tasks_name(tmp_path: Path) -> None:
    folder = add_topic(tmp_path, "base", 0.5)
    add_mlm(tmp_path, "base", 9.0)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["facts"] = {
        "majority_class": {"label": "health", "macro_f1": 0.1, "accuracy": 0.25},
        "head_only": {"macro_f1": 0.3, "accuracy": 0.4},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    add_topic(tmp_path, ADAPTER, 0.6)  # as scores that were made before it was recorded
    (table,) = make_tables_of(tmp_path)
    assert [row_notes(row) for row in table.rows] == [[], ["majority class 10.0", "head only 30.0"]]
    assert "| Topic classification [majority class 10.0, head only 30.0] |" in markdown([table])
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "majority class 10.0" in page
    assert "head only 30.0" in page
    assert "without any adapter" in page
    assert "always predicting the most frequent class of the training data" in page
    (line,) = list(csv.DictReader((tmp_path / "reports/swh_Latn/comparisons.csv").open(encoding="utf-8")))
    assert (line["majority_class"], line["head_only"]) == ("0.1", "0.3")


def test_a_task_with_few_examples_says_so_beside_its_name(tmp_path: Path) -> None:
    sizes = {"train": 84, "validation": 10, "test": 24}
    for workspace, limit in ((tmp_path / "all", None), (tmp_path / "limited", 24)):
        folder = add_topic(workspace, "base", 0.5, limit=limit)
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"facts": {"examples": sizes}}))
    (table,) = make_tables_of(tmp_path / "all")
    assert row_notes(table.rows[0]) == ["only 24 examples for test, so scores are unreliable"]
    assert "only 24 examples for test, so scores are unreliable" in write_report(tmp_path / "all").read_text()
    (limited,) = make_tables_of(tmp_path / "limited")
    assert "unreliable" not in str(row_notes(limited.rows[0]))


def test_notes_say_what_intervals_and_verdicts_cover(tmp_path: Path) -> None:
    add_topic(tmp_path, "base", 0.5)
    (one,) = compared_results(tmp_path)
    assert "With one seed, the interval of a task covers the test items only" in interval_notes([one])[0]
    add_topic(tmp_path, "base", 0.5, seed=2)
    (two,) = compared_results(tmp_path)
    assert "cover the seeds and the test items" in interval_notes([two])[0]
    add_mlm(tmp_path, "base", 9.0)
    *_, perplexity, training = interval_notes(compared_results(tmp_path))
    assert "language modelling cover the test items" in perplexity
    assert "one training run of each language adapter" in training


def test_a_note_says_that_training_seeds_are_not_averaged(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 9.0)
    for seed in (1, 2):
        adapter = add_adapter(tmp_path, f"xlm-r-text-seq_bn-{seed}", training={"max_steps": 60, "seed": seed})
        add_mlm(tmp_path, ADAPTER, 8.0 + seed, parents=(adapter,))
    *_, training = interval_notes(compared_results(tmp_path))
    assert "systems of their own, such as seq_bn/text (seed 1): they are not averaged" in training
    assert "All are of one training run" not in training
