"""Past candles: every closed candle that the exchange has, once and in order, and never the open candle."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.live import Candle
from engine.live.candle_history import fetch_candles, read_candle
from engine.live.exchange import ExchangeRefused, ExchangeUnreachable, open_exchange, read_markets
from engine.settings import Settings
from tests.coroutines import run_coroutine
from tests.exchanges.binance import FakeBinance

MINUTE = 60 * 10**9  # ns
FIRST = 28_000_000  # minutes since 1970


class PagedExchange:
    """Candles of one symbol in pages of at most `page` from `since` on, however far away; or within `page` minutes of it; or the newest."""

    id = "paged"
    timeframes = {"1m": "1m", "5m": "5m"}
    markets: dict[str, dict[str, Any]] = {"A/B": {}}

    def __init__(self, minutes: Sequence[int], page: int, *, now: int, newest_only: bool = False, windowed: bool = False) -> None:
        self.minutes, self.page, self.now, self.newest_only, self.windowed = sorted(minutes), page, now, newest_only, windowed
        self.requests = 0

    def milliseconds(self) -> int:
        return self.now * 60_000 + 1

    def feature_value(self, symbol: str, method: str, parameter: str, default: int) -> int:
        return self.page

    async def fetch_ohlcv(self, symbol: str, timeframe: str, since: int, limit: int) -> list[list[Any]]:
        self.requests += 1
        rows = [[minute * 60_000, 2.0, 3.0, 1.0, 2.0, float(minute)] for minute in self.minutes if minute <= self.now]
        if self.newest_only:
            return rows[-self.page :]
        end = since + self.page * 60_000 if self.windowed else 10**15
        return [row for row in rows if since <= row[0] < end][: min(limit, self.page)]


def choose(exchange: FakeBinance | None = None) -> Settings:
    options = json.dumps(exchange.ccxt_options()) if exchange else ""
    symbols = ("BTC/USDT", "ETH/USDT")
    return Settings("/h", "sqlite:////h/p.db", feed="live", exchange="binance", symbols=symbols, exchange_options=options)


def fetch(exchange: Any, since: int, until: int, **more: Any) -> tuple[Candle, ...]:
    return run_coroutine(fetch_candles(exchange, "A/B", MINUTE, since, until, settings=choose(), **more))


@settings(deadline=None)  # no test depends on speed
@given(
    traded=st.lists(st.booleans(), min_size=30, max_size=30),
    page=st.integers(1, 8),
    windowed=st.booleans(),
    first=st.integers(0, 10),
    late=st.sampled_from((0, 1, MINUTE - 1)),
    length=st.integers(0, 35),
    now=st.integers(15, 35),
)
def test_every_closed_candle_is_fetched_whatever_the_page_and_the_gaps(
    traded: list[bool], page: int, windowed: bool, first: int, late: int, length: int, now: int
) -> None:
    minutes = [FIRST + place for place, value in enumerate(traded) if value]
    exchange = PagedExchange(minutes, page, now=FIRST + now, windowed=windowed)
    since = (FIRST + first) * MINUTE + late
    until = since + length * MINUTE
    closed_by = min(until, (FIRST + now) * MINUTE)
    candles = fetch(exchange, since, until)
    assert [candle.opened for candle in candles] == [m * MINUTE for m in minutes if m * MINUTE >= since and (m + 1) * MINUTE <= closed_by]
    assert all(candle.values == (2.0, 3.0, 1.0, 2.0, float(candle.opened // MINUTE)) for candle in candles)
    assert exchange.requests <= length / page + len(candles) + 1


def test_an_exchange_with_only_its_newest_candles_gives_those_in_a_single_request() -> None:
    exchange = PagedExchange(range(FIRST, FIRST + 100), 20, now=FIRST + 99, newest_only=True)
    candles = fetch(exchange, FIRST * MINUTE, (FIRST + 99) * MINUTE)
    assert [candle.opened // MINUTE for candle in candles] == list(range(FIRST + 80, FIRST + 99))
    assert exchange.requests == 1


def test_the_offset_of_the_exchanges_clock_decides_what_is_closed() -> None:
    exchange = PagedExchange(range(FIRST, FIRST + 10), 20, now=FIRST + 5)
    behind = fetch(exchange, FIRST * MINUTE, 10**19, clock_offset=-2 * MINUTE)
    assert [candle.opened // MINUTE for candle in behind] == [FIRST, FIRST + 1, FIRST + 2]


@pytest.mark.parametrize(
    "row",
    [
        [60_000, 2.0, 3.0, 1.0, None, 1.0], [60_000, 2.0, 3.0, 1.0, math.nan, 1.0], [60_000, 2.0, 1.5, 1.0, 2.0, 1.0],
        [60_000, 2.0, 3.0, 2.5, 2.0, 1.0], [60_000, 0.0, 3.0, 0.0, 2.0, 1.0], [None, 2.0, 3.0, 1.0, 2.0, 1.0], [60_000, 2.0],
    ],
)  # fmt: skip
def test_a_candle_that_describes_no_market_is_left_out(row: list[Any]) -> None:
    assert read_candle(row, 0, 0) is None


def test_an_unknown_volume_stays_unknown() -> None:
    candle = read_candle([60_000, 2.0, 3.0, 1.0, 2.0, None], 4, 9)
    assert candle is not None
    assert (candle.symbol, candle.opened, candle.received) == (4, MINUTE, 9)
    assert math.isnan(candle.values[4])


def read_from(exchange: FakeBinance, minutes: int, symbol: str = "BTC/USDT", **more: Any) -> tuple[Candle, ...]:
    chosen = choose(exchange)
    markets = read_markets(chosen)

    async def read() -> tuple[Candle, ...]:
        client = open_exchange(chosen)
        markets.install(client)
        try:
            now = exchange.now()
            return await fetch_candles(client, symbol, MINUTE, now - minutes * MINUTE, now + 10 * MINUTE, settings=chosen, pause=0.01, **more)
        finally:
            await client.close()

    return run_coroutine(read())


@pytest.fixture
def binance() -> Any:
    with FakeBinance(history_seconds=1_300 * 60) as exchange:
        yield exchange


def test_binances_candles_are_those_of_its_trades_over_pages_and_refused_requests(binance: FakeBinance) -> None:
    assert read_markets(choose(binance)).exchange == "binance"
    binance.rate_limit(2)
    candles = read_from(binance, 1_200)
    truth = {candle.opened: candle for candle in binance.candles("BTC/USDT", "1m")}
    assert 1_198 <= len(candles) <= 1_200
    assert binance.requests["/api/v3/klines"] == 2 + 2
    assert all(earlier.opened + MINUTE == later.opened for earlier, later in itertools.pairwise(candles))
    assert candles[-1].opened + MINUTE <= binance.now()
    for candle in candles:
        expected = truth[candle.opened]
        assert candle.values == (expected.open, expected.high, expected.low, expected.close, expected.volume)


def test_an_exchange_in_maintenance_is_unreachable_in_a_single_line(binance: FakeBinance) -> None:
    read_markets(choose(binance))
    binance.maintenance()
    with pytest.raises(ExchangeUnreachable, match=r"^the candles of BTC/USDT on binance: ExchangeNotAvailable \(.+\): check the network"):
        read_from(binance, 5, attempts=2)


def test_a_delisted_symbol_is_refused(binance: FakeBinance) -> None:
    read_markets(choose(binance))
    binance.delist("ETH/USDT")
    with pytest.raises(ExchangeRefused, match=r"^the candles of ETH/USDT on binance: BadSymbol \(.*Invalid symbol"):
        read_from(binance, 5, "ETH/USDT")
