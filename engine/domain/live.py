"""A live market: the messages of its streams, the bars built from them, and what is reported about both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.domain.market import MarketSnapshot
from engine.domain.record import Floats, Ints, Record

STREAMS = ("trades", "book", "candles")
STREAM_STATES = ("ok", "starting", "stale", "reconnecting", "halted")
BAR_SOURCES = ("missing", "trades", "mids", "candle", "history")  # what a symbol's bar was taken from, by its number in `ClosedBar.sources`
FAULTS = (
    "disconnected", "reconnected", "gap", "checksum", "silent", "crossed", "resynced", "rate_limited", "maintenance", "halted", "clock", "missing",
    "funding",
)  # fmt: skip
STATEMENTS = frozenset({"clock", "missing", "funding"})  # of FAULTS: what is said that is no fault


@dataclass(frozen=True, slots=True)
class Trade:
    """A public trade, in base units."""

    symbol: int  # column of the feed
    at: int  # ns UTC by the exchange's clock
    received: int  # ns UTC by this machine's clock
    price: float
    size: float
    sign: float  # +1 where the aggressor bought, -1 where it sold, 0 where unknown
    id: str  # "" where the exchange gives none


@dataclass(frozen=True, slots=True)
class BookUpdate:
    """The best levels of a local book after an update."""

    symbol: int
    at: int  # ns UTC by the exchange's clock, or `received` where the exchange gives no time
    received: int
    levels: Floats  # (4, D) bid price, bid size, ask price, ask size; best first, NaN where there is no level


@dataclass(frozen=True, slots=True)
class Candle:
    """A candle as the exchange reports it."""

    symbol: int
    opened: int  # ns UTC
    received: int
    values: tuple[float, float, float, float, float]  # open, high, low, close, volume in base units


@dataclass(frozen=True, slots=True)
class StreamFault:
    """A fault of a stream, or its end; or what else the exchange said beside trades, books and candles: its clock and its funding rates."""

    symbol: int  # -1 for all symbols of the stream
    stream: str  # of STREAMS
    kind: str  # of FAULTS
    received: int
    detail: str


StreamEvent = Trade | BookUpdate | Candle | StreamFault


@dataclass(frozen=True, slots=True)
class BarTiming(Record):
    """When the inputs of a tick were there."""

    at: int  # ns UTC, the bar's close
    read_at: int  # ns UTC by this machine's clock: what was received later is not in the snapshot
    clock_offset: int  # ns, the exchange's clock less this machine's, as measured
    ages: Floats  # (2, S) ms from the exchange's time of the newest trade and the newest book to `read_at`; NaN where there is none


@dataclass(frozen=True, slots=True)
class ClosedBar(Record):
    """A closed bar of every symbol with its origin."""

    snapshot: MarketSnapshot
    timing: BarTiming
    sources: Ints  # (S,) index into BAR_SOURCES


@dataclass(frozen=True, slots=True)
class StreamStatus(Record):
    """One stream of one symbol, since the start of the process."""

    symbol: str
    stream: str  # of STREAMS
    state: str  # of STREAM_STATES
    last_at: int | None  # ns UTC by this machine's clock: the last message
    messages: int
    messages_per_second: float | None  # over the last minute
    reconnects: int
    gaps: int  # lost sequence numbers, checksum errors and ids that step back
    late_trades: int  # received after their bar was decided on
    revised_candles: int  # that differ from the bar that was decided on
    filled_bars: int  # missing bars that the exchange gave later
    latency_p50_ms: float | None  # from the exchange's time to this machine's, less the clock offset, over the last messages
    latency_p99_ms: float | None
    problem: str | None  # the standing fault in one line
    problem_since: int | None  # ns UTC


class BarBuilder(Protocol):
    """Builds bars from messages; the same messages and the same calls in the same order give the same bits."""

    def add(self, event: StreamEvent) -> None:
        """Take a message; in the order of arrival."""
        ...

    def close_bar(self, at: int, read_at: int, clock_offset: int) -> ClosedBar:
        """Build the bar that closes at `at` from the messages taken so far."""
        ...


class FeedRecorder(Protocol):
    """Writes what a feed gave, and when."""

    def add_event(self, event: StreamEvent) -> None:
        """Record a message, in the order in which the bar builder takes it."""
        ...

    def add_bar(self, bar: ClosedBar) -> None:
        """Record a bar as it was decided on, after the messages that it was built from."""
        ...

    def close(self) -> None:
        """Write what is pending."""
        ...
