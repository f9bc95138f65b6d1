"""The length of a year, learned from when a recorded market trades, against the volatility of its daily closes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from engine.domain.record import Floats
from engine.evidence import sharpe, trading_calendar
from engine.feeds.recorded import RecordedFeed

pytestmark = pytest.mark.recordings
HOUR, DAY = 3_600 * 10**9, 86_400 * 10**9


@cache
def played(folder: Path, symbols: tuple[str, ...] = ()) -> tuple[list[tuple[float, float]], Floats, Floats, int]:
    """The year's hours and days as known at the end of each week, log closes (T, S), the times of the bars, and their length."""
    feed = RecordedFeed(folder, symbols=symbols)
    calendar, last, closes, times, years = trading_calendar.initial_calendar(), 0, [], [], []
    for bar in feed.slices(None):
        traded = float(bar.fresh.mean())
        calendar = trading_calendar.update_calendar(calendar, last, bar.at, feed.info.interval, traded)
        if last // (7 * DAY) != bar.at // (7 * DAY):
            years.append(trading_calendar.trading_year(calendar.traded))
        last = bar.at
        if traded:
            closes.append(np.log(bar.close))
            times.append(bar.at)
    return years, np.array(closes), np.array(times), feed.info.interval


def yearly_of_bars(closes: Floats, bars: float) -> Floats:
    """(S,) from the mean square of the moves from bar to bar, nights among them, as the volatility known at decisions averages."""
    moves = np.diff(closes, axis=0)
    return np.asarray(np.sqrt(np.nanmean(moves * moves, axis=0) * bars))


def yearly_of_days(closes: Floats, times: Floats) -> Floats:
    """(S,) from daily closes, at the days a year that were seen."""
    days = (times - 1) // DAY
    last = np.append(np.flatnonzero(np.diff(days)), len(days) - 1)
    moves = np.diff(closes[last], axis=0)
    per_year = sharpe.trading_days_per_year(np.unique(days).tolist())
    assert per_year is not None
    return np.asarray(np.sqrt(np.nanmean(moves * moves, axis=0) * per_year))


def test_us_minutes_are_as_volatile_as_their_daily_closes(recordings: Path) -> None:
    years, closes, times, interval = played(recordings / "us_equity_1m_2025_2026")
    assert years[:2] == [(trading_calendar.HOURS_PER_YEAR, trading_calendar.DAYS_PER_YEAR)] * 2  # nothing is claimed before a whole week was seen
    known = np.array(years[2:])
    hours, days = np.median(known, axis=0)
    assert hours == pytest.approx(252 * 6.5, rel=0.05)
    assert hours < known[0, 0] < trading_calendar.HOURS_PER_YEAR / 3  # days off are in doubt until they were seen twice
    assert (np.abs(known[1:, 0] / hours - 1.0) <= 0.21).all()  # at worst, after two holidays a week apart; 11 % after the clocks changed
    assert days == pytest.approx(252, rel=0.04)
    ratio = yearly_of_bars(closes, hours * HOUR / interval) / yearly_of_days(closes, times)
    assert np.median(ratio) == pytest.approx(1.0, abs=0.10)
    always = yearly_of_bars(closes, trading_calendar.HOURS_PER_YEAR * HOUR / interval) / yearly_of_days(closes, times)
    assert np.median(always) > 2.0
    print("bars over daily closes", ratio.round(3), years)


def test_the_sharpe_ratio_of_us_stocks_is_taken_over_about_252_days(recordings: Path) -> None:
    _, _, times, _ = played(recordings / "us_equity_1m_2025_2026")
    assert sharpe.trading_days_per_year(np.unique((times - 1) // DAY).tolist()) == pytest.approx(252, rel=0.04)


def test_a_market_that_never_closes_has_the_whole_year(recordings: Path) -> None:
    years, _, times, _ = played(recordings / "binance_spot_5m_2022_2023", ("BTCUSDT", "ETHUSDT", "BCHUSDT"))
    assert set(years) == {(trading_calendar.HOURS_PER_YEAR, trading_calendar.DAYS_PER_YEAR)}
    assert sharpe.trading_days_per_year(np.unique((times - 1) // DAY).tolist()) == 365.0
