from dataclasses import replace
from math import prod
from pathlib import Path

import pytest
from lrl_adapt.eval.report.comparison import (
    UNREADABLE,
    Row,
    change,
    change_interval,
    compared,
    gain,
    means,
    rows_of,
    show_change,
    show_change_interval,
)
from lrl_adapt.eval.report.results import gather

from .made_results import ADAPTER, LANGUAGES, add_mlm, add_topic, large, small


def rows(workspace: Path) -> list[Row]:
    return compared(rows_of(gather([workspace])))


def test_seeds_are_averaged(tmp_path: Path) -> None:
    one, two = (add_topic(tmp_path, "base", right, seed=seed) for seed, right in ((1, 0.5), (2, 0.7)))
    (row,) = rows(tmp_path)
    cell = row.systems["base"]
    values = [run.primary.value for run in gather([tmp_path])]
    assert (cell.mean, cell.seeds, cell.n) == (pytest.approx(sum(values) / 2), 2, 120)
    assert cell.interval == pytest.approx((cell.mean - 0.06, cell.mean + 0.06))
    assert cell.deviation == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert set(cell.folders) == {one, two}


def test_tasks_and_systems_are_in_order(tmp_path: Path) -> None:
    for system in ("lora/text", "base", "full/text"):
        add_topic(tmp_path, system, 0.5, task="own")
        add_topic(tmp_path, system, 0.5)
        add_mlm(tmp_path, system, 9.0)
    assert [row.task for row in rows(tmp_path)] == ["mlm", "topic", "own"]
    assert all(list(row.systems) == ["base", "full/text", "lora/text"] for row in rows(tmp_path))


def test_better_is_said_only_where_the_test_is_clear(tmp_path: Path) -> None:
    mlm, topic = rows(small(tmp_path))
    assert mlm.systems[ADAPTER].verdict == "better"
    assert topic.systems[ADAPTER].verdict == "no clear difference"
    assert mlm.systems["base"].verdict is None


def test_worse_is_said_of_a_higher_perplexity_and_a_lower_f1(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 400.0)
    add_mlm(tmp_path, ADAPTER, 800.0)
    add_topic(tmp_path, "base", 0.9)
    add_topic(tmp_path, ADAPTER, 0.3)
    assert [row.systems[ADAPTER].verdict for row in rows(tmp_path)] == ["worse", "worse"]


def test_more_comparisons_raise_each_p(tmp_path: Path) -> None:
    add_topic(tmp_path, "base", 0.5)
    add_topic(tmp_path, "a", 0.6)
    alone = rows(tmp_path)[0].systems["a"]
    for system in "bcdef":
        add_topic(tmp_path, system, 0.5)
    among = rows(tmp_path)[0].systems["a"]
    assert alone.comparison and alone.comparison == among.comparison
    assert alone.p == alone.comparison.p
    assert among.p and among.p > alone.comparison.p


def test_other_items_and_lost_predictions_are_not_comparable(tmp_path: Path) -> None:
    add_topic(tmp_path, "base", 0.5)
    other = add_topic(tmp_path, "a", 0.9)
    lost = add_topic(tmp_path, "b", 0.9)
    broken = add_topic(tmp_path, "c", 0.9)
    text = (other / "predictions.jsonl").read_text()
    (other / "predictions.jsonl").write_text(text.replace('"t7"', '"elsewhere"'))
    (lost / "predictions.jsonl").unlink()
    (broken / "predictions.jsonl").write_text("{")
    (row,) = rows(tmp_path)
    assert {row.systems[name].verdict for name in "abc"} == {"not comparable"}
    assert change(row, "a") == pytest.approx(40, abs=1.5)
    assert change_interval(row, "a") is None


def test_too_many_unknown_tokens_get_no_verdict(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 400.0, unknown=0.06)
    add_mlm(tmp_path, ADAPTER, 100.0, unknown=0.06)
    (row,) = rows(tmp_path)
    assert {cell.verdict for cell in row.systems.values()} == {UNREADABLE}
    assert gain(row, ADAPTER) is None
    add_mlm(tmp_path / "alone", "a", 9.0, unknown=0.3)
    (alone,) = rows(tmp_path / "alone")
    assert alone.systems["a"].verdict == UNREADABLE


def test_change_is_relative_for_perplexity_and_in_points_for_f1(tmp_path: Path) -> None:
    mlm, topic = rows(small(tmp_path))
    assert change(mlm, ADAPTER) == pytest.approx((401.9 / 812.3 - 1) * 100)
    assert gain(mlm, ADAPTER) == pytest.approx((1 - 401.9 / 812.3) * 100)
    found = topic.systems[ADAPTER].comparison
    assert found and change(topic, ADAPTER) == pytest.approx(found.difference * 100)
    low, high = change_interval(mlm, ADAPTER) or (0, 0)
    assert low < (401.9 / 812.3 - 1) * 100 < high < 0
    assert change(topic, "base") is None


def test_any_system_can_be_what_the_others_are_compared_with(tmp_path: Path) -> None:
    plain = {row.task: row for row in rows(small(tmp_path))}
    turned = {row.task: row for row in compared(rows_of(gather([tmp_path])), against=ADAPTER)}
    assert change(turned["mlm"], "base") == pytest.approx((812.3 / 401.9 - 1) * 100)
    assert change(turned["mlm"], ADAPTER) is None
    assert turned["mlm"].systems["base"].verdict == "worse"
    assert turned["mlm"].systems[ADAPTER].verdict is None
    there, back = (
        plain["topic"].systems[ADAPTER].comparison,
        turned["topic"].systems["base"].comparison,
    )
    assert there and back and back.difference == pytest.approx(-there.difference)
    assert means([turned["mlm"]])["base"].change == pytest.approx((812.3 / 401.9 - 1) * 100)
    assert means([turned["mlm"]])[ADAPTER].change is None
    without = replace(turned["mlm"], systems=dict.fromkeys(("base", "a", "b"), turned["mlm"].systems["base"]))
    assert means([without, turned["mlm"]]).keys() == {"base", ADAPTER}  # the row that has what is compared with


def test_other_settings_make_a_row_of_their_own(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 700.0, max_sentences=50)
    add_mlm(tmp_path, "base", 812.3)
    add_mlm(tmp_path, ADAPTER, 401.9)
    notes = {row.note: set(row.systems) for row in rows(tmp_path)}
    assert notes == {"max sentences 50": {"base"}, "max sentences 200": {"base", ADAPTER}}


def test_another_random_base_is_not_compared(tmp_path: Path) -> None:
    for number, systems in enumerate((["base"], ["base", ADAPTER])):
        scratch = tmp_path / "bases" / "swh_Latn" / f"scratch-{number}"
        scratch.mkdir(parents=True)
        for system in systems:
            add_mlm(tmp_path, system, 900.0 - 100 * number, base="scratch", parents=(scratch,))
    assert [row.note for row in rows(tmp_path)] == ["made from scratch-0", "made from scratch-1"]


def test_transfer_is_a_row_of_its_own_with_its_language(tmp_path: Path) -> None:
    add_topic(tmp_path, "base", 0.6)
    add_topic(tmp_path, "base", 0.4, transfer_from="eng_Latn")
    own, zero_shot = rows(tmp_path)
    assert (own.note, own.transfer) == ("", "")
    assert (zero_shot.note, zero_shot.transfer) == ("zero-shot from English (eng_Latn)", "eng_Latn")


def test_means_over_languages_count_those_with_both(tmp_path: Path) -> None:
    found = {row.task: [] for row in rows(large(tmp_path))}
    for row in rows(tmp_path):
        found[row.task].append(row)
    topic, mlm = means(found["topic"]), means(found["mlm"])
    assert (topic["base"].languages, topic["lora/text"].languages, topic[ADAPTER].languages) == (7, 6, 7)
    assert topic[ADAPTER].verdict == "better"
    assert topic["lora/text"].verdict == "no clear difference"
    assert mlm[ADAPTER].languages == 6  # too many [UNK] in the seventh
    assert mlm[ADAPTER].value == pytest.approx(10)
    assert mlm[ADAPTER].change == pytest.approx((10 / prod(range(20, 26)) ** (1 / 6) - 1) * 100)


def test_a_few_languages_give_a_mean_and_no_verdict(tmp_path: Path) -> None:
    few = [row for row in rows(large(tmp_path)) if row.task == "topic"][:4]
    assert means(few)[ADAPTER].verdict is None
    assert means(few)[ADAPTER].p is None


def test_a_mean_takes_one_row_of_a_language(tmp_path: Path) -> None:
    topic = [row for row in rows(large(tmp_path)) if row.task == "topic"]
    double = [*topic, replace(topic[0], systems={"base": topic[0].systems["base"]}, note="other settings")]
    assert means(double) == means(topic)


def test_changes_are_shown_with_sign_and_unit() -> None:
    assert show_change(-50.04, "pseudo_perplexity") == "−50.0 %"
    assert show_change(1.8, "macro_f1") == "+1.8 points"
    assert show_change(0.01, "macro_f1") == "±0.0 points"
    assert show_change(None, "macro_f1") == show_change(float("nan"), "macro_f1") == ""
    assert show_change_interval((-1.2, 3.0)) == "[−1.2, +3.0]"
    assert show_change_interval(None) == ""


def test_a_mean_says_which_languages_it_is_over(tmp_path: Path) -> None:
    topic = [row for row in rows(large(tmp_path)) if row.task == "topic"]
    assert set(means(topic)[ADAPTER].over) == set(LANGUAGES)
    assert set(means(topic)["lora/text"].over) == set(LANGUAGES) - {"uig_Arab"}


def test_there_is_no_mean_over_several_metrics(tmp_path: Path) -> None:
    topic = [row for row in rows(large(tmp_path)) if row.task == "topic"]
    with pytest.raises(ValueError, match="no mean over several metrics: accuracy, macro_f1"):
        means([replace(topic[0], metric="accuracy"), *topic[1:]])
