"""Follows the funding rates of perpetual swaps while a live market runs."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from engine.domain.live import StreamEvent, StreamFault
from engine.domain.model import PLUGIN_ERRORS
from engine.live.exchange import ExchangeRefused, ExchangeUnreachable, fetch_funding
from engine.live.instruments import LiveMarket, funding_per_8h
from engine.live.streams import LiveStreams, StreamTimes
from engine.settings import Settings

SOURCE = "trades"  # the connection whose REST is used
FAILED_READS = 3  # in a row, each of several requests, before a rate counts as one that cannot be read


class FundingWatcher:
    """Its coroutine runs in the streams' loop; every rate that has changed goes to `take`, as a message of the kind "funding"."""

    def __init__(
        self, streams: LiveStreams, market: LiveMarket, settings: Settings, take: Callable[[StreamEvent], None], times: StreamTimes
    ) -> None:  # fmt: skip
        """Prepare without a request."""
        self._streams, self._settings, self._take, self._times = streams, settings, take, times
        self._symbols = {column: market.info.symbols[column] for column in market.perpetuals}
        self._rates: dict[int, float] = {}  # per 8 h, as taken
        self._known = {column for column in self._symbols if market.contracts[column].funding_rate}  # that have had a rate
        self._failed: dict[int, tuple[int, str]] = {}  # failed reads in a row, and what the last is about

    @property
    def problem(self) -> str | None:
        """A line about a rate that cannot be read; None where all can."""
        return next((f"{line}; the last rate stays in force" for count, line in self._failed.values() if count >= FAILED_READS), None)

    async def run(self) -> None:
        """Read every rate, again and again for as long as the loop runs; those that could not be read are read again sooner."""
        due = -math.inf
        while self._symbols:
            began = self._streams.timer.tick()
            columns = tuple(self._symbols if began >= due else self._failed)
            due = began + self._times.funding if began >= due else due
            for column in columns:
                await self.read(column)
            left = due - self._streams.timer.tick()
            await asyncio.sleep(max(0.0, min(left, self._times.funding_again) if self._failed else left))

    async def read(self, column: int) -> None:
        """Read the rate of a symbol, with some attempts."""
        symbol, exchange = self._symbols[column], self._streams.exchanges[SOURCE]
        try:
            rate = funding_per_8h(await fetch_funding(exchange, symbol, self._settings, pause=self._times.first_pause))
        except (ExchangeRefused, *PLUGIN_ERRORS) as error:
            self._note_failure(column, str(error), is_fault=isinstance(error, ExchangeUnreachable))
            return
        if rate is None:
            self._note_failure(column, f"{exchange.id} gives no funding rate of {symbol}")
            return
        self._failed.pop(column, None)
        self._known.add(column)
        if rate != self._rates.get(column):
            self._rates[column] = rate
            self._take(StreamFault(column, "candles", "funding", self._streams.timer.now(), f"{rate!r} per 8 h"))

    def _note_failure(self, column: int, line: str, *, is_fault: bool = False) -> None:
        """Count a failed read; of a symbol that never had a rate, a refusal is the exchange's answer."""
        if is_fault or column in self._known:
            self._failed[column] = self._failed.get(column, (0, ""))[0] + 1, line
        else:
            self._failed.pop(column, None)
