import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from lrl_adapt.eval.report.comparison import change, change_interval, compare_systems, gain
from lrl_adapt.eval.report.language_means import means_over_languages
from lrl_adapt.eval.report.runs import gather_runs
from lrl_adapt.eval.report.task_results import average_runs
from lrl_adapt.eval.report.verdicts import Verdict

from .made_results import ADAPTER, add_mlm, add_topic, add_topic_seeds, compared_results, small


def test_better_is_said_only_where_the_test_is_clear(tmp_path: Path) -> None:
    mlm, topic = compared_results(small(tmp_path))
    assert mlm.systems[ADAPTER].verdict == "better"
    assert topic.systems[ADAPTER].verdict == "no clear difference"
    assert mlm.systems["base"].verdict is None


def test_worse_is_said_of_a_higher_perplexity_and_a_lower_f1(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 400.0)
    add_mlm(tmp_path, ADAPTER, 800.0)
    add_topic_seeds(tmp_path, "base", 0.9)
    add_topic_seeds(tmp_path, ADAPTER, 0.3)
    assert [row.systems[ADAPTER].verdict for row in compared_results(tmp_path)] == ["worse", "worse"]


def test_more_comparisons_raise_each_p(tmp_path: Path) -> None:
    add_topic_seeds(tmp_path, "base", 0.5)
    add_topic_seeds(tmp_path, "a", 0.6)
    alone = compared_results(tmp_path)[0].systems["a"]
    for system in "bcdef":
        add_topic_seeds(tmp_path, system, 0.5)
    among = compared_results(tmp_path)[0].systems["a"]
    assert alone.comparison and alone.comparison == among.comparison
    assert alone.p == alone.comparison.p
    assert among.p and among.p > (alone.p or 0)


def test_a_verdict_does_not_depend_on_other_languages_and_limited_scores(tmp_path: Path) -> None:
    add_topic_seeds(tmp_path, "base", 0.5)
    add_topic_seeds(tmp_path, "a", 0.6)
    (alone,) = compared_results(tmp_path)
    for more in ({"language": "mlt_Latn"}, {"limit": 50}):
        add_topic_seeds(tmp_path, "base", 0.5, **more)
        add_topic_seeds(tmp_path, "a", 0.5, **more)
    among = next(row for row in compared_results(tmp_path) if (row.language, row.limit) == ("swh_Latn", None))
    assert among.systems == alone.systems


def test_one_seed_of_a_trained_task_gets_figures_and_no_verdict(tmp_path: Path) -> None:
    add_topic_seeds(tmp_path, "base", 0.3)
    add_topic(tmp_path, ADAPTER, 0.9)
    (row,) = compared_results(tmp_path)
    system = row.systems[ADAPTER]
    assert (system.verdict, system.p, system.covers) == ("one seed, no verdict", None, "items")
    assert system.comparison and system.comparison.covers == "items"
    low, high = change_interval(row, ADAPTER) or (0, 0)
    assert 40 < low < 60 < high < 80
    for seed in (2, 3):
        add_topic(tmp_path, ADAPTER, 0.9, seed=seed)
    (row,) = compared_results(tmp_path)
    system = row.systems[ADAPTER]
    assert (system.verdict, system.covers) == ("better", "seeds and items")
    assert system.comparison and system.comparison.covers == "seeds and items"


def test_other_items_and_lost_predictions_are_not_comparable(tmp_path: Path) -> None:
    add_topic(tmp_path, "base", 0.5)
    other = add_topic(tmp_path, "a", 0.9)
    lost = add_topic(tmp_path, "b", 0.9)
    broken = add_topic(tmp_path, "c", 0.9)
    text = (other / "predictions.jsonl").read_text()
    (other / "predictions.jsonl").write_text(text.replace('"t7"', '"elsewhere"'))
    (lost / "predictions.jsonl").unlink()
    (broken / "predictions.jsonl").write_text("{")
    (row,) = compared_results(tmp_path)
    assert {row.systems[name].verdict for name in "abc"} == {"not comparable"}
    assert change(row, "a") == pytest.approx(40, abs=1.5)
    assert change_interval(row, "a") is None


def test_too_many_unknown_tokens_get_no_verdict(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 400.0, unknown=0.06)
    add_mlm(tmp_path, ADAPTER, 100.0, unknown=0.06)
    (row,) = compared_results(tmp_path)
    assert {cell.verdict for cell in row.systems.values()} == {Verdict.TOO_MANY_UNKNOWN}
    assert gain(row, ADAPTER) is None
    add_mlm(tmp_path / "alone", "a", 9.0, unknown=0.3)
    (alone,) = compared_results(tmp_path / "alone")
    assert alone.systems["a"].verdict == Verdict.TOO_MANY_UNKNOWN


def test_perplexities_of_other_tokens_are_no_gain_and_in_no_mean(tmp_path: Path) -> None:
    """As of an adapter with new pieces: the same sentences have another number of tokens."""
    add_mlm(tmp_path, "base", 400.0)
    other = add_mlm(tmp_path, ADAPTER, 100.0)
    file = other / "predictions.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(row | {"tokens": row["tokens"] + 1}) + "\n" for row in rows))
    (row,) = compared_results(tmp_path)
    assert row.systems[ADAPTER].verdict == Verdict.NOT_COMPARABLE
    assert gain(row, ADAPTER) is None
    assert ADAPTER not in means_over_languages([row])


def test_bits_per_character_stand_beside_systems_that_split_text_in_another_way(tmp_path: Path) -> None:
    add_mlm(tmp_path, "base", 400.0, bits=True)
    add_mlm(tmp_path, ADAPTER, 100.0, bits=True)
    assert [row.metric for row in compared_results(tmp_path)] == ["pseudo_perplexity"]
    pieces = add_mlm(tmp_path, "seq_bn+pieces/text", 100.0, bits=True)
    file = pieces / "predictions.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(row | {"tokens": row["tokens"] * 2}) + "\n" for row in rows))
    perplexity, bits = compared_results(tmp_path)
    assert (perplexity.metric, bits.metric) == ("pseudo_perplexity", "bits_per_character")
    assert perplexity.systems["seq_bn+pieces/text"].verdict == Verdict.NOT_COMPARABLE
    assert {name: system.verdict for name, system in bits.systems.items() if name != "base"} == {
        ADAPTER: Verdict.BETTER,
        "seq_bn+pieces/text": Verdict.BETTER,
    }
    assert change(bits, "seq_bn+pieces/text") == pytest.approx((math.log(100) / math.log(400) - 1) * 100)
    rows[0]["tokens"] = 0
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert compared_results(tmp_path)[1].systems["seq_bn+pieces/text"].verdict == Verdict.NOT_COMPARABLE


def test_change_is_relative_for_perplexity_and_in_points_for_f1(tmp_path: Path) -> None:
    mlm, topic = compared_results(small(tmp_path))
    assert change(mlm, ADAPTER) == pytest.approx((401.9 / 812.3 - 1) * 100)
    assert gain(mlm, ADAPTER) == pytest.approx((1 - 401.9 / 812.3) * 100)
    result = topic.systems[ADAPTER].comparison
    assert result and change(topic, ADAPTER) == pytest.approx(result.difference * 100)
    low, high = change_interval(mlm, ADAPTER) or (0, 0)
    assert low < (401.9 / 812.3 - 1) * 100 < high < 0
    assert change(topic, "base") is None


def test_any_system_can_be_what_the_others_are_compared_with(tmp_path: Path) -> None:
    plain = {row.task: row for row in compared_results(small(tmp_path))}
    turned = {row.task: row for row in compare_systems(average_runs(gather_runs([tmp_path])), baseline=ADAPTER)}
    assert change(turned["mlm"], "base") == pytest.approx((812.3 / 401.9 - 1) * 100)
    assert change(turned["mlm"], ADAPTER) is None
    assert turned["mlm"].systems["base"].verdict == "worse"
    assert turned["mlm"].systems[ADAPTER].verdict is None
    there, back = (
        plain["topic"].systems[ADAPTER].comparison,
        turned["topic"].systems["base"].comparison,
    )
    assert there and back and back.difference == pytest.approx(-there.difference)
    assert means_over_languages([turned["mlm"]])["base"].change == pytest.approx((812.3 / 401.9 - 1) * 100)
    assert means_over_languages([turned["mlm"]])[ADAPTER].change is None
    without = replace(turned["mlm"], systems=dict.fromkeys(("base", "a", "b"), turned["mlm"].systems["base"]))
    assert means_over_languages([without, turned["mlm"]]).keys() == {
        "base",
        ADAPTER,
    }  # the row that has what is compared with
