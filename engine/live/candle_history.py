"""Reads past candles of an exchange, page by page, within its rate limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from engine.domain.live import Candle
from engine.live.exchange import ATTEMPTS, FIRST_PAUSE_SECONDS, ExchangeRefused, call_exchange
from engine.live.instruments import format_timeframe
from engine.settings import Settings

PAGE = 500  # candles per request where ccxt does not know the exchange's largest page
MS = 1_000_000  # ns


async def fetch_candles(
    exchange: Any, symbol: str, interval: int, since: int, until: int, *, settings: Settings, column: int = 0, clock_offset: int = 0,
    attempts: int = ATTEMPTS, pause: float = FIRST_PAUSE_SECONDS,
) -> tuple[Candle, ...]:  # fmt: skip
    """Fetch the candles that open at or after `since` and close at or before `until` (ns UTC), oldest first; the exchange may have fewer.

    `interval` is in ns. A candle that is still open by the exchange's clock, which is this machine's plus `clock_offset` (ns), is left out, and so
    are candles off the interval's clock and without a finite, positive and consistent price. Volumes are ccxt's, in base units; NaN where unknown.
    Requests are made again after a pause; raises ExchangeUnreachable after the last attempt, ExchangeRefused where the exchange refuses.
    """
    timeframe = format_timeframe(interval, exchange.timeframes)
    page = _page_size(exchange, symbol)
    until = min(until, exchange.milliseconds() * MS + clock_offset)
    cursor = -(-since // interval) * interval
    candles: dict[int, Candle] = {}
    while cursor + interval <= until:
        limit = min(page, -(-(until - cursor) // interval))
        rows = await call_exchange(
            partial(exchange.fetch_ohlcv, symbol, timeframe, cursor // MS, limit),
            settings, f"the candles of {symbol} on {exchange.id}", attempts=attempts, pause=pause,
        )  # fmt: skip
        received = exchange.milliseconds() * MS
        read = [candle for row in rows or () if (candle := read_candle(row, column, received)) is not None]
        usable = {candle.opened: candle for candle in read if candle.opened % interval == 0 and cursor <= candle.opened <= until - interval}
        candles |= usable
        cursor = max(usable) + interval if usable else cursor + page * interval
    return tuple(candles[opened] for opened in sorted(candles))


def read_candle(row: Sequence[Any], column: int, received: int) -> Candle | None:
    """Read a candle as ccxt gives it: ms, open, high, low, close, volume; None where it describes no market."""
    if len(row) < 5 or not all(isinstance(value, int | float) for value in row[:5]):
        return None
    first, high, low, last = (float(value) for value in row[1:5])
    if not all(map(math.isfinite, (first, high, low, last))) or not 0 < low <= min(first, last) <= max(first, last) <= high:
        return None
    size = row[5] if len(row) > 5 else None
    volume = float(size) if isinstance(size, int | float) and math.isfinite(size) and size >= 0 else math.nan
    return Candle(column, int(row[0]) * MS, received, (first, high, low, last, volume))


def _page_size(exchange: Any, symbol: str) -> int:
    """The largest page of the exchange, by what ccxt knows of it."""
    if symbol not in (exchange.markets or {}):
        raise ExchangeRefused(f"{exchange.id} has no symbol {symbol}: give one of its markets")
    size = exchange.feature_value(symbol, "fetchOHLCV", "limit", PAGE)
    return size if isinstance(size, int) and size > 0 else PAGE
