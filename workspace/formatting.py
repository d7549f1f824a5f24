"""How figures are written for people: percentages, changes, intervals, p values, counts, times and sizes.

Tables, pages, cards and progress lines all use these functions, so the same figure looks the same everywhere.
"""

from decimal import Decimal
from math import isfinite

MISSING = "—"  # shown for a missing value

_SIZE_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def format_percent(share: float, digits: int = 1) -> str:
    """A share from 0 to 1 in percent, without the sign, which stands in the table's header: 63.4."""
    return f"{share * 100:.{digits}f}"


def format_count(count: int, noun: str) -> str:
    """A number of things: "1 language", "2,000 languages". The plural ends in -s."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def format_signed(number: float) -> str:
    """A change, with its sign and one digit: "+1.8", "−50.5", "±0.0"."""
    size = f"{abs(number):,.1f}"
    if size == "0.0":
        return f"±{size}"
    return f"+{size}" if number > 0 else f"−{size}"


def format_interval(low: str, high: str) -> str:
    """An interval, from its formatted ends: "[57.1, 69.7]"."""
    return f"[{low}, {high}]"


def format_p_value(p: float | None) -> str:
    """A p value: "p = 0.012", "p < 0.001"; empty for None."""
    if p is None:
        return ""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def format_duration(seconds: float | None) -> str:
    """A time: "21 s", "3 min 20 s", "2 h 5 min"."""
    if seconds is None:
        return MISSING
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def format_size(size: int | None) -> str:
    """A number of bytes: "391 MB"; empty for None."""
    if size is None:
        return ""
    for unit, scale in _SIZE_UNITS:
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} B"


def format_number(value: float | None, digits: int = 0) -> str:
    """A number with thousands separators: "894,528", "4.900"; a dash for None, NaN and infinity."""
    if value is None or not isfinite(value):
        return MISSING
    return f"{value:,.{digits}f}"


def format_significant(value: float, digits: int = 2) -> str:
    """A number with `digits` significant digits and no exponent: "0.00012"."""
    return f"{Decimal(f'{value:.{digits}g}'):f}"
