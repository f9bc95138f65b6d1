"""The engine on a live market of 50 symbols at 1 m with books, at 500 messages a second: processor time, latency and memory.

The whole engine (`engine run`, with the recorder) plays against a fake Binance in a process of its own for some minutes (PODIUM_BENCH_MINUTES, 3); a
day is too long for that, so the messages of a day go through the bar builder and the recorder as fast as they can (PODIUM_BENCH_DAY, the share of a
day that is played, 0.1).
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from time import perf_counter, process_time
from typing import Any

import numpy as np
import psutil

from engine.domain.live import BookUpdate, StreamFault, Trade
from engine.domain.ports import FeedInfo
from engine.feeds._contracts import Contract
from engine.live.bar_builder import LiveBarBuilder
from engine.live.recorder import ParquetRecorder
from engine.live.stream_messages import read_book, read_trade
from tests.exchanges import SteadyBinance

ROOT = Path(__file__).parent.parent.parent
SYMBOLS = tuple(f"{first}{second}A/USDT" for first in "BCDEF" for second in "BCDFGHJKLM")
PER_SECOND = 10  # messages of a symbol: half are books, half are trades
MINUTE, SECOND = 60 * 10**9, 10**9  # ns
UP_SECONDS, SETTLING_SECONDS, STOP_SECONDS = 1_200.0, 30.0, 60.0  # until the first live tick; until every stream is up
SAMPLE_SECONDS = 5.0
DAY_MESSAGES = 43_200_000
LEVELS = 5


def main() -> None:
    """Print the figures."""
    minutes, share = (float(os.environ.get(f"PODIUM_BENCH_{name}", default)) for name, default in (("MINUTES", "3"), ("DAY", "0.1")))
    if minutes:
        measure_engine(minutes * 60.0)
    if share:
        measure_day(share)


def measure_engine(seconds: float) -> None:
    """Print what the engine's process takes, without the fake exchange."""
    context = multiprocessing.get_context("spawn")
    addresses, ended = context.Queue(), context.Event()
    fake = context.Process(target=_serve, args=(addresses, ended), daemon=True)
    fake.start()
    try:
        with tempfile.TemporaryDirectory(prefix="podium-bench-live-") as folder:
            address, options = addresses.get(timeout=60)
            _run_engine(address, options, seconds, Path(folder))
    finally:
        ended.set()
        fake.join(20.0)


def _serve(addresses: multiprocessing.Queue, ended: Event) -> None:  # type: ignore[type-arg]
    with SteadyBinance(SYMBOLS, PER_SECOND * len(SYMBOLS), history_seconds=7_200) as fake:
        addresses.put((fake.address, json.dumps(fake.ccxt_options())))
        ended.wait()


@dataclass(frozen=True, slots=True)
class _Sample:
    """Totals at one moment."""

    at: float  # s
    own: float  # s of processor time of the engine's process
    workers: float  # and of the processes that train for it
    delivered: int  # messages that the fake sent
    taken: int  # messages that the engine took


def _run_engine(address: str, options: str, seconds: float, folder: Path) -> None:
    settings = {
        "HOME": str(folder), "FEED": "live", "EXCHANGE": "binance", "EXCHANGE_OPTIONS": options, "SYMBOLS": ",".join(SYMBOLS), "INTERVAL": "1m",
        "BOOK_LEVELS": str(LEVELS), "RECORD": str(folder / "recording"), "EVOLUTION": "off",
    }  # fmt: skip
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")}
    env = plain | {"PYTHONPATH": str(ROOT)} | {f"PODIUM_{name}": value for name, value in settings.items()}
    store, log = folder / "podium.db", folder / "engine.out"
    with log.open("w", encoding="utf-8") as out:
        process = psutil.Popen([sys.executable, "-m", "engine", "run"], cwd=folder, env=env, stdout=out, stderr=subprocess.STDOUT)
    try:
        pause, begun = Event(), perf_counter()
        while not _read(store, "SELECT count(*) FROM ticks WHERE warm = 0", 0):
            if process.poll() is not None or perf_counter() - begun > UP_SECONDS:
                raise RuntimeError(f"the engine is not live: {log.read_text(encoding='utf-8')[-600:]}")
            pause.wait(0.5)
        pause.wait(SETTLING_SECONDS)
        first, memory = _take_sample(process, store, address), [process.memory_info().rss / 1e6]
        while perf_counter() - first.at < seconds:
            pause.wait(SAMPLE_SECONDS)
            memory.append(process.memory_info().rss / 1e6)
        _report(first, _take_sample(process, store, address), memory, store)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()


def _read(store: Path, sql: str, otherwise: Any) -> Any:
    if not store.exists():
        return otherwise
    with closing(sqlite3.connect(store)) as connection:
        try:
            return connection.execute(sql).fetchone()[0]
        except sqlite3.OperationalError:  # the tables are being made
            return otherwise


def _take_sample(process: psutil.Popen, store: Path, address: str) -> _Sample:
    with urllib.request.urlopen(f"http://{address}/delivered") as answer:
        delivered = int(answer.read())
    taken = int(_read(store, "SELECT sum(messages) FROM stream_status WHERE stream <> 'candles'", 0))
    times = process.cpu_times()
    workers = float(times.children_user + times.children_system)  # of those that have ended
    for child in process.children(recursive=True):
        try:
            workers += sum(child.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return _Sample(perf_counter(), float(times.user + times.system), workers, delivered, taken)


def _report(first: _Sample, last: _Sample, memory: list[float], store: Path) -> None:
    took = last.at - first.at
    sent, taken, load, workers = ((getattr(last, name) - getattr(first, name)) / took for name in ("delivered", "taken", "own", "workers"))
    print(f"{len(SYMBOLS)} symbols at 1 m for {took:,.0f} s, load of the machine {os.getloadavg()[0]:.1f}")
    print(f"  {sent:,.0f} messages/s delivered, {taken:,.0f} taken: ccxt joins updates of a book that wait for an engine without processor time")
    print(f"  engine {load:.1%} of a core with decisions, store and recorder (60 % is the limit for the feed); its workers {workers:.1%}")
    with closing(sqlite3.connect(store)) as connection:
        latencies = connection.execute("SELECT latency_p50_ms, latency_p99_ms FROM stream_status WHERE latency_p50_ms IS NOT NULL").fetchall()
        delays = [
            row[0] / 1e6
            for row in connection.execute(
                "SELECT wall + clock_offset - at FROM ticks WHERE warm = 0 AND read_at IS NOT NULL ORDER BY tick"
            ).fetchall()
        ]
        problems = [row[0] for row in connection.execute("SELECT DISTINCT problem FROM stream_status WHERE problem IS NOT NULL").fetchall()]
    halves, tails = np.array(latencies).T
    middle = f"p50 {np.median(halves):.1f} ms, p99 {np.median(tails):.1f} ms"
    print(f"  exchange to engine, median of {len(latencies)} streams: {middle}; worst p99 {tails.max():.1f} ms")
    p50, p99 = np.percentile(delays, [50, 99])
    print(f"  close of a bar to its decisions, of it 500 ms of waiting: p50 {p50:,.0f} ms, p99 {p99:,.0f} ms (n = {len(delays)} ticks)")
    print(f"  memory {memory[0]:,.0f} MB, {memory[-1]:,.0f} MB at the end, {max(memory):,.0f} MB at most; problems: {problems or 'none'}", flush=True)


def measure_day(share: float) -> None:
    """Print the time and the memory of the reading, building and recording of a day's messages."""
    with tempfile.TemporaryDirectory(prefix="podium-bench-day-") as folder:
        info = FeedInfo("live", "live: bench", SYMBOLS, MINUTE, LEVELS, True, False, 10.0, 2.0, (0.01,) * len(SYMBOLS))
        builder = LiveBarBuilder(len(SYMBOLS), MINUTE, LEVELS, 0)
        recorder = ParquetRecorder(Path(folder) / "recording", info, has_messages=True, flush_seconds=None, retention=(None, 200_000_000))
        for stream in ("trades", "book"):
            builder.add(StreamFault(-1, stream, "reconnected", MINUTE, ""))
        minutes = max(4, round(share * 1_440))
        memory, objects = _Growth(), len(gc.get_objects())
        cpu, count = process_time(), 0
        for minute in range(1, minutes + 1):
            for event in _messages(minute * MINUTE):
                recorder.add_event(event)
                builder.add(event)
                count += 1
            at = (minute + 1) * MINUTE
            recorder.add_bar(builder.close_bar(at, at + 1, 0))
            recorder.flush()
            memory.add(minute / minutes)
        cpu = process_time() - cpu
    print(f"{count:,} messages ({count / DAY_MESSAGES:.1%} of a day) through reading, building and recording: {cpu / count * 1e6:.0f} us a message")
    print(f"  at 500 messages/s: {500 * cpu / count:.1%} of a core; objects before the first {objects:,}")
    print(f"  most memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024 / 1e6:,.0f} MB", flush=True)


class _Growth:
    """The memory of this process; prints each tenth of the time as it ends, with the number of objects that the garbage collector knows."""

    def __init__(self) -> None:
        self._process, self._samples, self._tenth = psutil.Process(), list[float](), 0

    def add(self, share: float) -> None:
        """Take a sample after `share` of the time, 0 to 1."""
        self._samples.append(self._process.memory_info().rss / 1e6)
        if int(share * 10.0) > self._tenth:
            self._tenth = int(share * 10.0)
            middle, most = np.median(self._samples), max(self._samples)
            print(f"  tenth {self._tenth}: memory {middle:,.0f} MB, {most:,.0f} MB at most, {len(gc.get_objects()):,} objects", flush=True)
            self._samples = []


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
