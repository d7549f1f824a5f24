import pytest
from lrl_adapt.eval.display import (
    format_change,
    format_change_interval,
    format_value,
    format_value_interval,
    metric_with_direction,
    task_order,
)


@pytest.mark.parametrize(
    ("value", "metric", "shown"),
    [
        (0.6342, "macro_f1", "63.4"),
        (812.34, "pseudo_perplexity", "812.3"),
        (4012.34, "pseudo_perplexity", "4,012.3"),
        (7.456, "pseudo_perplexity", "7.46"),
        (7.456, "pseudo_perplexity_paper", "7.46"),
        (1.23456, "bits_per_character", "1.235"),
        (0.5, "accuracy", "50.0"),
        (0.012, "unknown_share", "1.2"),
        (float("nan"), "macro_f1", "—"),
        (None, "macro_f1", "—"),
    ],
)
def test_values_are_shown_rounded(value: float | None, metric: str, shown: str) -> None:
    assert format_value(value, metric) == shown


def test_intervals_are_shown() -> None:
    assert format_value_interval((0.5, 0.7), "macro_f1") == "[50.0, 70.0]"
    assert format_value_interval(None, "macro_f1") == ""


def test_changes_are_shown_with_sign_and_unit() -> None:
    assert format_change(-50.04, "pseudo_perplexity") == "−50.0%"
    assert format_change(1.8, "macro_f1") == "+1.8 points"
    assert format_change(0.01, "macro_f1") == "±0.0 points"
    assert format_change(None, "macro_f1") == format_change(float("nan"), "macro_f1") == ""
    assert format_change_interval((-1.2, 3.0)) == "[−1.2, +3.0]"
    assert format_change_interval(None) == ""


def test_known_tasks_come_before_users_own() -> None:
    assert sorted(["ner", "own", "mlm", "a", "topic"], key=task_order) == ["mlm", "topic", "ner", "a", "own"]


def test_a_metric_is_named_with_its_unit_or_direction() -> None:
    assert metric_with_direction("macro_f1") == "macro-F1, %"
    assert metric_with_direction("pseudo_perplexity") == "pseudo-perplexity, lower is better"
