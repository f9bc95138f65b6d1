"""The hours in which a market trades, learned bar by bar: nights, weekends, holidays and early closes are no faults."""

from __future__ import annotations

import math

import numpy as np

from engine.domain.incidents import TradingCalendar
from engine.domain.record import Floats

HALF_HOUR = 30 * 60 * 10**9  # ns
HALF_HOURS_PER_DAY, HALF_HOURS_PER_WEEK = 48, 336  # half-hours
SETTLED = 0.999  # a share above this is not updated
MIN_OPEN_SHARE = 0.45  # share above which a half-hour counts as trading time: one holiday, which halves it, has no effect
DAYS_PER_YEAR = 365.0  # of a market that never closes
HOURS_PER_YEAR = 8_760.0  # of a year


def initial_calendar() -> TradingCalendar:
    return TradingCalendar(np.full(HALF_HOURS_PER_WEEK, np.nan), session_open=False)


def update_calendar(before: TradingCalendar, last: int, at: int, interval: int, traded: float) -> TradingCalendar:
    """Update the calendar with the bar that closes `at` (ns UTC), in which the share `traded` of the universe traded; `last` is the previous close.

    A session opens with its first bar in which half of the universe trades. It ends when half of the universe does not trade in a half-hour known to
    be closed, or when trading stops all at once on the half-hour in a market with closed hours (an early close). Before it opens nothing is missing:
    a holiday is no gap.
    """
    opens = at - interval
    place = opens // HALF_HOUR % HALF_HOURS_PER_WEEK
    known = before.traded
    skipped = _between(last, opens) if 0 < last < opens - HALF_HOUR else []
    opened = before.session_open and all(is_expected_open(known, each) for each in (*skipped, place))
    if skipped:
        known = _without_a_trade(known, skipped)
    busy = traded >= 0.5
    opened = opened or busy
    if not busy and opens % HALF_HOUR == 0 and has_closed_hours(known):
        opened = False
    share = float(known[place])
    if busy and share > SETTLED:
        return before if opened == before.session_open and not skipped else TradingCalendar(known, opened)
    if math.isnan(share):
        usual = mean_open_share(known, place)
        share = float(busy) if usual is None else usual
    known = known.copy()
    known[place] = share + (1.0 - 0.5 ** min(1.0, interval / HALF_HOUR)) * (float(busy) - share)
    return TradingCalendar(known, opened)


def is_expected_open(known: Floats, place: int) -> bool:
    """Whether the market is expected to trade in this half-hour of the week; False where nothing is known."""
    share = float(known[place])
    if not math.isnan(share):
        return share > 0.5
    usual = mean_open_share(known, place)
    return usual is not None and usual > 0.5


def mean_open_share(known: Floats, place: int) -> float | None:
    """The mean share of this half-hour over the days of the week seen; None where none was."""
    days = known[place % HALF_HOURS_PER_DAY :: HALF_HOURS_PER_DAY]
    seen = days[np.isfinite(days)]
    return float(seen.mean()) if len(seen) else None


def has_closed_hours(known: Floats) -> bool:
    """Whether at least a tenth of the half-hours seen are closed."""
    seen = np.isfinite(known)
    return bool((known[seen] <= 0.5).sum() > 0.1 * seen.sum())


def trading_year(known: Floats) -> tuple[float, float]:
    """Trading hours and trading days per year, from the week seen; those of a market that never closes until a whole week has been seen.

    A day is one of UTC with open hours. Holidays are not known: five days per week give 261 per year where an exchange has 252.
    """
    if np.isnan(known).any():
        return HOURS_PER_YEAR, DAYS_PER_YEAR
    open_hours = (known > MIN_OPEN_SHARE).reshape(-1, HALF_HOURS_PER_DAY)
    share, days = int(np.count_nonzero(open_hours)) / HALF_HOURS_PER_WEEK, int(np.count_nonzero(open_hours.any(axis=1)))
    return (HOURS_PER_YEAR * share, DAYS_PER_YEAR * days / (HALF_HOURS_PER_WEEK // HALF_HOURS_PER_DAY)) if days else (HOURS_PER_YEAR, DAYS_PER_YEAR)


def _between(last: int, opens: int) -> list[int]:
    """The whole half-hours of the week between two times (ns UTC), at most one week."""
    first, end = -(-last // HALF_HOUR), opens // HALF_HOUR
    return [place % HALF_HOURS_PER_WEEK for place in range(first, min(end, first + HALF_HOURS_PER_WEEK))]


def _without_a_trade(known: Floats, places: list[int]) -> Floats:
    updated = known.copy()
    for place in places:
        share = float(known[place])
        updated[place] = 0.5 * ((mean_open_share(known, place) or 0.0) if math.isnan(share) else share)
    return updated
