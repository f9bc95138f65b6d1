"""Turns the lags of a feed's clocks into events, which a decision sees and a replay repeats."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.domain.control import Event
from engine.domain.incidents import EVERYWHERE, Incident
from engine.domain.ports import Clocked, Feed
from engine.domain.record import Floats

EARLY, LATE = 0.1, 5.0  # s: nothing is received before it is sent, and distance explains no longer delay
NEARLY_ALL = 0.89  # share of the symbols from which the skew is the universe's


def of(feed: Feed) -> Callable[[int], Floats | None] | None:
    """The method that reads a feed's clock lags, None where it has none."""
    return feed.clock_lags if isinstance(feed, Clocked) else None


def events(lags: Floats, symbols: tuple[str, ...], lasting: tuple[Incident, ...]) -> list[Event]:
    """A clock_skew event with its seconds for each clock that went wrong, and one with 0 for each that is right again."""
    known = np.isfinite(lags)
    wrong = known & ((lags < -EARLY) | (lags > LATE))
    right = known & (lags > -0.5 * EARLY) & (lags < 0.5 * LATE)
    open_now = {incident.symbol for incident in lasting if incident.kind == "clock skew"}
    if EVERYWHERE in open_now:
        return [Event("clock_skew", EVERYWHERE, "0")] if known.any() and 2 * int(right.sum()) > int(known.sum()) else []
    if known.any() and int(wrong.sum()) > NEARLY_ALL * int(known.sum()):
        return [Event("clock_skew", EVERYWHERE, f"{float(np.median(lags[wrong])):.2f}")]
    begins = [Event("clock_skew", symbols[index], f"{float(lags[index]):.2f}") for index in np.flatnonzero(wrong) if symbols[index] not in open_now]
    return begins + [Event("clock_skew", symbols[index], "0") for index in np.flatnonzero(right) if symbols[index] in open_now]
