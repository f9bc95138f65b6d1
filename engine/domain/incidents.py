"""Faults of the data, and the state that tells them from quiet markets, nights and news."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engine.domain.record import Bools, Floats, Ints, Record

INCIDENT_KINDS = ("halt", "stale", "flat-filled", "gap", "clock skew", "volume-feed change", "stale book")
EVERYWHERE = "*"  # the symbol of an incident of the whole universe
NO_FAULT = -1


@dataclass(frozen=True, slots=True)
class Incident(Record):
    """One fault of the data, identified by kind, symbol and beginning."""

    kind: str  # of KINDS
    symbol: str  # or EVERYWHERE
    since: int  # ns UTC, the open of the first bar that has it
    until: int | None  # ns UTC, the open of the first bar without it; None while it lasts
    detail: str


@dataclass(frozen=True, slots=True)
class TradingCalendar(Record):
    """The trading hours of the market, learned by half-hour of the week."""

    traded: Floats  # (336,) share of bars with any trade, the last week weighing half; NaN before the first bar
    session_open: bool  # a trading session is open


@dataclass(frozen=True, slots=True)
class Staleness(Record):
    """Runs of stale bars by the 4 kinds: absent, without volume, an exact repeat of the previous bar, or with an unchanged book."""

    bars: int  # number of bars within trading sessions
    any_run: bool  # any run is longer than 0
    run_bars: Ints  # (4, S) bars of the current run; for the book, only those in which the symbol traded
    run_since: Ints  # (4, S) ns UTC, the open of the run's first bar
    runs_begun: Ints  # (4, S) number of runs begun
    runs_continued: Ints  # (4, S) number of bars that continued a run
    longest: Ints  # (4, S) longest run that was no incident
    universe_run_bars: Ints  # (4,) bars of the current run in which the whole universe is stale
    universe_longest: Ints  # (4,)
    bars_since_partial_trading: int  # bars since part of the universe trades again while an incident of the whole universe is open
    last_bar: Floats  # (5, S) the previous bar
    book_fingerprint: Ints  # (S,) fingerprint of the previous book, 0 where there was none


@dataclass(frozen=True, slots=True)
class VolumeLevel(Record):
    """The normal volume for the range of prices, which tells a busy market from a change in how volume is counted."""

    bars: int  # measured since the level was last reset
    bars_total: int  # measured in total
    level: Floats  # (S,) mean of log(volume / range), NaN before the first
    mean_range: Floats  # (S,) mean range of a bar, log price
    profile: Floats  # (48,) by half-hour of the day, the universe's median relative to its level; NaN before the first
    variance: float  # of the universe's median
    bars_beyond: float  # consecutive bars far above (positive) or far below (negative); the farthest weigh more
    since: int  # ns UTC, the open of the first of them


@dataclass(frozen=True, slots=True)
class DataFaults(Record):
    """The fault in the data of each symbol at this bar, which makes its gate "fresh data" fail."""

    SHAPES: ClassVar[dict[str, str]] = {"kind": "S", "bars": "S", "frozen_bar": "S", "frozen_book": "S"}

    kind: Ints  # (S,) index into KINDS, NO_FAULT without a fault
    bars: Ints  # (S,) since its beginning, this one included; 0 without a fault
    frozen_bar: Bools  # (S,) this bar repeats the previous one, so it has no current price
    frozen_book: Bools  # (S,) the book did not change in bars in which the symbol traded, so it is not current


@dataclass(frozen=True, slots=True)
class IncidentState(Record):
    """The state of incident detection, carried from bar to bar."""

    at: int  # ns UTC, the close of the last bar, 0 before the first
    calendar: TradingCalendar
    staleness: Staleness
    volume_level: VolumeLevel
    open: tuple[Incident, ...]  # incidents that last
    changes: tuple[Incident, ...]  # incidents that began or ended with this bar
    faults: DataFaults  # of this bar, by symbol
