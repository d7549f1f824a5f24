import json
from dataclasses import replace
from pathlib import Path

import pytest
from lrl_adapt.eval.scores import (
    Row,
    Score,
    change,
    collect_scores,
    read_scores,
    show_change,
    show_interval,
    show_value,
    summarise,
    verdict,
    write_scores,
)
from lrl_adapt.recipes.errors import UserError

MLM = Score("mlm", "base", "pseudo_perplexity", 800.0, (700.0, 900.0), 200, None, "swh_Latn", "xlm-r")
TOPIC = Score("topic", "base", "macro_f1", 0.6, (0.5, 0.7), 204, 1, "swh_Latn", "xlm-r")
ADAPTER = "seq_bn/text"


def store(workspace: Path, name: str, scores: list[Score], manifest: bool = True) -> Path:
    folder = workspace / "scores" / "swh_Latn" / name
    folder.mkdir(parents=True)
    write_scores(folder / "scores.json", scores)
    if manifest:
        (folder / "manifest.json").write_text("{}")
    return folder


def only(*scores: Score) -> Row:
    (row,) = summarise(scores)
    return row


def test_scores_come_back_as_written(tmp_path: Path) -> None:
    scores = [MLM, replace(TOPIC, interval=None)]
    write_scores(tmp_path / "scores.json", scores)
    assert read_scores(tmp_path / "scores.json") == scores
    assert json.loads((tmp_path / "scores.json").read_text())["scores"][0]["interval"] == [700.0, 900.0]


@pytest.mark.parametrize(
    "content",
    [
        '{"schema_version": 2, "scores": []}',
        "{",
        "[]",
        '{"schema_version": 1}',
        '{"schema_version": 1, "scores": [{}]}',
        '{"schema_version": 1, "scores": [{"value": "x", "interval": [1], "n": 1}]}',
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "scores.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"scores\.json"):
        read_scores(path)


def test_collect_reads_finished_folders_in_order(tmp_path: Path) -> None:
    last = store(tmp_path, "topic-b", [TOPIC])
    first = store(tmp_path, "mlm-a", [MLM])
    store(tmp_path, ".mlm-c.partial", [MLM])
    store(tmp_path, "mlm-d", [MLM], manifest=False)
    assert collect_scores(tmp_path) == [(MLM, first), (TOPIC, last)]


def test_collect_filters(tmp_path: Path) -> None:
    store(tmp_path, "a", [MLM, replace(MLM, base="mbert"), replace(MLM, language="mlt_Latn")])
    assert len(collect_scores(tmp_path)) == 3
    assert [score.base for score, _ in collect_scores(tmp_path, "swh_Latn")] == ["xlm-r", "mbert"]
    assert [score.language for score, _ in collect_scores(tmp_path, base="xlm-r")] == ["swh_Latn", "mlt_Latn"]


def test_rows_and_systems_are_in_order() -> None:
    others = [replace(TOPIC, system="lora/text"), TOPIC, replace(MLM, system=ADAPTER), MLM]
    ner = replace(TOPIC, task="ner", metric="entity_f1")
    rows = summarise([ner, *others, replace(TOPIC, task="sentiment"), replace(TOPIC, metric="accuracy")])
    assert [row.task for row in rows] == ["mlm", "topic", "sentiment", "ner"]
    assert [list(row.systems) for row in rows[:2]] == [["base", ADAPTER], ["base", "lora/text"]]


def test_seeds_are_averaged() -> None:
    cell = only(TOPIC, replace(TOPIC, seed=2, value=0.7, interval=(0.6, 0.8))).systems["base"]
    assert (cell.mean, cell.seeds, cell.n) == (pytest.approx(0.65), 2, 204)
    assert cell.interval == pytest.approx((0.55, 0.75))
    assert cell.deviation == pytest.approx(0.0707, abs=1e-4)


def test_one_seed_keeps_its_interval_and_has_no_deviation() -> None:
    cell = only(TOPIC).systems["base"]
    assert (cell.interval, cell.deviation) == ((0.5, 0.7), None)


def test_a_seed_without_interval_leaves_none() -> None:
    assert only(TOPIC, replace(TOPIC, seed=2, interval=None)).systems["base"].interval is None


def test_change_is_relative_for_perplexity_and_in_points_for_f1() -> None:
    assert change(only(MLM, replace(MLM, system=ADAPTER, value=400.0)), ADAPTER) == pytest.approx(-50)
    assert change(only(TOPIC, replace(TOPIC, system=ADAPTER, value=0.618)), ADAPTER) == pytest.approx(1.8)
    assert change(only(TOPIC), "base") is None
    assert change(only(replace(TOPIC, system=ADAPTER)), ADAPTER) is None
    assert change(only(TOPIC), ADAPTER) is None


@pytest.mark.parametrize(
    ("base", "interval", "expected"),
    [
        (MLM, (300.0, 500.0), "better"),
        (MLM, (950.0, 990.0), "worse"),
        (MLM, (600.0, 700.0), "no clear difference"),
        (MLM, None, "no interval"),
        (TOPIC, (0.71, 0.8), "better"),
        (TOPIC, (0.3, 0.4), "worse"),
        (TOPIC, (0.6, 0.8), "no clear difference"),
    ],
)
def test_verdict_needs_intervals_that_lie_apart(
    base: Score, interval: tuple[float, float] | None, expected: str
) -> None:
    assert verdict(only(base, replace(base, system=ADAPTER, interval=interval)), ADAPTER) == expected


def test_other_items_are_not_compared() -> None:
    row = only(MLM, replace(MLM, system=ADAPTER, interval=(1.0, 2.0), n=10))
    assert verdict(row, ADAPTER) == "not comparable"
    assert verdict(row, "base") is None


@pytest.mark.parametrize(
    ("value", "metric", "shown"),
    [
        (0.6342, "macro_f1", "63.4"),
        (812.34, "pseudo_perplexity", "812.3"),
        (4012.34, "pseudo_perplexity", "4,012.3"),
        (7.456, "pseudo_perplexity", "7.46"),
        (1.23456, "bits_per_character", "1.235"),
        (0.012, "unknown_share", "1.2"),
        (float("nan"), "macro_f1", "—"),
        (None, "macro_f1", "—"),
    ],
)
def test_values_are_shown_rounded(value: float | None, metric: str, shown: str) -> None:
    assert show_value(value, metric) == shown


def test_changes_and_intervals_are_shown() -> None:
    assert show_change(only(MLM, replace(MLM, system=ADAPTER, value=400.0)), ADAPTER) == "−50.0 %"
    assert show_change(only(TOPIC, replace(TOPIC, system=ADAPTER, value=0.618)), ADAPTER) == "+1.8 points"
    assert show_change(only(TOPIC, replace(TOPIC, system=ADAPTER)), ADAPTER) == "±0.0 points"
    assert show_change(only(TOPIC), "base") == ""
    assert show_interval((0.5, 0.7), "macro_f1") == "[50.0, 70.0]"
    assert show_interval(None, "macro_f1") == ""
