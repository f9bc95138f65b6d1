"""The trading calendar, half-hour by half-hour, worked by hand. The first half-hour of the week is that of Thursday 00:00 UTC, as of 1970-01-01."""

from __future__ import annotations

import numpy as np
import pytest

from engine.domain.incidents import TradingCalendar
from engine.domain.record import Floats
from engine.evidence import trading_calendar
from engine.evidence.trading_calendar import HALF_HOUR, update_calendar

MINUTE = HALF_HOUR // 30
WEEK = 336
FADE = 0.5 ** (1.0 / 30.0)  # of what a half-hour knew, after a bar of a minute


def calendar(seen: dict[int, float], *, session_open: bool = False, others: float = np.nan) -> TradingCalendar:
    known = np.full(WEEK, others)
    for place, share in seen.items():
        known[place] = share
    return TradingCalendar(known, session_open)


def changed(before: TradingCalendar, after: TradingCalendar) -> dict[int, float]:
    """The half-hours that the bar changed, with their new shares."""
    same = (before.traded == after.traded) | (np.isnan(before.traded) & np.isnan(after.traded))
    return {int(place): float(after.traded[place]) for place in np.flatnonzero(~same)}


def step(before: TradingCalendar, minute: int, traded: float, *, last: int | None = None, length: int = 1) -> TradingCalendar:
    """The calendar after the bar of `length` minutes that opens at this minute of the week, the one before having closed at `last`."""
    opens = minute * MINUTE
    return update_calendar(before, opens if last is None else last * MINUTE, opens + length * MINUTE, length * MINUTE, traded)


def test_the_first_bar_of_a_half_hour_decides_what_is_known_of_it() -> None:
    blank = trading_calendar.initial_calendar()
    assert np.isnan(blank.traded).all()
    assert blank.traded.shape == (WEEK,)
    for traded, share in ((0.5, 1.0), (0.49, 0.0)):
        after = step(blank, 31, traded)
        assert (changed(blank, after), after.session_open) == ({1: share}, traded >= 0.5)


def test_later_bars_move_it_by_half_in_half_an_hour() -> None:
    before = calendar({1: 1.0, 2: 0.4})
    assert changed(before, step(before, 31, 0.2)) == {1: pytest.approx(FADE)}
    assert changed(before, step(before, 61, 0.9)) == {2: pytest.approx(1.0 - 0.6 * FADE)}
    assert changed(before, step(before, 60, 0.9, length=60)) == {2: pytest.approx(0.7)}  # no bar moves it by more than half


def test_a_half_hour_that_is_not_known_begins_where_it_was_on_other_days() -> None:
    before = calendar({1 + 48: 1.0, 1 + 96: 0.5, 2: 0.0})
    assert changed(before, step(before, 31, 1.0)) == {1: pytest.approx(1.0 - 0.25 * FADE)}
    assert changed(before, step(before, 31, 0.0)) == {1: pytest.approx(0.75 * FADE)}


def test_what_is_settled_is_left_as_it_is() -> None:
    before = calendar({1: 0.9995}, session_open=True)
    assert step(before, 31, 0.6) is before
    opened = step(calendar({1: 0.9995}), 31, 0.6)
    assert (opened.session_open, opened.traded[1]) == (True, 0.9995)
    assert changed(before, step(before, 31, 0.4)) == {1: pytest.approx(0.9995 * FADE)}


def test_half_hours_without_a_bar_lose_half_of_their_share() -> None:
    """From 00:10 to 02:00 on Thursday: 00:30, 01:00 and 01:30 pass without a trade; the begun half-hour of 00:00 does not count."""
    before = calendar({1: 1.0, 2 + 48: 0.8}, session_open=True)
    after = step(before, 120, 1.0, last=10)
    assert changed(before, after) == {1: 0.5, 2: pytest.approx(0.4), 3: 0.0, 4: 1.0}
    assert after.session_open
    near = step(calendar({1: 1.0}), 60, 1.0, last=30)
    assert near.traded[1] == 1.0  # half an hour late is no gap
    assert changed(before, step(before, 120, 1.0, last=0)) == {4: 1.0}  # the first bar of all follows nothing


def test_a_session_lasts_through_hours_that_are_known_to_be_open() -> None:
    day: Floats = np.full(WEEK, 1.0)
    lasting = TradingCalendar(day, True)
    assert step(lasting, 100, 0.0).session_open
    assert step(lasting, 300, 0.0, last=100).session_open
    assert not step(TradingCalendar(day, False), 100, 0.0).session_open  # before it opens nothing is missing
    closed = calendar({3: 0.5}, session_open=True, others=1.0)
    assert not step(closed, 100, 0.4).session_open
    assert not step(closed, 300, 0.4, last=80).session_open  # a closed half-hour lies between
    assert step(closed, 100, 0.5).session_open


def test_trading_that_stops_on_the_half_hour_is_an_early_close_only_where_a_market_has_closed_hours() -> None:
    nights = TradingCalendar(np.where(np.arange(WEEK) % 48 < 5, 0.0, 1.0), True)  # 35 of 336 half-hours
    assert not step(nights, 600, 0.0).session_open
    assert step(nights, 601, 0.0).session_open
    always = TradingCalendar(np.where(np.arange(WEEK) < 33, 0.0, 1.0), True)  # 33 of 336: less than a tenth
    assert step(always, 3_000, 0.0).session_open


@pytest.mark.parametrize(
    ("seen", "expected", "usual"),
    [({1: 0.51}, True, 0.51), ({1: 0.5}, False, 0.5), ({49: 0.6, 97: 0.5}, True, 0.55), ({49: 0.5, 97: 0.5}, False, 0.5), ({2: 1.0}, False, None)],
)
def test_a_half_hour_is_open_where_it_was_or_the_same_of_other_days(seen: dict[int, float], expected: bool, usual: float | None) -> None:
    known = calendar(seen).traded
    assert trading_calendar.is_expected_open(known, 1) is expected
    assert trading_calendar.mean_open_share(known, 1) == (usual if usual is None else pytest.approx(usual))


def test_a_year_has_the_hours_and_the_days_that_are_open() -> None:
    week = np.zeros((7, 48))
    week[:5, 29:42] = 0.46  # from 14:30 to 21:00 on five days
    week[5, 0] = 0.45
    assert trading_calendar.trading_year(week.ravel()) == pytest.approx((8_760.0 * 65.0 / 336.0, 365.0 * 5.0 / 7.0))
    unknown = week.ravel().copy()
    unknown[100] = np.nan
    assert trading_calendar.trading_year(unknown) == trading_calendar.trading_year(np.zeros(WEEK)) == (8_760.0, 365.0)
