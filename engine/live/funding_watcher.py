"""Follows the funding rates of perpetual swaps while a live market runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.domain.live import StreamEvent, StreamFault
from engine.domain.model import PLUGIN_ERRORS
from engine.live.exchange import ExchangeRefused, ExchangeUnreachable, fetch_funding
from engine.live.instruments import LiveMarket, funding_per_8h
from engine.live.streams import LiveStreams, StreamTimes
from engine.settings import Settings

SOURCE = "trades"  # the connection whose REST is used


class FundingWatcher:
    """Its coroutine runs in the streams' loop; every rate that has changed goes to `take`, as a message of the kind "funding"."""

    def __init__(
        self, streams: LiveStreams, market: LiveMarket, settings: Settings, take: Callable[[StreamEvent], None], times: StreamTimes
    ) -> None:  # fmt: skip
        """Prepare without a request."""
        self._streams, self._settings, self._take, self._pause = streams, settings, take, times.funding
        self._symbols = {column: market.info.symbols[column] for column in market.perpetuals}
        self._rates: dict[int, float] = {}  # per 8 h, as taken
        self._known = {column for column in self._symbols if market.contracts[column].funding_rate}  # that have had a rate
        self._problems: dict[int, str] = {}

    @property
    def problem(self) -> str | None:
        """A line about a rate that cannot be read; None where all can."""
        return next(iter(self._problems.values()), None)

    async def run(self) -> None:
        """Read every rate, again and again for as long as the loop runs."""
        while self._symbols:
            for column in self._symbols:
                await self._read(column)
            await asyncio.sleep(self._pause)

    async def _read(self, column: int) -> None:
        symbol, exchange = self._symbols[column], self._streams.exchanges[SOURCE]
        in_force = "the last rate stays in force"
        try:
            rate = funding_per_8h(await fetch_funding(exchange, symbol, self._settings, attempts=1))
        except (ExchangeRefused, *PLUGIN_ERRORS) as error:
            if column in self._known or isinstance(error, ExchangeUnreachable):
                self._problems[column] = f"{error}; {in_force}"
            return
        if rate is None:
            if column in self._known:
                self._problems[column] = f"{exchange.id} gives no funding rate of {symbol}: {in_force}"
            return
        self._problems.pop(column, None)
        self._known.add(column)
        if rate != self._rates.get(column):
            self._rates[column] = rate
            self._take(StreamFault(column, "candles", "funding", self._streams.timer.now(), f"{rate!r} per 8 h"))
