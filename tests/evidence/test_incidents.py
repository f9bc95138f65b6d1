"""Faults of the data: each is detected by name, early and once; thin symbols, nights, busy markets and moving prices are no faults."""

from __future__ import annotations

import numpy as np
import pytest

from engine.domain.incidents import Incident
from engine.domain.trading_config import Event
from engine.evidence import incidents, trading_calendar, volume_level
from tests.evidence.watched_market import HOUR, MONDAY, Market, after, faults, named
from tests.makers import DAY, MINUTE


def test_bars_without_volume_everywhere_are_a_halt_until_half_the_market_trades_again() -> None:
    market = after()
    began = market.at
    observed = market.empty(6)
    assert named(observed) == [("halt", "*", True)]
    assert observed[0].since == began
    assert market.watch.open == observed
    market.empty(1, slice(1, None))
    ended = market.run(1)
    assert [(incident.kind, incident.since, incident.until) for incident in ended] == [("halt", began, began + 7 * MINUTE)]
    assert market.watch.open == ()


def test_a_halt_is_detected_within_three_bars() -> None:
    market = after()
    assert named(market.empty(3)) == [("halt", "*", True)]


def test_absent_bars_everywhere_are_a_gap() -> None:
    market = after()
    began = market.at
    assert named(market.absent(3)) == [("gap", "*", True)]
    assert market.run(1) == (Incident("gap", "*", began, began + 3 * MINUTE, market.observed[0].detail),)
    assert "all 5 symbols have no bar: 2 bars in a row" in market.observed[0].detail


def test_a_silent_feed_is_a_gap_once_it_resumes() -> None:
    market = after()
    began = market.at
    market.at += 20 * MINUTE
    observed = market.run(1)
    assert [(incident.kind, incident.symbol, incident.since, incident.until) for incident in observed] == [("gap", "*", began, began + 20 * MINUTE)]
    assert "20 bars" in observed[0].detail
    assert market.watch.open == ()


def test_bars_that_repeat_the_previous_one_are_stale_until_they_change() -> None:
    market = after()
    bar = market.bar()
    observed = tuple(incident for _ in range(5) for incident in market.step(bar))
    assert named(observed) == [("stale", "*", True)]
    assert named(market.run(1)) == [("stale", "*", False)]


def test_a_single_symbol_is_reported_only_after_far_longer_than_its_longest_run() -> None:
    market = after()
    market.empty(5, slice(0, 1))
    assert market.run(10) == ()
    assert market.empty(15, slice(0, 1)) == ()
    assert named(market.empty(1, slice(0, 1))) == [("flat-filled", "S0", True)]
    assert named(market.run(1)) == [("flat-filled", "S0", False)]
    assert named(market.absent(40, slice(1, 2))) == [("gap", "S1", True)]


def test_a_fault_of_one_symbol_does_not_change_the_rates_of_others() -> None:
    market = after()
    before = market.watch.staleness
    market.absent(60, slice(0, 1))
    assert (market.watch.staleness.longest[:, 1:] == before.longest[:, 1:]).all()
    market.run(1)
    assert market.watch.staleness.longest[0, 0] == 20  # a third of what was a fault


def test_thin_symbols_that_miss_most_of_their_bars_are_no_fault() -> None:
    market = Market(symbols=4)
    for _ in range(3 * 1_440):
        bar = market.bar()
        absent = market.draw.random(4) > np.array([0.98, 0.7, 0.5, 0.4])
        bar[:, absent] = np.nan
        market.step(bar)
    assert market.observed == []
    assert named(market.absent(4)) == [("gap", "*", True)]


def test_a_symbol_that_has_not_begun_is_no_gap_and_does_not_hide_one() -> None:
    market = Market()
    market.absent(2 * 1_440, slice(4, 5))
    assert market.observed == []
    assert named(market.absent(3)) == [("gap", "*", True)]


def nights(market: Market, days: int, *, opens: int = 9, closes: int = 17, shift: int = 0) -> None:
    """Days of a market open from one hour to another and not at the weekend; thirteen empty bars, then silence, as the feeds do it."""
    first = (market.at - MONDAY) // DAY + 1 if market.at > MONDAY else 0
    for day in range(first, first + days):
        if day % 7 >= 5:
            continue
        market.at = MONDAY + day * DAY + (opens + shift) * HOUR
        market.run((closes - opens) * 60)
        market.absent(13)


def test_nights_weekends_holidays_and_another_hour_of_opening_are_no_gaps() -> None:
    market = Market(symbols=3)
    nights(market, 9)
    market.at = MONDAY + 10 * DAY + 17 * HOUR  # a holiday: nothing at all that day
    nights(market, 5)
    nights(market, 7, shift=1)
    nights(market, 4, shift=0)
    assert market.observed == []


def test_an_early_close_on_the_half_hour_is_no_gap_and_one_at_another_minute_is() -> None:
    market = Market(symbols=3)
    nights(market, 9)
    market.at = MONDAY + 9 * DAY + 9 * HOUR
    market.run(4 * 60)
    assert market.absent(13) == ()
    market.at = MONDAY + 10 * DAY + 9 * HOUR
    market.run(4 * 60 + 7)
    assert named(market.absent(13)) == [("gap", "*", True)]
    market.at = MONDAY + 11 * DAY + 9 * HOUR
    assert named(market.run(1)) == [("gap", "*", False)]


def test_unknown_hours_of_the_calendar_are_not_expected_open() -> None:
    market = Market(symbols=3)
    market.at = MONDAY + 9 * HOUR
    market.run(8 * 60)
    assert market.absent(13) == ()
    known = market.watch.calendar.traded
    assert trading_calendar.is_expected_open(known, 10 * 2)
    assert not trading_calendar.is_expected_open(known, 17 * 2)
    assert not trading_calendar.is_expected_open(known, 20 * 2)


def test_until_a_week_was_seen_the_year_is_that_of_a_market_that_never_closes() -> None:
    assert trading_calendar.trading_year(trading_calendar.initial_calendar().traded) == (8_760.0, 365.0)
    known = np.ones(336)
    assert trading_calendar.trading_year(known) == (8_760.0, 365.0)
    known[100] = np.nan
    assert trading_calendar.trading_year(known * 0.0) == (8_760.0, 365.0)


def test_the_calendar_learns_weekday_hours_and_ignores_one_holiday() -> None:
    market = Market(symbols=3)
    for day in range(21):
        if day % 7 < 5 and day != 15:  # the last Tuesday is a holiday
            market.at = MONDAY + day * DAY + 9 * HOUR
            market.run(8 * 60)
            market.absent(13)
    hours, days = trading_calendar.trading_year(market.watch.calendar.traded)
    assert days == pytest.approx(365.0 * 5 / 7)
    assert hours == pytest.approx(8_760.0 * 5 * 16 / 336, rel=0.07)  # the half-hour after the close fades more slowly


@pytest.mark.parametrize(("times", "way"), [(20.0, "up"), (1 / 20, "down")])
def test_a_change_in_the_unit_of_volume_is_detected_within_three_bars_and_becomes_normal(times: float, way: str) -> None:
    market = after()
    began = market.at
    observed = market.run(3, volume=times)
    assert [(incident.kind, incident.symbol, incident.since, incident.until) for incident in observed] == [("volume-feed change", "*", began, None)]
    assert f"volume is {way}" in observed[0].detail
    assert "5 of 5 symbols" in observed[0].detail
    assert named(market.run(volume_level.LEARNED_BARS, volume=times)) == [("volume-feed change", "*", False)]
    assert market.run(300, volume=times) == ()
    assert named(market.run(3, volume=1.0)) == [("volume-feed change", "*", True)]


def test_a_storm_with_ranges_and_volume_twenty_times_the_usual_is_no_fault() -> None:
    market = after()
    assert market.run(200, range_=20.0) == ()


def test_a_price_that_jumps_and_a_drift_are_no_faults() -> None:
    market = after()
    market.price = market.price * 0.7
    assert market.run(5) == ()
    for _ in range(300):
        market.price = market.price * 1.001
        assert market.run(1) == ()


def test_volume_that_grows_slowly_is_no_fault() -> None:
    market = after()
    observed = [incident for step in range(3_000) for incident in market.run(1, volume=20.0 ** (step / 3_000))]
    assert observed == []


def test_bars_off_the_clock_and_clocks_that_differ_are_clock_skew() -> None:
    market = after(1)
    market.at += 7 * 10**9
    observed = market.run(1)
    assert [(incident.kind, incident.since == incident.until) for incident in observed] == [("clock skew", True)]
    assert "7 s off the clock of 60 s" in observed[0].detail
    observed = market.step(market.bar(), events=(Event("clock_skew", "*", "-1.27"), Event("clock_skew", "*", "-1.27")))
    assert named(observed) == [("clock skew", "*", True)]
    assert "-1.27 s" in observed[0].detail
    assert market.run(5) == ()
    assert named(market.step(market.bar(), events=(Event("clock_skew", "*", "0"),))) == [("clock skew", "*", False)]
    assert market.watch.open == ()


def test_later_bars_change_no_earlier_result() -> None:
    whole, other = Market(), Market()
    digests = []
    for index in range(800):
        bar = whole.bar()
        whole.step(bar)
        digests.append(whole.watch.digest())
        changed = bar if index < 500 else bar * 1.5
        other.step(changed)
        assert (other.watch.digest() == digests[-1]) == (index < 500)


def test_the_state_stays_small_and_is_reproducible() -> None:
    first, second = after(1, symbols=20), after(1, symbols=20)
    assert first.watch.digest() == second.watch.digest()
    watch = first.watch
    arrays = [
        watch.calendar.traded,
        *(getattr(watch.staleness, name) for name in ("run_bars", "run_since", "runs_begun", "runs_continued", "longest", "last_bar")),
    ]
    arrays += [watch.volume_level.level, watch.volume_level.mean_range, watch.volume_level.profile]
    assert sum(part.nbytes for part in arrays) < 10_000


def test_a_universe_of_one_symbol_can_halt() -> None:
    market = after(symbols=1)
    assert named(market.empty(10)) == [("halt", "*", True)]


@pytest.mark.parametrize("row", range(5))
@pytest.mark.parametrize("value", [np.inf, np.nan, -1.0, 0.0])
def test_impossible_values_leave_no_trace(row: int, value: float) -> None:
    market = after(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        for _ in range(5):
            bar = market.bar()
            bar[row, :2] = value
            market.step(bar, np.ones(5, dtype=bool))
    assert market.run(100) == ()
    for part in (market.watch.volume_level.level, market.watch.volume_level.mean_range, market.watch.volume_level.profile[:10]):
        assert np.isfinite(part).all()
    assert named(market.run(3, volume=20.0)) == [("volume-feed change", "*", True)]


def test_a_halt_after_which_only_a_quarter_of_the_market_trades_ends_for_those_that_do() -> None:
    market = after(symbols=4)
    assert named(market.empty(6)) == [("halt", "*", True)]
    observed = market.empty(incidents.MAX_PARTIAL_BARS, slice(1, None))
    assert ("halt", "*", False) in named(observed)
    market.empty(5, slice(1, None))
    assert faults(market) == ["", "flat-filled", "flat-filled", "flat-filled"]


def test_a_change_of_volume_that_can_no_longer_be_measured_ends() -> None:
    market = after()
    assert named(market.run(3, volume=20.0)) == [("volume-feed change", "*", True)]
    assert faults(market) == ["volume-feed change"] * 5
    for number in range(incidents.MAX_LEARNING_BARS):
        bar = market.bar()
        bar[4] = np.nan
        market.step(bar, np.ones(5, dtype=bool))
        assert bool(market.watch.open) == (number < incidents.MAX_LEARNING_BARS - 3)  # it began three bars before
    assert market.watch.open == ()
    assert faults(market) == [""] * 5


def test_a_bar_off_the_clock_is_a_fault_of_that_bar_alone() -> None:
    market = after(1)
    market.at += 7 * 10**9
    market.run(1)
    assert faults(market) == ["clock skew"] * 5
    market.run(1)
    assert faults(market) == [""] * 5
