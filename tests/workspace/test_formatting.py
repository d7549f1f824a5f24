import pytest
from lrl_adapt.workspace.formatting import (
    format_count,
    format_duration,
    format_interval,
    format_number,
    format_p_value,
    format_percent,
    format_signed,
    format_significant,
    format_size,
)


def test_numbers_have_thousands_separators_and_a_dash_stands_for_none() -> None:
    assert [format_number(894528), format_number(4.9, 3)] == ["894,528", "4.900"]
    assert {format_number(value) for value in (None, float("nan"), float("inf"))} == {"—"}


def test_counts_have_their_plural() -> None:
    assert [format_count(n, "seed") for n in (0, 1, 2000)] == ["0 seeds", "1 seed", "2,000 seeds"]


def test_shares_are_in_percent() -> None:
    assert format_percent(0.6342) == "63.4"
    assert format_percent(0.6342, 0) == "63"


def test_changes_have_a_sign() -> None:
    assert [format_signed(x) for x in (1.84, -50.5, 0.04, -0.04)] == ["+1.8", "−50.5", "±0.0", "±0.0"]
    assert format_interval("57.1", "69.7") == "[57.1, 69.7]"


def test_p_values_have_few_digits() -> None:
    assert [format_p_value(p) for p in (None, 0.0002, 0.0123, 0.5)] == ["", "p < 0.001", "p = 0.012", "p = 0.50"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "—"), (0.2, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (4e6, "1,111 h 6 min")],
)
def test_durations_have_two_units(seconds: float | None, text: str) -> None:
    assert format_duration(seconds) == text


def test_sizes_are_in_decimal_units() -> None:
    assert [format_size(size) for size in (None, 12, 3400, 391e6, 2.5e9)] == ["", "12 B", "3.4 kB", "391 MB", "2.5 GB"]


def test_significant_digits_need_no_exponent() -> None:
    assert [format_significant(value) for value in (0.000123, 0.5, 1.26)] == ["0.00012", "0.5", "1.3"]
