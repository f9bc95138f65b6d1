"""What the core and the shell ask of the outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from engine.domain.data_counts import DataCounts
from engine.domain.market import MarketSnapshot
from engine.domain.record import Floats
from engine.domain.trading_rules import TradingRules


@dataclass(frozen=True, slots=True)
class FeedInfo:
    """What a feed is, for the store's session and the page."""

    name: str  # simulated, recorded
    label: str  # for the screen, e.g. "simulated market" or "recorded: binance_spot_5m"
    symbols: tuple[str, ...]
    interval: int  # ns
    levels: int  # D of books, 0 without
    has_flow: bool
    simulated: bool
    fee_bps: float  # the venue's default taker fee
    spread_bps: float  # assumed where there is no book
    tick_size: tuple[float, ...]  # by symbol; 0 where unknown
    fees_bps: tuple[float, ...] = ()  # by symbol, the taker fee of each; () where `fee_bps` is that of all
    maker_fee_bps: float | None = None  # the venue's fee of a passive fill, below 0 a rebate; None for the taker fee
    maker_fees_bps: tuple[float, ...] = ()  # by symbol; () where `maker_fee_bps` is that of all
    rules: TradingRules = field(default_factory=TradingRules)  # besides `tick_size`
    sessions: tuple[str, ...] = ()  # by symbol, as "09:30-16:00 America/New_York"; "" round the clock, () where none is told
    trading_hours: tuple[float, ...] = ()  # by symbol, hours of trading in a year as its venue declares; 0 where it does not, () where none does


class Feed(Protocol):
    """A source of closed bars on one clock."""

    @property
    def info(self) -> FeedInfo: ...

    def slices(self, after: int | None) -> Iterator[MarketSnapshot]:
        """Closed bars in order of time, from the first, or from the first whose `at` is later than `after` (ns UTC).

        A universe-wide silence longer than 13 bars is cut to 13 empty slices, then time jumps. Ends when a recording ends.
        """
        ...

    def switch_signal(self, signal: float, at: int) -> None:
        """Sets the simulated signal for bars that close after `at`; raises ValueError for other feeds."""
        ...


@runtime_checkable
class Clocked(Protocol):
    """A feed that knows when what it hands over was received."""

    def clock_lags(self, at: int) -> Floats | None:
        """(S,) seconds from the venue's clock to the receiver's over the bar that closes `at` ns; NaN where unknown, None where it always is."""
        ...


@runtime_checkable
class ExplainsMoves(Protocol):
    """A feed that has every book event of its bars."""

    def explained(self, since: int, until: int) -> tuple[float | None, ...]:
        """By symbol: R2 of the mid's change on order-flow imbalance by cells of 10 s between two times (ns UTC); None where it is not known."""
        ...


@runtime_checkable
class CountsData(Protocol):
    """A feed that is read from files and knows what they came to."""

    @property
    def counts(self) -> tuple[DataCounts, ...]:
        """Of each symbol."""
        ...

    @property
    def left_out(self) -> Mapping[str, str]:
        """Reasons by name of the symbols and files that are there and are not read."""
        ...


@dataclass(frozen=True, slots=True)
class FeedKind:
    """A feed that can be asked for by name; each module of engine/feeds ends in one."""

    name: str
    about: str  # one sentence
    open: Callable[..., Feed]  # of the Settings; raises ValueError in one line where it cannot


class Clock(Protocol):
    """The time, as the shell gives it."""

    def now(self) -> int:
        """ns UTC by the wall clock."""
        ...

    def tick(self) -> float:
        """Seconds of a monotonic clock."""
        ...
