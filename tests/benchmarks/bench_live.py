"""A live feed of 50 symbols at 1 m with books: CPU at 500 messages a second, and memory and CPU over a day's worth of messages.

The sockets are played against a fake Binance in a process of its own for some minutes (PODIUM_BENCH_MINUTES, 2); a day is too long for that, so the
messages of a day go through the bar builder and the recorder as fast as they can (PODIUM_BENCH_DAY, the share of a day that is played, 0.1).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from time import perf_counter, process_time

import numpy as np
import psutil

from engine.domain.live import BookUpdate, StreamFault, Trade
from engine.domain.ports import FeedInfo
from engine.feeds._contracts import Contract
from engine.feeds.live import LiveFeed
from engine.live.bar_builder import LiveBarBuilder
from engine.live.exchange import open_exchange, read_markets
from engine.live.instruments import describe_live_market
from engine.live.recorder import ParquetRecorder
from engine.live.stream_messages import read_book, read_trade
from engine.settings import Settings, count_order_delay_ms
from tests.exchanges import FakeBinance

SYMBOLS = tuple(f"{first}{second}A/USDT" for first in "BCDEF" for second in "BCDFGHJKLM")
PER_SECOND = 10  # messages of a symbol: half are books, half are trades
MINUTE = 60 * 10**9  # ns
SETTLING_SECONDS = 30.0  # until every stream is up
DAY_MESSAGES = 43_200_000
LEVELS = 5


def main() -> None:
    """Print the figures."""
    minutes, share = (float(os.environ.get(f"PODIUM_BENCH_{name}", default)) for name, default in (("MINUTES", "2"), ("DAY", "0.1")))
    measure_sockets(minutes)
    measure_day(share)


def measure_sockets(minutes: float) -> None:
    """Print the CPU of a feed with its recorder, without that of the fake exchange."""
    context = multiprocessing.get_context("spawn")
    options, ended = context.Queue(), context.Event()
    fake = context.Process(target=_serve, args=(options, ended), daemon=True)
    fake.start()
    try:
        with tempfile.TemporaryDirectory(prefix="podium-bench-live-") as folder:
            _watch(options.get(timeout=60), minutes * 60.0, Path(folder))
    finally:
        ended.set()
        fake.join(20.0)


def _serve(options: multiprocessing.Queue, ended: Event) -> None:  # type: ignore[type-arg]
    with FakeBinance(SYMBOLS, step_ms=2_000 // PER_SECOND, trades_per_second=PER_SECOND / 2, history_seconds=7_200) as fake:
        options.put(json.dumps(fake.ccxt_options()))
        ended.wait()


def _watch(options: str, seconds: float, folder: Path) -> None:
    settings = Settings(
        home=str(folder), database_url="sqlite:///unused", feed="live", exchange="binance", exchange_options=options, symbols=SYMBOLS,
        interval=MINUTE, book_levels=LEVELS,
    )  # fmt: skip
    markets = read_markets(settings)

    def connect() -> object:
        exchange = open_exchange(settings)
        markets.install(exchange)
        return exchange

    feed = LiveFeed(describe_live_market(settings, markets), connect, settings, history_bars=60)
    feed.set_recorder(ParquetRecorder(folder / "recording", feed.info, latency_ms=count_order_delay_ms(settings), has_messages=True))
    process = psutil.Process()
    try:
        _play(feed, SETTLING_SECONDS)
        silent = [f"{stream.symbol} {stream.stream}" for stream in feed.read_streams() if not stream.messages and stream.stream != "candles"]
        before, cpu, began, memory = _count(feed), process_time(), perf_counter(), process.memory_info().rss
        bars = _play(feed, seconds)
        took, cpu = perf_counter() - began, process_time() - cpu
        rate, load = (_count(feed) - before) / took, cpu / took
        problems = sorted({stream.problem for stream in feed.read_streams() if stream.problem})
        print(f"{len(SYMBOLS)} symbols, {rate:,.0f} messages/s for {took:,.0f} s, {bars} bars: {load:.1%} of a core with the recorder", flush=True)
        kinds = {kind: sum(stream.messages for stream in feed.read_streams() if stream.stream == kind) for kind in ("trades", "book")}
        print(f"  since the start {kinds['trades']:,} trades and {kinds['book']:,} books; after {SETTLING_SECONDS:g} s silent: {len(silent)} streams")
        print(f"  at 500 messages/s: {load * 500 / rate:.1%} of a core (60 % is the limit); sockets {len(process.net_connections())}")
        print(f"  memory {memory / 1e6:,.0f} MB, {process.memory_info().rss / 1e6:,.0f} MB at the end; problems: {problems or 'none'}", flush=True)
    finally:
        feed.close()


def _play(feed: LiveFeed, seconds: float) -> int:
    """Take bars for so long; return how many were live."""
    until, bars, last = perf_counter() + seconds, 0, feed._delivered
    slices = feed.slices(last)
    while (left := until - perf_counter()) > 0:
        if feed.wait(min(left, 0.5), last):
            last = next(slices).at
            bars += feed.history_end is not None and last > feed.history_end
    return bars


def _count(feed: LiveFeed) -> int:
    return sum(stream.messages for stream in feed.read_streams())


def measure_day(share: float) -> None:
    """Print the time and the memory of the reading, building and recording of a day's messages."""
    with tempfile.TemporaryDirectory(prefix="podium-bench-day-") as folder:
        info = FeedInfo("live", "live: bench", SYMBOLS, MINUTE, LEVELS, True, False, 10.0, 2.0, (0.01,) * len(SYMBOLS))
        builder = LiveBarBuilder(len(SYMBOLS), MINUTE, LEVELS, 0)
        recorder = ParquetRecorder(Path(folder) / "recording", info, has_messages=True, flush_seconds=None, retention=(None, 200_000_000))
        for stream in ("trades", "book"):
            builder.add(StreamFault(-1, stream, "reconnected", MINUTE, ""))
        minutes = max(4, round(share * 1_440))
        memory: list[float] = []
        process, cpu, count = psutil.Process(), process_time(), 0
        for minute in range(1, minutes + 1):
            for event in _messages(minute * MINUTE):
                recorder.add_event(event)
                builder.add(event)
                count += 1
            at = (minute + 1) * MINUTE
            recorder.add_bar(builder.close_bar(at, at + 1, 0))
            recorder.flush()
            memory.append(process.memory_info().rss / 1e6)
        cpu = process_time() - cpu
    quarter = len(memory) // 4
    begin, end = np.mean(memory[quarter : 2 * quarter]), np.mean(memory[-quarter:])
    print(f"{count:,} messages ({count / DAY_MESSAGES:.1%} of a day) through reading, building and recording: {cpu / count * 1e6:.0f} us a message")
    print(
        f"  at 500 messages/s: {500 * cpu / count:.1%} of a core; memory {begin:,.0f} MB in the second quarter, {end:,.0f} MB in the last", flush=True
    )
    print(f"  most memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:,.0f} MB")


def _messages(begin: int) -> Iterator[Trade | BookUpdate]:
    """The messages of a minute as ccxt gives them, read into messages of the feed."""
    contract, step = Contract(), MINUTE // (60 * PER_SECOND)
    for place in range(60 * PER_SECOND):
        at = begin + place * step
        for column in range(len(SYMBOLS)):
            if place % 2:
                row = {"timestamp": at // 10**6, "price": 100.0 + place % 7, "amount": 1.0, "side": "buy", "id": str(at)}
                trade = read_trade(row, column, at, contract)
                assert trade is not None
                yield trade
            else:
                bids, asks = ([[100.0 + sign * (level + 1), 1.0 + place % 5] for level in range(LEVELS)] for sign in (-1, 1))
                yield read_book({"bids": bids, "asks": asks, "timestamp": at // 10**6}, column, at, contract, LEVELS)


if __name__ == "__main__":
    main()
