"""The faults of a fake exchange: what is wrong now, and the methods that make it so from any thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tests.exchanges.market import NS, SECOND, SymbolMarket

T = TypeVar("T")


@dataclass(slots=True)
class Faults:
    """What is wrong now; symbols as in ccxt, "" for every symbol or stream."""

    silent: set[tuple[str, str]] = field(default_factory=set)  # symbol, stream
    skip_update: set[str] = field(default_factory=set)
    lose_removal: set[str] = field(default_factory=set)
    bad_checksum: set[str] = field(default_factory=set)
    halted: set[str] = field(default_factory=set)
    delisted: set[str] = field(default_factory=set)
    duplicates: int = 0  # trade messages that are still to be sent twice
    late_trade: dict[str, float] = field(default_factory=dict)  # seconds by which the next trade is sent late
    candles_twice: bool = False
    candle_delay: float = 0.0  # seconds from a candle's close until REST shows it
    rate_limited: int = 0  # REST requests that are still to be refused
    slow_candles: tuple[int, float] | None = None  # requests for so many candles or more are answered so many seconds late
    maintenance: bool = False
    refusing: bool = False
    hanging: bool = False

    def is_silent(self, symbol: str, stream: str) -> bool:
        """Whether a message of this stream is withheld."""
        return any((a, b) in self.silent for a in (symbol, "") for b in (stream, ""))


class FaultSwitches:
    """The faults by name. Each method returns once the fault is in force; `resume` ends those that last."""

    faults: Faults
    markets: dict[str, SymbolMarket]
    offset: int  # ms, the exchange's clock less the machine's
    loop: asyncio.AbstractEventLoop

    def call(self, function: Callable[[], T]) -> T:
        """Run `function` in the exchange's thread and return its result."""

        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(300.0)

    def close_sockets(self) -> None:
        """Send every socket a close frame with code 1001."""
        raise NotImplementedError

    def abort_connections(self) -> None:
        """Reset every TCP connection."""
        raise NotImplementedError

    def deafen_sockets(self) -> None:
        """Let every open socket neither send nor answer."""
        raise NotImplementedError

    def listen(self, on: bool) -> None:
        """Open or close the listening port."""
        raise NotImplementedError

    def announce_maintenance(self, on: bool) -> None:
        """Do on open sockets what the exchange does at the start and end of maintenance."""
        raise NotImplementedError

    def drop_sockets(self) -> None:
        """Close every WebSocket in good order, as an exchange does once a day."""
        self.call(self.close_sockets)

    def abort_tcp(self) -> None:
        """Reset every TCP connection without a close frame."""
        self.call(self.abort_connections)

    def half_open(self) -> None:
        """Let the sockets that are open now neither send nor answer pings, for good; new sockets work."""
        self.call(self.deafen_sockets)

    def silence(self, symbol: str | None = None, stream: str | None = None) -> None:
        """Withhold messages of a symbol and a stream (trades, book or candles; None for all); pings are answered."""
        self.call(lambda: self.faults.silent.add((symbol or "", stream or "")))

    def skip_sequence(self, symbol: str) -> None:
        """Lose the symbol's next book update."""
        self.call(lambda: self.faults.skip_update.add(symbol))

    def ghost_level(self, symbol: str) -> None:
        """Lose the removal of levels in the symbol's next update that has one, in an unbroken sequence."""
        self.call(lambda: self.faults.lose_removal.add(symbol))

    def corrupt_checksum(self, symbol: str) -> None:
        """Send a wrong checksum with the symbol's next book update, where the exchange sends checksums."""
        self.call(lambda: self.faults.bad_checksum.add(symbol))

    def rate_limit(self, n: int) -> None:
        """Refuse the next `n` REST requests as too many."""
        self.call(lambda: setattr(self.faults, "rate_limited", n))

    def slow_down(self, rows: int, seconds: float) -> None:
        """Answer requests for at least `rows` candles so many seconds late (Binance)."""
        self.call(lambda: setattr(self.faults, "slow_candles", (rows, seconds)))

    def maintenance(self, on: bool = True) -> None:
        """Refuse REST requests and new sockets as the exchange does when it is in maintenance, and end the open ones."""

        def switch() -> None:
            self.faults.maintenance = on
            self.announce_maintenance(on)

        self.call(switch)

    def refuse_connections(self, on: bool = True) -> None:
        """Close the port and reset every connection, as if the network were away."""

        def switch() -> None:
            self.faults.refusing = on
            self.listen(not on)
            if on:
                self.abort_connections()

        self.call(switch)

    def hang(self) -> None:
        """Take connections and requests, and answer none from now on; `resume` answers those that still wait."""
        self.call(lambda: setattr(self.faults, "hanging", True))

    def set_clock_offset(self, seconds: float) -> None:
        """Set the exchange's clock so far ahead of this machine's."""
        self.call(lambda: setattr(self, "offset", round(seconds * SECOND)))

    def late_candles(self, seconds: float) -> None:
        """Let REST show a candle only so long after its close."""
        self.call(lambda: setattr(self.faults, "candle_delay", seconds))

    def duplicate_candles(self) -> None:
        """Let REST give every candle twice (Binance)."""
        self.call(lambda: setattr(self.faults, "candles_twice", True))

    def revise_candle(self, symbol: str, opened: int) -> None:
        """Correct the candles that contain `opened` (ns UTC): a higher high and more volume."""
        self.call(lambda: self.markets[symbol].revise(opened // NS))

    def duplicate_trades(self, n: int = 1) -> None:
        """Send the next `n` trades twice."""
        self.call(lambda: setattr(self.faults, "duplicates", n))

    def late_trade(self, symbol: str, seconds: float) -> None:
        """Send the symbol's next trade so long after it happened."""
        self.call(lambda: self.faults.late_trade.update({symbol: seconds}))

    def cross_book(self, symbol: str) -> None:
        """Show a bid above the best ask, until resumed."""
        self.call(lambda: setattr(self.markets[symbol], "crossed", True))

    def empty_book(self, symbol: str, sides: str = "ba") -> None:
        """Show no bids (b), no asks (a) or neither, until resumed."""
        self.call(lambda: setattr(self.markets[symbol], "without", sides))

    def halt(self, symbol: str) -> None:
        """Stop the symbol's trading: no trades, updates and candles, and the market is reported as not active."""
        self.call(lambda: self.faults.halted.add(symbol))

    def delist(self, symbol: str) -> None:
        """Take the symbol off the exchange: it is unknown from now on."""
        self.call(lambda: self.faults.delisted.add(symbol))

    def resume(self) -> None:
        """End every fault that lasts but the clock's; half-open sockets stay so."""

        def restore() -> None:
            if self.faults.refusing:
                self.listen(True)
            if self.faults.maintenance:
                self.announce_maintenance(False)
            self.faults = Faults()
            for market in self.markets.values():
                market.crossed, market.without = False, ""

        self.call(restore)
