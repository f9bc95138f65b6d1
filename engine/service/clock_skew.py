"""Turns the lags of a feed's clocks into events, which a decision sees and a replay repeats."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.domain.incidents import EVERYWHERE, Incident
from engine.domain.ports import Clocked, Feed
from engine.domain.record import Floats
from engine.domain.trading_config import Event

MAX_LEAD_SECONDS, MAX_LAG_SECONDS = 0.1, 5.0  # s: nothing is received before it is sent, and distance explains no longer delay
UNIVERSE_SHARE = 0.89  # share of the symbols from which the skew is the universe's


def find_clock_lags(feed: Feed) -> Callable[[int], Floats | None] | None:
    """The method that reads a feed's clock lags, None where it has none."""
    return feed.clock_lags if isinstance(feed, Clocked) else None


def detect_skew(lags: Floats, symbols: tuple[str, ...], lasting: tuple[Incident, ...]) -> list[Event]:
    """A clock_skew event with its seconds for each clock that went wrong, and one with 0 for each that is right again."""
    known = np.isfinite(lags)
    wrong = known & ((lags < -MAX_LEAD_SECONDS) | (lags > MAX_LAG_SECONDS))
    right = known & (lags > -0.5 * MAX_LEAD_SECONDS) & (lags < 0.5 * MAX_LAG_SECONDS)
    open_now = {incident.symbol for incident in lasting if incident.kind == "clock skew"}
    if EVERYWHERE in open_now:
        return [Event("clock_skew", EVERYWHERE, "0")] if known.any() and 2 * int(right.sum()) > int(known.sum()) else []
    if known.any() and int(wrong.sum()) > UNIVERSE_SHARE * int(known.sum()):
        return [Event("clock_skew", EVERYWHERE, f"{float(np.median(lags[wrong])):.2f}")]
    begins = [Event("clock_skew", symbols[index], f"{float(lags[index]):.2f}") for index in np.flatnonzero(wrong) if symbols[index] not in open_now]
    return begins + [Event("clock_skew", symbols[index], "0") for index in np.flatnonzero(right) if symbols[index] in open_now]
