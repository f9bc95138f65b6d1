"""The ports of the engine: what feeds and clocks must provide, and what a feed states about itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from engine.domain.live import BarTiming, StreamStatus
from engine.domain.market import MarketSnapshot
from engine.domain.record import Floats, Record
from engine.domain.trading_config import TradingRules

RECORDED, ZERO, UNKNOWN = "recorded", "zero", "unknown"  # what is known of a symbol's volume


@dataclass(frozen=True, slots=True)
class DataCounts(Record):
    """The counts of one symbol over its whole files, whatever period is played."""

    symbol: str
    rows: int  # in bars, books and trades together
    bars: int  # recorded, or built from trades or mids
    without_volume: int  # recorded bars whose volume is 0 or unknown
    duplicate_bars: int  # identical, dropped
    faulty_bars: int  # without a finite, positive and consistent price, or off the clock: treated as missing
    faulty_trades: int  # without a finite and positive price and size: left out
    faulty_books: int  # crossed, one-sided or malformed: kept, but left out of the order flow
    signed_trades: int  # trades with a known aggressor side
    unsigned_trades: int
    outside_session: int  # bars that open outside the session in recording.toml: left out
    moved_bars: int  # bars in summer time, shifted to the UTC opening time of winter
    trades_without_bar: int  # trades in a period without a bar: left out
    volume: str  # RECORDED, or ZERO or UNKNOWN in every bar
    has_books: bool

    @property
    def faulty(self) -> int:
        """Rows left out because they cannot describe a market."""
        return self.faulty_bars + self.faulty_trades


@dataclass(frozen=True, slots=True)
class FeedInfo:
    """The properties of a feed, for the store's session and the pages."""

    name: str  # simulated, recorded
    label: str  # on screen, such as "simulated market" or "recorded: binance_spot_5m"
    symbols: tuple[str, ...]
    interval: int  # ns
    levels: int  # D of books, 0 without books
    has_flow: bool
    simulated: bool
    fee_bps: float  # the venue's default taker fee
    spread_bps: float  # assumed where there is no book
    tick_size: tuple[float, ...]  # by symbol; 0 where unknown
    fees_bps: tuple[float, ...] = ()  # taker fee by symbol; () where `fee_bps` applies to all
    maker_fee_bps: float | None = None  # the venue's fee for a passive fill, below 0 a rebate; None means the taker fee
    maker_fees_bps: tuple[float, ...] = ()  # by symbol; () where `maker_fee_bps` applies to all
    rules: TradingRules = field(default_factory=TradingRules)  # in addition to `tick_size`
    sessions: tuple[str, ...] = ()  # by symbol, such as "09:30-16:00 America/New_York"; "" around the clock, () where unknown
    trading_hours: tuple[float, ...] = ()  # by symbol, trading hours per year that its venue declares; 0 where it declares none, () where none does


class Feed(Protocol):
    """A source of closed bars on one clock."""

    @property
    def info(self) -> FeedInfo: ...

    def slices(self, after: int | None) -> Iterator[MarketSnapshot]:
        """Yield closed bars in order of time, from the first, or from the first whose `at` is later than `after` (ns UTC).

        A universe-wide silence longer than 13 bars is cut to 13 empty snapshots, then time jumps. Ends when a recording ends.
        """
        ...

    def switch_signal(self, signal: float, at: int) -> None:
        """Set the simulated signal for bars that close after `at`; raises ValueError for other feeds."""
        ...


@runtime_checkable
class Clocked(Protocol):
    """A feed that knows when its data were received."""

    def clock_lags(self, at: int) -> Floats | None:
        """Return (S,) seconds from the venue's clock to the receiver's for the bar closing at `at` ns; NaN where unknown, None where never known."""
        ...


@runtime_checkable
class LiveSource(Protocol):
    """A feed whose bars come as time passes: `slices` gives the history at once, then one bar whenever `wait` was true."""

    def wait(self, seconds: float, after: int | None = None) -> bool:
        """Wait at most so long for a bar later than `after` (ns UTC); whether there is one. Does not hold a lock of the engine."""
        ...

    @property
    def history_end(self) -> int | None:
        """The close (ns UTC) of the last bar that was history when the feed began; None until that is known."""
        ...

    @property
    def progress(self) -> str | None:
        """What the start is waiting for, in a few words; None once bars are live."""
        ...

    def read_timing(self, at: int) -> BarTiming | None:
        """When the inputs of the bar that closed at `at` were there; None for history and for bars long past."""
        ...

    def read_streams(self) -> tuple[StreamStatus, ...]:
        """Every stream of every symbol."""
        ...

    def close(self) -> None:
        """End connections and threads."""
        ...


@runtime_checkable
class HasNotes(Protocol):
    """A feed of a market that lacks something."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each."""
        ...


@runtime_checkable
class ReportsProblem(Protocol):
    """A feed that knows what keeps it from giving fresh bars, apart from its streams."""

    @property
    def problem(self) -> str | None:
        """One line; None where all is well."""
        ...


@runtime_checkable
class ExplainsMoves(Protocol):
    """A feed that has every book event of its bars."""

    def flow_r2(self, since: int, until: int) -> tuple[float | None, ...]:
        """Return, by symbol, the R2 of the mid's change on order-flow imbalance in cells of 10 s between two times (ns UTC); None where unknown."""
        ...


@runtime_checkable
class CountsData(Protocol):
    """A feed that reads files and counts their rows."""

    @property
    def counts(self) -> tuple[DataCounts, ...]:
        """The counts of each symbol."""
        ...

    @property
    def left_out(self) -> Mapping[str, str]:
        """The reasons, by name, for leaving out symbols and files that exist."""
        ...


@dataclass(frozen=True, slots=True)
class FeedKind:
    """A feed that can be selected by name; each module of engine/feeds ends in one."""

    name: str
    about: str  # one sentence
    open: Callable[..., Feed]  # takes the Settings; raises ValueError in one line on failure


class Clock(Protocol):
    """The time, as the service provides it."""

    def now(self) -> int:
        """Return ns UTC by the wall clock."""
        ...

    def tick(self) -> float:
        """Return the seconds of a monotonic clock."""
        ...
