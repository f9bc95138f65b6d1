"""When a market trades, learned bar by bar: nights, weekends, holidays and early closes are no faults."""

from __future__ import annotations

import math

import numpy as np

from engine.domain.incidents import TradingCalendar
from engine.domain.record import Floats

HALF_HOUR = 30 * 60 * 10**9  # ns
HALF_HOURS_PER_DAY, HALF_HOURS_PER_WEEK = 48, 336  # half-hours
SETTLED = 0.999  # a share this near to 1 is left as it is
OF_LATE = 0.45  # share above which a half-hour counts as trading time: one holiday, which halves it, changes nothing
DAYS_PER_YEAR = 365.0  # of a market that never closes
HOURS_PER_YEAR = 8_760.0  # of a year


def initial_calendar() -> TradingCalendar:
    return TradingCalendar(np.full(HALF_HOURS_PER_WEEK, np.nan), session_open=False)


def update_calendar(before: TradingCalendar, last: int, at: int, interval: int, traded: float) -> TradingCalendar:
    """The calendar after the bar that closes `at` ns and in which this share of the universe traded; `last` is the close of the bar before.

    A session is open from its first bar in which half of the universe trades until half of it does not in a half-hour that is known to be closed,
    or stops, all at once, on the half-hour in a market that has nights (an early close). Until it has opened nothing is missing: a holiday is no gap.
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
    """Whether the market trades in this half-hour of the week, as far as is known; not where nothing is."""
    share = float(known[place])
    if not math.isnan(share):
        return share > 0.5
    usual = mean_open_share(known, place)
    return usual is not None and usual > 0.5


def mean_open_share(known: Floats, place: int) -> float | None:
    """The mean share of this half-hour over the days of the week seen, None where none was."""
    days = known[place % HALF_HOURS_PER_DAY :: HALF_HOURS_PER_DAY]
    seen = days[np.isfinite(days)]
    return float(seen.mean()) if len(seen) else None


def has_closed_hours(known: Floats) -> bool:
    """Whether a tenth of the half-hours seen are closed."""
    seen = np.isfinite(known)
    return bool((known[seen] <= 0.5).sum() > 0.1 * seen.sum())


def trading_year(known: Floats) -> tuple[float, float]:
    """Hours and days in which the market trades in a year, as its week shows them; those of a market that never closes until a week has been seen.

    A day is one of UTC with open hours. Holidays are not foreseen: five days a week come to 261 a year where an exchange has 252.
    """
    if np.isnan(known).any():
        return HOURS_PER_YEAR, DAYS_PER_YEAR
    open_hours = (known > OF_LATE).reshape(-1, HALF_HOURS_PER_DAY)
    share, days = int(np.count_nonzero(open_hours)) / HALF_HOURS_PER_WEEK, int(np.count_nonzero(open_hours.any(axis=1)))
    return (HOURS_PER_YEAR * share, DAYS_PER_YEAR * days / (HALF_HOURS_PER_WEEK // HALF_HOURS_PER_DAY)) if days else (HOURS_PER_YEAR, DAYS_PER_YEAR)


def _between(last: int, opens: int) -> list[int]:
    """The whole half-hours of the week between two moments, a week's at most."""
    first, end = -(-last // HALF_HOUR), opens // HALF_HOUR
    return [place % HALF_HOURS_PER_WEEK for place in range(first, min(end, first + HALF_HOURS_PER_WEEK))]


def _without_a_trade(known: Floats, places: list[int]) -> Floats:
    told = known.copy()
    for place in places:
        share = float(known[place])
        told[place] = 0.5 * ((mean_open_share(known, place) or 0.0) if math.isnan(share) else share)
    return told
