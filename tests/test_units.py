"""Displayed numbers: a unit on each, a true minus, one form of an interval, and words where there is no figure."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import units

FINITE = st.floats(-1e16, 1e16, allow_nan=False)
UNITS = st.sampled_from(["bytes", "bytes/s", "ms", "s", "count", "%", "bps", "1/s"])
FACTORS = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "ms": 1.0, "s": 1e3, "min": 6e4, "h": 3.6e6}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (units.format_bps(12.34), "12.3 bps"),
        (units.format_bps(-0.04, signed=True), "0.0 bps"),
        (units.format_bps(-3.2, signed=True), "\N{MINUS SIGN}3.2 bps"),
        (units.format_bps(math.nan), "\N{EN DASH}"),
        (units.format_bps(None, missing=units.NOT_ENOUGH), "not enough data"),
        (units.format_percent(0.9998, 2), "99.98 %"),
        (units.format_money(1234567.8), "1,234,568"),
        (units.format_price(56090.4), "56,090"),
        (units.format_price(9.21304), "9.2130"),
        (units.format_price(1.2e-8), "0.000000012000"),
        (units.format_price(9.99996), "10.000"),
        (units.format_price_step(0.01), "0.01"),
        (units.format_price_step(1e-12), "0.000000000001"),
        (units.format_price_step(10.0), "10"),
        (units.format_quantity(1.50), "1.5"),
        (units.format_quantity(0.03668), "0.0367"),
        (units.format_quantity(1204.0), "1,204"),
        (units.format_bytes(25_300_000_000), "25.3 GB"),
        (units.format_bytes(512), "512 B"),
        (units.format_bytes(999_700), "1.0 MB"),
        (units.format_age(6.2), "6 s"),
        (units.format_age(250), "4 min"),
        (units.format_age(90_000), "25 h"),
        (units.format_age(200_000), "2 d"),
        (units.format_ms(0.314), "0.31 ms"),
        (units.format_ms(999.7), "1.0 s"),
        (units.format_ms(22_898), "22.9 s"),
        (units.format_ms(900_000), "15.0 min"),
        (units.format_duration(0.04), "40.0 ms"),
        (units.format_reading(-1_500_000, "bytes"), "\N{MINUS SIGN}1.5 MB"),
        (units.format_reading(3.0, "count", signed=True), "+3"),
        (units.format_interval(-1.0, 2.5, 1, "bps"), "\N{MINUS SIGN}1.0 to +2.5 bps"),
        (units.format_interval(0.4, 1.4, 1, "%"), "0.4 to 1.4 %"),
        (units.format_interval(None, 2.5), "not enough data"),
        (units.format_reading_interval(-1e3, 2e6, "bytes"), "0.0 to +2.0 MB"),
        (units.format_estimate(-1.5e6, -7.3e6, 4.5e6, "bytes"), "\N{MINUS SIGN}1.5 MB (\N{MINUS SIGN}7.3 to +4.5)"),
        (units.format_change(340.4e6, 339.2e6, "bytes"), "340 MB -> 339 MB (\N{MINUS SIGN}1.2 MB)"),
        (units.format_change(None, 339.2e6, "bytes"), "not measured yet"),
        (units.format_estimate(3.2, None, 2.0, "ms"), "3.2 ms (interval: not enough data)"),
        (units.format_estimate(None, None, None, "ms"), "not enough data"),
        (units.format_bar_length(60_000_000_000), "1 min"),
        (units.format_bar_length(300_000_000_000), "5 min"),
        (units.format_count(1, "bar"), "1 bar"),
        (units.format_count(12, "bar"), "12 bars"),
        (units.format_count(2, "try", "tries"), "2 tries"),
        (units.format_time(1_704_067_200_000_000_000), "2024-01-01 00:00:00"),
        (units.format_time(1_704_067_205_000_000_000, "%m-%d %H:%M:%S"), "01-01 00:00:05"),
        (units.format_time(None), "\N{EN DASH}"),
    ],
)
def test_a_figure_in_words(text: str, words: str) -> None:
    assert text == words


@given(FINITE, FINITE, FINITE, UNITS)
def test_no_number_has_an_ascii_minus(value: float, low: float, high: float, unit: str) -> None:
    shown = [
        units.format_reading(value, unit), units.format_number(value, 2), units.format_percent(value), units.format_money(value),
        units.format_bps(value), units.format_quantity(value), units.format_interval(low, high), units.format_reading_interval(low, high, unit),
        units.format_estimate(value, low, high, unit), units.format_change(low, high, unit),
    ]  # fmt: skip
    assert not [text for text in shown if re.search(r"-\d", text)]


@given(FINITE)
def test_milliseconds_end_at_one_second(value: float) -> None:
    number, unit = _parse(units.format_ms(value))
    assert unit != "ms" or abs(number) < 1000


@given(FINITE)
def test_bytes_end_at_a_thousand_of_each_unit(value: float) -> None:
    number, unit = _parse(units.format_bytes(value))
    assert unit == "TB" or abs(number) < 1000


@given(st.sampled_from(["bytes", "ms"]), FINITE, FINITE)
def test_a_larger_value_never_reads_as_a_smaller_one(unit: str, one: float, other: float) -> None:
    low, high = (number * FACTORS[name] for number, name in (_parse(units.format_reading(value, unit)) for value in sorted((one, other))))
    assert low <= high * (1 + 1e-12 * math.copysign(1, high))


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_not_known_is_a_dash_or_words(value: float | None) -> None:
    formats = (
        units.format_number,
        units.format_bps,
        units.format_percent,
        units.format_money,
        units.format_price,
        units.format_price_step,
        units.format_quantity,
        units.format_bytes,
        units.format_age,
        units.format_ms,
    )
    assert {form(value) for form in formats} == {units.MISSING}
    assert units.format_reading(value, "bytes", units.NOT_MEASURED) == units.NOT_MEASURED
    assert units.format_interval(value, 1.0) == units.format_reading_interval(0.0, value, "ms") == units.NOT_ENOUGH
    assert units.format_estimate(value, 0.0, 1.0, "ms") == units.NOT_ENOUGH


def _parse(text: str) -> tuple[float, str]:
    number, _, unit = text.replace("\N{MINUS SIGN}", "-").replace(",", "").partition(" ")
    return float(number), unit
