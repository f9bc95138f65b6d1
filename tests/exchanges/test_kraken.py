"""ccxt sees the fake Kraken as a market with checksums, and its faults as documented."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from tests.exchanges import FakeKraken
from tests.exchanges.clients import drive, expect, is_quiet

SYMBOL, OTHER = "BTC/USD", "ETH/USD"


@pytest.fixture(scope="module")
def running() -> Iterator[FakeKraken]:
    with FakeKraken((SYMBOL, OTHER), step_ms=20, trades_per_second=20.0, history_seconds=600) as server:
        yield server


@pytest.fixture
def fake(running: FakeKraken) -> Iterator[FakeKraken]:
    yield running
    running.resume()


def find_wrong_checksums(messages: list[dict[str, Any]]) -> list[int]:
    """Apply a snapshot and the updates after it; return the places of those whose checksum differs from that of the ten best levels."""
    book: dict[str, dict[str, str]] = {"asks": {}, "bids": {}}
    wrong = []
    for place, message in enumerate(messages):
        digits = ""
        for side, levels in book.items():
            levels.update({f"{row['price']:.2f}": f"{row['qty']:.5f}" for row in message["data"][0][side]})
            best = [price for price in sorted(levels, key=float, reverse=side == "bids") if float(levels[price])][:10]
            for price in levels.keys() - set(best):
                del levels[price]
            digits += "".join(text.replace(".", "").lstrip("0") for price in best for text in (price, levels[price]))
        if zlib.crc32(digits.encode()) != message["data"][0]["checksum"]:
            wrong.append(place)
    return wrong


def test_market_and_candles_are_those_of_the_fake(fake: FakeKraken) -> None:
    async def scenario(exchange: Any) -> None:
        markets = await exchange.load_markets()
        assert set(markets) == {SYMBOL, OTHER}
        assert (markets[SYMBOL]["id"], markets[SYMBOL]["taker"], markets[SYMBOL]["precision"]["price"]) == ("XXBTZUSD", 0.004, 0.01)
        assert fake.now_ms() // 1_000 * 1_000 <= await exchange.fetch_time() <= fake.now_ms()  # whole seconds
        rows = await exchange.fetch_ohlcv(SYMBOL, "1m")
        truth = {candle.opened // 1_000_000: candle for candle in fake.candles(SYMBOL, "1m")}
        assert len(rows) >= 10
        for opened, *values in rows[:-1]:
            true = truth[opened]
            assert values == [true.open, true.high, true.low, true.close, true.volume]
        watched = await exchange.watch_ohlcv(SYMBOL, "1m")
        assert watched[-2][:5] == rows[-2][:5] or watched[-3][:5] == rows[-2][:5]

    drive(fake, scenario)


def test_trades_and_books_equal_the_truth(fake: FakeKraken) -> None:
    async def scenario(exchange: Any) -> None:
        seen = [trade for _ in range(5) for trade in await exchange.watch_trades(SYMBOL)]
        truth = {trade.id: trade for trade in fake.trades(SYMBOL)}
        for trade in seen:
            true = truth[trade["id"]]
            assert (trade["timestamp"] * 1_000_000, trade["price"], trade["amount"]) == (true.at, true.price, true.size)
            assert trade["side"] == ("buy" if true.sign > 0 else "sell")
        for _ in range(50):
            book = await exchange.watch_order_book(SYMBOL, 10)
            shown = (tuple(map(tuple, book["bids"])), tuple(map(tuple, book["asks"])))
            assert shown in {(true_book.bids, true_book.asks) for true_book in fake.books(SYMBOL)}

    drive(fake, scenario)


def test_every_checksum_is_right_but_the_corrupt(fake: FakeKraken) -> None:
    async def scenario(exchange: Any) -> None:
        seen: list[dict[str, Any]] = []
        handle = exchange.handle_order_book

        def listen(client: Any, message: dict[str, Any]) -> None:
            seen.append(message)
            handle(client, message)

        exchange.handle_order_book = listen
        while len(seen) < 50:
            await exchange.watch_order_book(SYMBOL, 10)
        assert seen[0]["type"] == "snapshot"
        assert find_wrong_checksums(seen) == []
        fake.corrupt_checksum(SYMBOL)
        while len(seen) < 70 and not find_wrong_checksums(seen):
            await exchange.watch_order_book(SYMBOL, 10)  # ccxt does not look at it unless an option says so
        while len(seen) < 90:
            await exchange.watch_order_book(SYMBOL, 10)
        assert len(find_wrong_checksums(seen)) == 1

    drive(fake, scenario)


def test_ccxt_cannot_check_checksums_itself(fake: FakeKraken) -> None:
    async def scenario(exchange: Any) -> None:
        await exchange.load_markets()
        exchange.options["watchOrderBook"]["checksum"] = True
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context["exception"]))
        assert await is_quiet(exchange.watch_order_book(SYMBOL, 10), 1.0)
        assert any(isinstance(error, AttributeError) for error in errors)  # it formats a float as if it were text, and stops reading

    errors: list[BaseException] = []
    drive(fake, scenario)


def test_rest_faults(fake: FakeKraken) -> None:
    async def scenario(exchange: Any) -> None:
        await exchange.load_markets()
        fake.rate_limit(1)
        with pytest.raises(ccxt.NetworkError):
            await exchange.fetch_time()
        assert await exchange.fetch_time()
        await exchange.watch_trades(SYMBOL)
        fake.maintenance(True)
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await exchange.fetch_time()
        await expect(ccxt.NetworkError, exchange.watch_trades, SYMBOL)
        fake.maintenance(False)
        assert await exchange.fetch_time()

    drive(fake, scenario)


def test_silence_raises_nothing_but_a_half_open_socket_times_out(fake: FakeKraken) -> None:
    async def scenario(exchange: Any) -> None:
        await exchange.watch_trades(SYMBOL)
        fake.silence()
        while not await is_quiet(exchange.watch_trades(SYMBOL), 1.0):  # ten times the time between pings
            pass
        fake.half_open()
        with pytest.raises(ccxt.RequestTimeout):
            await exchange.watch_trades(SYMBOL)
        fake.resume()
        assert await exchange.watch_trades(SYMBOL)

    drive(fake, scenario, streaming={"keepAlive": 100})


def test_watching_a_delisted_symbol_waits_for_ever(fake: FakeKraken) -> None:
    async def scenario(exchange: Any) -> None:
        await exchange.load_markets()
        fake.delist(OTHER)
        fake.halt(SYMBOL)
        assert await is_quiet(exchange.watch_trades(OTHER), 1.0)  # Kraken refuses the subscription, and ccxt raises it nowhere
        with pytest.raises(ccxt.ExchangeError):
            await exchange.fetch_ohlcv(OTHER, "1m")
        markets = await exchange.load_markets(True)
        assert (OTHER in markets, markets[SYMBOL]["active"]) == (False, False)

    drive(fake, scenario)
