"""Faults of the data: what they are called, and what is remembered to tell them from quiet markets, nights and news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engine.domain.record import Bools, Floats, Ints, Record

INCIDENT_KINDS = ("halt", "stale", "flat-filled", "gap", "clock skew", "volume-feed change", "stale book")
EVERYWHERE = "*"  # the symbol of an incident of the whole universe
NO_FAULT = -1


@dataclass(frozen=True, slots=True)
class Incident(Record):
    """One fault of the data, by kind, symbol and beginning."""

    kind: str  # of KINDS
    symbol: str  # or EVERYWHERE
    since: int  # ns UTC, the open of the first bar that has it
    until: int | None  # ns UTC, the open of the first bar without it; None while it lasts
    detail: str


@dataclass(frozen=True, slots=True)
class TradingCalendar(Record):
    """When the market trades, learned from what was seen, by half-hour of the week."""

    traded: Floats  # (336,) share of bars in which anything traded, the last week counting for half; NaN before the first
    session_open: bool  # the session that runs has begun and has not closed


@dataclass(frozen=True, slots=True)
class Staleness(Record):
    """Runs of bars that are absent, without volume, or exact repeats of the one before, or that left the book as it was: 4 ways a symbol is quiet."""

    bars: int  # seen in sessions
    any_run: bool  # some run is not 0
    run_bars: Ints  # (4, S) bars so far; of the book, only those in which the symbol traded
    run_since: Ints  # (4, S) ns UTC, the open of the run's first bar
    runs_begun: Ints  # (4, S) runs begun
    runs_continued: Ints  # (4, S) bars that went on with a run
    longest: Ints  # (4, S) of the runs that were no incident
    universe_run_bars: Ints  # (4,) bars so far in which the whole universe is quiet
    universe_longest: Ints  # (4,)
    bars_since_partial_trading: int  # bars since a part of the universe trades again while an incident of the whole of it is open
    last_bar: Floats  # (5, S) the bar before
    book_fingerprint: Ints  # (S,) fingerprint of the book before, 0 where there was none


@dataclass(frozen=True, slots=True)
class VolumeLevel(Record):
    """What volume is normal for the range prices travel, so that a busy market is told from another way of counting."""

    bars: int  # measured since the level was last begun anew
    bars_total: int  # measured in all
    level: Floats  # (S,) mean of log(volume / range), NaN before the first
    mean_range: Floats  # (S,) mean range of a bar, log price
    profile: Floats  # (48,) by half-hour of the day, the universe's median beside its level; NaN before the first
    variance: float  # of the universe's median
    bars_beyond: float  # bars in a row far above (positive) or far below (negative), the farthest counting for more
    since: int  # ns UTC, the open of the first of them


@dataclass(frozen=True, slots=True)
class DataFaults(Record):
    """What is wrong with the data of each symbol at this bar, and shuts its gate "fresh data"."""

    SHAPES: ClassVar[dict[str, str]] = {"kind": "S", "bars": "S", "frozen_bar": "S", "frozen_book": "S"}

    kind: Ints  # (S,) index into KINDS, NO_FAULT where nothing is wrong
    bars: Ints  # (S,) since it began, this one included; 0 where nothing is wrong
    frozen_bar: Bools  # (S,) this bar repeats the one before it: it has no price of this moment
    frozen_book: Bools  # (S,) the book did not change in bars in which the symbol traded: it is not the book of this moment


@dataclass(frozen=True, slots=True)
class IncidentState(Record):
    """All that is carried from bar to bar to tell incidents."""

    at: int  # ns UTC, the close of the last bar, 0 before the first
    calendar: TradingCalendar
    staleness: Staleness
    volume_level: VolumeLevel
    open: tuple[Incident, ...]  # that last
    changes: tuple[Incident, ...]  # that began or ended with this bar
    faults: DataFaults  # of this bar, by symbol
