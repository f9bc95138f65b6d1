"""Rates between two samples of a counter."""

from __future__ import annotations

import pytest

from engine.probes.rates import RateCounter


def test_the_first_sample_gives_no_rate() -> None:
    assert RateCounter().per_second(10.0, (5.0,)) is None


def test_a_rate_is_the_growth_over_the_time_between() -> None:
    rates = RateCounter()
    rates.per_second(10.0, (5.0, 100.0))
    assert rates.per_second(12.0, (9.0, 100.0)) == pytest.approx((2.0, 0.0))


def test_a_counter_that_was_reset_gives_no_rate_and_then_begins_anew() -> None:
    rates = RateCounter()
    rates.per_second(10.0, (500.0,))
    assert rates.per_second(11.0, (3.0,)) is None
    assert rates.per_second(12.0, (4.0,)) == pytest.approx((1.0,))


def test_a_clock_that_stands_still_or_goes_back_gives_no_invented_rate() -> None:
    rates = RateCounter()
    rates.per_second(10.0, (1.0,))
    assert rates.per_second(10.0, (2.0,)) is None
    assert rates.per_second(9.0, (3.0,)) is None


def test_a_second_reader_close_behind_sees_the_same_rate_and_spoils_nothing() -> None:
    rates = RateCounter()
    rates.per_second(10.0, (0.0,))
    first = rates.per_second(12.0, (20.0,))
    assert rates.per_second(12.05, (25.0,)) == first
    assert rates.per_second(14.0, (40.0,)) == pytest.approx((10.0,))


def test_counters_that_come_or_go_give_no_rate() -> None:
    rates = RateCounter()
    rates.per_second(10.0, (1.0, 2.0))
    assert rates.per_second(11.0, (1.0,)) is None
