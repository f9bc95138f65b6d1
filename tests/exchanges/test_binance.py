"""ccxt sees the fake Binance as a market, and each of its faults as documented."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from tests.exchanges import FakeBinance
from tests.exchanges.clients import drive, expect, is_quiet
from tests.exchanges.market import SymbolMarket

SYMBOL, OTHER = "BTC/USDT", "ETH/USDT"


@pytest.fixture(scope="module")
def running() -> Iterator[FakeBinance]:
    with FakeBinance((SYMBOL, OTHER), step_ms=20, trades_per_second=20.0, history_seconds=600) as server:
        yield server


@pytest.fixture
def fake(running: FakeBinance) -> Iterator[FakeBinance]:
    yield running
    running.resume()
    running.set_clock_offset(0.0)


def test_market_and_clock_are_those_of_the_fake(fake: FakeBinance) -> None:
    fake.set_clock_offset(-7.0)

    async def scenario(exchange: Any) -> None:
        markets = await exchange.load_markets()
        assert set(markets) == {SYMBOL, OTHER}
        assert markets[SYMBOL]["precision"]["price"] == 0.01
        assert markets[SYMBOL]["precision"]["amount"] == 1e-5
        assert markets[SYMBOL]["limits"]["cost"]["min"] == 5.0
        assert markets[SYMBOL]["active"] is True
        before = fake.now_ms()
        assert before <= await exchange.fetch_time() <= fake.now_ms()

    drive(fake, scenario)


def test_the_same_seed_gives_the_same_market() -> None:
    def trade(seed: int) -> list[tuple[int, int, bool]]:
        market = SymbolMarket(SYMBOL, 0, seed=seed, rate=20.0, levels=10, started=1_000, history=60)
        for place in range(50):
            market.step(1_000_000 + 100 * place, 0.1)
        return [(trade.price, trade.size, trade.buy) for trade in market.trades]

    assert trade(7) == trade(7)
    assert trade(7) != trade(8)


def test_trades_and_books_equal_the_truth(fake: FakeBinance) -> None:
    async def scenario(exchange: Any) -> None:
        seen = [trade for _ in range(8) for trade in await exchange.watch_trades(SYMBOL)]
        truth = {trade.id: trade for trade in fake.trades(SYMBOL)}
        numbers = [int(trade["id"]) for trade in seen]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        for trade in seen:
            true = truth[trade["id"]]
            assert (trade["timestamp"] * 1_000_000, trade["price"], trade["amount"]) == (true.at, true.price, true.size)
            assert trade["side"] == ("buy" if true.sign > 0 else "sell")
        for _ in range(20):
            book = await exchange.watch_order_book(SYMBOL)  # with a limit, ccxt forgets levels that come back into view
            shown = (book["nonce"], [tuple(level) for level in book["bids"]], [tuple(level) for level in book["asks"]])
            true_book = next(each for each in fake.books(SYMBOL) if each.sequence == shown[0])
            assert shown[1][:10] == list(true_book.bids)
            assert shown[2][:10] == list(true_book.asks)

    drive(fake, scenario)


async def check_traded_second(exchange: Any, fake: FakeBinance) -> None:
    """Compare the candle of a whole second with its trades."""
    second = fake.now_ms() // 1_000 + 1
    while fake.now_ms() // 1_000 <= second:
        await exchange.watch_trades(SYMBOL)
    candle = (await exchange.fetch_ohlcv(SYMBOL, "1s", 1_000 * second, 1))[0]
    trades = [trade for trade in fake.trades(SYMBOL) if trade.at // 1_000_000_000 == second]
    prices = [trade.price for trade in trades]
    assert candle[:5] == [1_000 * second, prices[0], max(prices), min(prices), prices[-1]]
    assert candle[5] == pytest.approx(sum(trade.size for trade in trades))


def test_candles_equal_the_truth_and_the_trades(fake: FakeBinance) -> None:
    async def scenario(exchange: Any) -> None:
        candles = {row[0]: row for row in await exchange.fetch_ohlcv(SYMBOL, "1s", None, 1_000)}
        truth = {candle.opened // 1_000_000: candle for candle in fake.candles(SYMBOL, "1s")}
        closed = sorted(candles)[:-1]
        assert len(closed) >= 600
        for opened in closed:
            true = truth[opened]
            assert candles[opened][1:] == [true.open, true.high, true.low, true.close, true.volume]
        await check_traded_second(exchange, fake)
        minutes = await exchange.fetch_ohlcv(SYMBOL, "1m", None, 1_000)
        seconds = [candles[minutes[3][0] + 1_000 * place] for place in range(60)]
        assert minutes[3][1:5] == [seconds[0][1], max(row[2] for row in seconds), min(row[3] for row in seconds), seconds[-1][4]]
        assert (await exchange.watch_ohlcv(SYMBOL, "1s"))[-1][0] in {candle.opened // 1_000_000 for candle in fake.candles(SYMBOL, "1s")}

    drive(fake, scenario)


@pytest.mark.parametrize("fault", ["drop_sockets", "abort_tcp"])
def test_an_ended_connection_is_a_network_error_and_the_next_call_dials_again(fake: FakeBinance, fault: str) -> None:
    async def scenario(exchange: Any) -> None:
        await exchange.watch_trades(SYMBOL)
        dials = fake.dials
        getattr(fake, fault)()
        await expect(ccxt.NetworkError, exchange.watch_trades, SYMBOL)
        assert await exchange.watch_trades(SYMBOL)
        assert fake.dials == dials + 1

    drive(fake, scenario)


def test_silence_raises_nothing_but_a_half_open_socket_times_out(fake: FakeBinance) -> None:
    async def scenario(exchange: Any) -> None:
        await exchange.watch_trades(SYMBOL)
        await exchange.watch_trades(OTHER)
        fake.silence(SYMBOL, "trades")
        while not await is_quiet(exchange.watch_trades(SYMBOL), 1.0):  # ten times the time between pings
            pass
        assert await exchange.watch_trades(OTHER)
        assert await exchange.watch_order_book(SYMBOL)
        fake.resume()
        assert await exchange.watch_trades(SYMBOL)
        fake.half_open()
        await expect(ccxt.RequestTimeout, exchange.watch_trades, SYMBOL)
        assert await exchange.watch_trades(SYMBOL)

    drive(fake, scenario, streaming={"keepAlive": 100})


def test_a_lost_update_is_a_checksum_error_and_the_next_call_resyncs(fake: FakeBinance) -> None:
    async def scenario(exchange: Any) -> None:
        await exchange.watch_order_book(SYMBOL)
        fake.skip_sequence(SYMBOL)
        await expect(ccxt.ChecksumError, exchange.watch_order_book, SYMBOL)
        book = await exchange.watch_order_book(SYMBOL)
        assert book["nonce"] in {true.sequence for true in fake.books(SYMBOL)}

    drive(fake, scenario)


def test_a_lost_removal_leaves_a_ghost_and_raises_nothing(fake: FakeBinance) -> None:
    async def scenario(exchange: Any) -> None:
        await exchange.watch_order_book(SYMBOL)
        fake.ghost_level(SYMBOL)
        for _ in range(400):
            book = await exchange.watch_order_book(SYMBOL)
            true = next(each for each in reversed(fake.books(SYMBOL)) if each.sequence == book["nonce"])
            shown = {(side, level[0]) for side in ("bids", "asks") for level in book[side][:5]}
            if shown - {(side, price) for side in ("bids", "asks") for price, _ in getattr(true, side)}:
                return
        pytest.fail("no ghost level")

    drive(fake, scenario)


def test_rest_faults(fake: FakeBinance) -> None:
    async def scenario(exchange: Any) -> None:
        await exchange.load_markets()
        fake.rate_limit(1)
        with pytest.raises(ccxt.DDoSProtection):
            await exchange.fetch_time()
        assert await exchange.fetch_time()
        fake.maintenance(True)
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await exchange.fetch_time()
        with pytest.raises(ccxt.NetworkError):
            await exchange.watch_trades(SYMBOL)
        fake.maintenance(False)
        assert await exchange.fetch_time()
        fake.refuse_connections(True)
        with pytest.raises(ccxt.NetworkError):
            await exchange.fetch_time()
        fake.resume()
        while await _fails(exchange.fetch_time):
            pass

    drive(fake, scenario)


async def _fails(fetch: Any) -> bool:
    try:
        await fetch()
    except ccxt.NetworkError:
        await asyncio.sleep(0.01)
        return True
    return False


def test_candles_late_and_revised(fake: FakeBinance) -> None:
    async def scenario(exchange: Any) -> None:
        fake.late_candles(60.0)
        newest = (await exchange.fetch_ohlcv(SYMBOL, "1s", None, 500))[-1]
        assert newest[0] + 60_000 <= fake.now_ms()
        fake.resume()
        before = (await exchange.fetch_ohlcv(SYMBOL, "1s", newest[0], 1))[0]
        assert before == newest
        fake.revise_candle(SYMBOL, newest[0] * 1_000_000)
        after = (await exchange.fetch_ohlcv(SYMBOL, "1s", newest[0], 1))[0]
        assert after[2] > before[2]
        assert after[5] > before[5]
        assert [after[1], *after[3:5]] == [before[1], *before[3:5]]

    drive(fake, scenario)


def test_trades_twice_and_late_step_back_in_their_ids(fake: FakeBinance) -> None:
    async def numbers(exchange: Any, calls: int) -> list[int]:
        return [int(trade["id"]) for _ in range(calls) for trade in await exchange.watch_trades(SYMBOL)]

    async def scenario(exchange: Any) -> None:
        await exchange.watch_trades(SYMBOL)
        fake.silence(OTHER)
        fake.duplicate_trades(100)
        seen = await numbers(exchange, 6)
        assert len(set(seen)) < len(seen)
        fake.resume()
        fake.late_trade(SYMBOL, 0.3)
        seen = await numbers(exchange, 12)
        assert seen != sorted(seen)
        assert sorted(set(seen)) == list(range(min(seen), max(seen) + 1))

    drive(fake, scenario)


def test_books_crossed_and_empty_raise_nothing(fake: FakeBinance) -> None:
    async def scenario(exchange: Any) -> None:
        async def until(condition: Any) -> None:
            while not condition(await exchange.watch_order_book(SYMBOL)):
                pass

        fake.cross_book(SYMBOL)
        await until(lambda book: book["bids"][0][0] > book["asks"][0][0])
        fake.resume()
        await until(lambda book: book["bids"][0][0] < book["asks"][0][0])
        fake.empty_book(SYMBOL, "a")
        await until(lambda book: book["bids"] and not book["asks"])
        fake.resume()
        await until(lambda book: book["bids"] and book["asks"])

    drive(fake, scenario)


def test_a_halted_symbol_is_silent_and_a_delisted_one_unknown(fake: FakeBinance) -> None:
    async def scenario(exchange: Any) -> None:
        await exchange.watch_trades(SYMBOL)
        fake.halt(SYMBOL)
        while not await is_quiet(exchange.watch_trades(SYMBOL), 0.5):
            pass
        assert (await exchange.load_markets(True))[SYMBOL]["active"] is False
        fake.resume()
        assert await exchange.watch_trades(SYMBOL)
        fake.delist(OTHER)
        with pytest.raises(ccxt.BadSymbol):
            await exchange.fetch_ohlcv(OTHER, "1s")
        with pytest.raises(ccxt.ExchangeError):
            await exchange.watch_trades(OTHER)
        assert OTHER not in await exchange.load_markets(True)

    drive(fake, scenario)
