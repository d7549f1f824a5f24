from dataclasses import replace
from math import prod
from pathlib import Path

import pytest
from lrl_adapt.eval.report.language_means import means_over_languages

from .made_results import ADAPTER, LANGUAGES, compared_results, large


def test_means_over_languages_count_those_with_both(tmp_path: Path) -> None:
    rows_by_task = {row.task: [] for row in compared_results(large(tmp_path))}
    for row in compared_results(tmp_path):
        rows_by_task[row.task].append(row)
    topic, mlm = means_over_languages(rows_by_task["topic"]), means_over_languages(rows_by_task["mlm"])
    assert (topic["base"].languages, topic["lora/text"].languages, topic[ADAPTER].languages) == (7, 6, 7)
    assert topic[ADAPTER].verdict == "better"
    assert topic["lora/text"].verdict == "no clear difference"
    assert mlm[ADAPTER].languages == 6  # too many [UNK] in the seventh
    assert mlm[ADAPTER].value == pytest.approx(10)
    assert mlm[ADAPTER].change == pytest.approx((10 / prod(range(20, 26)) ** (1 / 6) - 1) * 100)


def test_a_few_languages_give_a_mean_and_no_verdict(tmp_path: Path) -> None:
    few = [row for row in compared_results(large(tmp_path)) if row.task == "topic"][:4]
    assert means_over_languages(few)[ADAPTER].verdict is None
    assert means_over_languages(few)[ADAPTER].p is None


def test_a_mean_takes_one_row_of_a_language(tmp_path: Path) -> None:
    topic = [row for row in compared_results(large(tmp_path)) if row.task == "topic"]
    double = [*topic, replace(topic[0], systems={"base": topic[0].systems["base"]}, note="other settings")]
    assert means_over_languages(double) == means_over_languages(topic)


def test_a_mean_says_which_languages_it_is_over(tmp_path: Path) -> None:
    topic = [row for row in compared_results(large(tmp_path)) if row.task == "topic"]
    assert set(means_over_languages(topic)[ADAPTER].codes) == set(LANGUAGES)
    lora = means_over_languages(topic)["lora/text"]
    assert set(lora.codes) == set(LANGUAGES) - {"uig_Arab"}
    assert lora.change == pytest.approx((lora.value - lora.baseline) * 100)


def test_there_is_no_mean_over_several_metrics(tmp_path: Path) -> None:
    topic = [row for row in compared_results(large(tmp_path)) if row.task == "topic"]
    with pytest.raises(ValueError, match="no mean over several metrics: accuracy, macro_f1"):
        means_over_languages([replace(topic[0], metric="accuracy"), *topic[1:]])


def test_controls_do_not_change_the_p_values_of_the_systems(tmp_path: Path) -> None:
    topic = [row for row in compared_results(large(tmp_path)) if row.task == "topic"]
    control = f"control:untrained {ADAPTER}"
    more = [replace(row, systems=row.systems | {control: row.systems[ADAPTER]}) for row in topic]
    alone, among = means_over_languages(topic), means_over_languages(more)
    assert among[ADAPTER].p == alone[ADAPTER].p
    assert among[control].p is not None
