"""Fetches the exchange's candles beside the streams: the history at the start, incomplete and missing bars, and a check of every bar."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from engine.domain.live import Candle
from engine.domain.model import PLUGIN_ERRORS
from engine.live.bar_builder import LiveBarBuilder
from engine.live.candle_history import fetch_candles
from engine.live.exchange import ExchangeRefused
from engine.live.stream_statistics import SECOND, StreamStatistics
from engine.live.streams import LiveStreams
from engine.settings import Settings

AFTER_CLOSE = 0.05  # s from a bar's close to the first request for its candle
AGAIN = 0.25  # s to the next request where the candle was not there
URGENT_ATTEMPTS = 3
CHECK_SECONDS = 5.0  # s from a bar's close to the check of every bar, or half a bar where that is shorter
HISTORY_PAUSE = 3.0  # s between attempts while the exchange is away
PATIENCE_BARS = 5  # that a missing candle is fetched again
CHECKED_AGAIN = 5  # of the newest bars are in each check
CHECKED_BARS = 60  # that are checked at once where the checks have fallen behind
REFUSALS = 3  # of a symbol's history before the start goes on without it
SOURCE = "trades"  # the connection whose REST is used


class CandleChecker:
    """Its two coroutines run in the streams' loop; every candle goes to `take`."""

    def __init__(
        self, streams: LiveStreams, builder: LiveBarBuilder, symbols: Sequence[str], settings: Settings, interval: int,
        take: Callable[[Candle], None], lock: threading.Lock,
    ) -> None:  # fmt: skip
        self._streams, self._builder, self._symbols, self._settings, self._interval = streams, builder, tuple(symbols), settings, interval
        self._take, self._lock = take, lock  # the builder is read under the lock
        self._answers: dict[tuple[int, int], int] = {}  # by symbol and close of a missing bar, the answers that lacked it
        self._checked = 0  # ns UTC, the newest close whose candles were compared with the bars
        self.statistics = [StreamStatistics(symbol, "candles") for symbol in self._symbols]
        self.progress = ""
        self._attempts: int | None = None  # that are left; None for as many as it takes

    def exchange_time(self) -> int:
        """Return ns UTC by the exchange's clock."""
        return self._streams.exchange_time()

    async def fetch_history(self, since: int, until: int, attempts: int | None = None) -> list[tuple[Candle, ...]]:
        """Fetch the candles of each symbol between two times (ns UTC), trying again until the exchange answers; a symbol refused has none.

        With `attempts`, that many requests may fail in all: the symbols left have none.
        """
        history: list[tuple[Candle, ...]] = []
        self._attempts = attempts
        for column, symbol in enumerate(self._symbols):
            self.progress = f"history of {symbol}, {column + 1} of {len(self._symbols)}"
            history.append(await self._fetch_patiently(column, since, until))
        return history

    async def _fetch_patiently(self, column: int, since: int, until: int) -> tuple[Candle, ...]:
        refusals = 0
        while refusals < REFUSALS and self._attempts != 0:
            candles = await self._fetch(column, since, until)
            if candles is not None:
                return candles
            problem = self.statistics[column].problem or ""
            self.progress = f"{self._symbols[column]}: {problem}"
            refusals += self.statistics[column].state == "halted"
            self._attempts = None if self._attempts is None else self._attempts - 1
            await asyncio.sleep(HISTORY_PAUSE)
        return ()

    async def run(self) -> None:
        """Fetch candles after each close, for as long as the loop runs."""
        while True:
            at = (self.exchange_time() // self._interval + 1) * self._interval
            await self._sleep_until(at + round(AFTER_CLOSE * SECOND))
            with self._lock:
                incomplete = [column for column in range(len(self._symbols)) if not self._builder.is_complete(column, at)]
            await self._fetch_urgent(incomplete, at)
            await self._fill_missing(at)
            await self._sleep_until(at + min(round(CHECK_SECONDS * SECOND), self._interval // 2))
            await self._fetch_bars(range(len(self._symbols)), at, self._find_first_to_check(at))
            self._checked = at

    def _find_first_to_check(self, at: int) -> int:
        """Return the opening (ns UTC) of the first bar to check: some are checked again, as trades may be late and candles revised."""
        if not self._checked:
            return at - self._interval
        return max(min(self._checked, at - CHECKED_AGAIN * self._interval), at - CHECKED_BARS * self._interval)

    async def _sleep_until(self, at: int) -> None:
        await asyncio.sleep(max(0.0, (at - self.exchange_time()) / SECOND))

    async def _fetch_urgent(self, columns: list[int], at: int) -> None:
        for _ in range(URGENT_ATTEMPTS):
            if columns:
                fetched = await self._fetch_bars(columns, at)
                columns = [column for column in columns if column not in fetched]
            if columns:
                await asyncio.sleep(AGAIN)

    async def _fetch_bars(self, columns: Iterable[int], at: int, since: int | None = None) -> set[int]:
        """Fetch the bar that closes at `at`, or all that open from `since` on; returns the symbols whose candles are there."""
        chosen = list(columns)
        fetched = await asyncio.gather(*(self._fetch_bar(column, at, at - self._interval if since is None else since) for column in chosen))
        return {column for column, is_there in zip(chosen, fetched, strict=True) if is_there}

    async def _fetch_bar(self, column: int, at: int, since: int) -> bool:
        """Fetch bars of one symbol and take them as soon as they are there: within a rate limit those of many symbols take long."""
        candles = await self._fetch(column, since, at)
        self._take_all(candles or ())
        return bool(candles)

    async def _fill_missing(self, at: int) -> None:
        """Fetch what is missing; what several answers have lacked, the exchange will not have."""
        with self._lock:
            missing = {(column, close) for close, columns in self._builder.missing.items() for column in columns if close < at}
        self._answers = {bar: count for bar, count in self._answers.items() if bar in missing}
        wanted = {bar for bar in missing if self._answers.get(bar, 0) < PATIENCE_BARS}
        for column in sorted({column for column, _ in wanted}):
            closes = sorted(close for symbol, close in wanted if symbol == column)
            candles = await self._fetch(column, closes[0] - self._interval, closes[-1])
            if candles is not None:
                self._answers |= {(column, close): self._answers.get((column, close), 0) + 1 for close in closes}
            self._take_all(candles or ())

    def _take_all(self, candles: Iterable[Candle]) -> None:
        for candle in candles:
            self._take(candle)

    async def _fetch(self, column: int, since: int, until: int) -> tuple[Candle, ...] | None:
        """Fetch candles once; None where that fails, with the reason in the statistics."""
        statistics, exchange = self.statistics[column], self._exchange()
        try:
            candles = await fetch_candles(
                exchange, self._symbols[column], self._interval, since, until, settings=self._settings, column=column,
                clock_offset=self._streams.clock.offset, attempts=1,
            )  # fmt: skip
        except (ExchangeRefused, *PLUGIN_ERRORS) as error:
            refused = type(error) is ExchangeRefused
            statistics.set_state("halted" if refused else "reconnecting", str(error), self._streams.timer.now())
            return None
        for candle in candles[-1:]:
            statistics.add_message(candle.received, None, 0)
        statistics.set_state("ok", None, self._streams.timer.now())
        return candles

    def _exchange(self) -> Any:
        return self._streams.exchanges[SOURCE]
