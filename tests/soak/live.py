"""make soak-live: the engine on a fake Binance whose faults take turns; ends with 1 and names what failed."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import psutil

from engine.live.session_recording import SessionRecording
from engine.parity import check_parity
from engine.service.clock import WallClock
from engine.store.errors import StoreError
from engine.store.read.history import TickHistory
from tests.exchanges import FakeBinance
from tests.exchanges.market import CandleTruth, TradeTruth
from tests.soak import findings
from tests.soak.bars import BarCounts, JudgedBar, count_bars, judge_bars
from tests.soak.late import count_late, explain_bars, read_arrivals
from tests.soak.turns import FAULT_SECONDS, QUIET_SECONDS, SECOND, Turn, find_failures, join_results, join_turns, read_turns, summarize

ROOT = Path(__file__).parent.parent.parent
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
INTERVAL = "1s"
SETTLE_MS, MS = 500, 1_000_000  # the default of the settings; ns
UP_SECONDS, STOP_SECONDS = 1_200.0, 60.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault by name, as its turn begins it; `resume` ends it."""

    name: str
    begin: Callable[[FakeBinance], object]


def _revise_newest(fake: FakeBinance) -> None:
    fake.revise_candle(SYMBOLS[0], fake.candles(SYMBOLS[0], INTERVAL)[-3].opened)


def _limit_requests(fake: FakeBinance) -> None:
    fake.rate_limit(20)
    fake.drop_sockets()


FAULTS = (
    Fault("sockets closed", FakeBinance.drop_sockets),
    Fault("connections reset", FakeBinance.abort_tcp),
    Fault("a symbol silent", lambda fake: fake.silence(SYMBOLS[0])),
    Fault("all symbols silent", FakeBinance.silence),
    Fault("sockets half-open", FakeBinance.half_open),
    Fault("book update lost", lambda fake: fake.skip_sequence(SYMBOLS[0])),
    Fault("ghost level", lambda fake: fake.ghost_level(SYMBOLS[0])),
    Fault("requests limited", _limit_requests),
    Fault("maintenance", FakeBinance.maintenance),
    Fault("network away", FakeBinance.refuse_connections),
    Fault("clock 300 ms ahead", lambda fake: fake.set_clock_offset(0.3)),
    Fault("candles late", lambda fake: fake.late_candles(5.0)),
    Fault("candle revised", _revise_newest),
    Fault("trades twice", lambda fake: fake.duplicate_trades(50)),
    Fault("trade late", lambda fake: fake.late_trade(SYMBOLS[0], 2.0)),
    Fault("book crossed", lambda fake: fake.cross_book(SYMBOLS[0])),
    Fault("book empty", lambda fake: fake.empty_book(SYMBOLS[0])),
    Fault("symbol halted", lambda fake: fake.halt(SYMBOLS[0])),
    Fault("symbol delisted", lambda fake: fake.delist(SYMBOLS[2])),
)


def find_wrong_bars(counts: Mapping[str, BarCounts]) -> list[str]:
    """Return the faults that lost or invented a bar, or changed one in silence, a line each."""
    words = {"lost": "bars lost", "invented": "bars invented", "differing": "bars differ and were not reported, or not by what was reported"}
    return [f"{name}: {count} {text}" for field, text in words.items() for name, bars in counts.items() if (count := getattr(bars, field))]


def summarize_bars(counts: Mapping[str, BarCounts]) -> list[str]:
    """Return a table of bars, a line per fault."""
    names = ("exchange", "at_once", "filled", "quotes", "reported", "lost", "invented", "differing")
    lines = [f"{'bars':<20}" + "".join(f"{name.replace('_', ' '):>11}" for name in names)]
    return lines + [f"{fault:<20}" + "".join(f"{getattr(bars, name):>11,}" for name in names) for fault, bars in counts.items()]


class LiveSoak:
    """One run of the engine on the fake exchange."""

    def __init__(self, fake: FakeBinance, folder: Path, seconds: float) -> None:
        self.seconds, self.store, self._fake = seconds, folder / "home" / "podium.db", fake
        self.recording = folder / "recording"
        settings = {
            "HOME": str(folder / "home"),
            "FEED": "live",
            "EXCHANGE": "binance",
            "EXCHANGE_OPTIONS": json.dumps(fake.ccxt_options()),
            "SYMBOLS": ",".join(SYMBOLS),
            "INTERVAL": INTERVAL,
            "SETTLE_MS": str(SETTLE_MS),
            "RECORD": str(self.recording),
            "EVOLUTION": "off",  # searches take longer than their bars do at this interval, and a tick would wait for them
        }
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")}
        env = plain | {"PYTHONPATH": str(ROOT)} | {f"PODIUM_{name}": value for name, value in settings.items()}
        self.log = folder / "engine.out"
        with self.log.open("w", encoding="utf-8") as out:
            self.process = psutil.Popen([sys.executable, "-m", "engine", "run"], cwd=folder, env=env, stdout=out, stderr=subprocess.STDOUT)
        self.turns: list[Turn] = []
        self.at: list[float] = []
        self.series: dict[str, list[float]] = {name: [] for name in ("memory, this process", "threads", "open files")}
        self.sockets: list[int] = []
        self._clock, self._pause = WallClock(), Event()

    def wait_until_live(self) -> None:
        """Wait until ticks are live; raises RuntimeError where they never are."""
        begun = self._clock.tick()
        while not self._count_live_ticks():
            if self.process.poll() is not None or self._clock.tick() - begun > UP_SECONDS:
                raise RuntimeError(f"the engine is not live: {self.log.read_text(encoding='utf-8')[-600:]}")
            self._pause.wait(0.5)

    def run(self) -> None:
        """Let every fault take its turn, 30 s each, until the time is over."""
        begun, place = self._clock.tick(), 0
        self._sample_for(QUIET_SECONDS / 2, begun)
        while self._clock.tick() - begun < self.seconds:
            fault, at = FAULTS[place % len(FAULTS)], self._clock.now()
            fault.begin(self._fake)
            self._sample_for(FAULT_SECONDS, begun)
            self._fake.resume()
            self._fake.set_clock_offset(0.0)
            resumed = self._clock.now()
            self._sample_for(QUIET_SECONDS, begun)
            self.turns.append(Turn(fault.name, at, self._clock.now(), resumed))
            place += 1

    def stop(self) -> int:
        """End the engine; return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return int(self.process.wait(STOP_SECONDS))
        except psutil.TimeoutExpired:
            self.process.kill()
            return -9

    def _count_live_ticks(self) -> int:
        if not self.store.exists():
            return 0
        with closing(sqlite3.connect(self.store)) as connection:
            try:
                return int(connection.execute("SELECT count(*) FROM ticks WHERE warm = 0").fetchone()[0])
            except sqlite3.OperationalError:  # the tables are being made
                return 0

    def _sample_for(self, seconds: float, begun: float) -> None:
        until = self._clock.tick() + seconds
        while (left := until - self._clock.tick()) > 0:
            if self.process.poll() is not None:
                raise RuntimeError(f"the engine ended by itself: {self.log.read_text(encoding='utf-8')[-600:]}")
            with self.process.oneshot():
                values = (self.process.memory_info().rss, self.process.num_threads(), self.process.num_fds())
            self.at.append(self._clock.tick() - begun)
            for series, value in zip(self.series.values(), values, strict=True):
                series.append(float(value))
            self.sockets.append(self._fake.sockets)
            self._pause.wait(min(1.0, left))


def main() -> int:
    """Run the soak for PODIUM_SOAK_MINUTES and print what it shows; return the exit status."""
    minutes = float(os.environ.get("PODIUM_SOAK_MINUTES", "30"))
    folder = Path(tempfile.mkdtemp(prefix="podium-soak-live-"))
    print(f"{minutes:g} minutes on a fake exchange, in {folder}", flush=True)
    wrong: list[str] = []
    ledger = Ledger({}, {}, {})
    with FakeBinance(SYMBOLS, trades_per_second=5.0, history_seconds=3_600) as fake:
        soak = LiveSoak(fake, folder, minutes * 60.0)
        try:
            soak.wait_until_live()
            soak.run()
        except (RuntimeError, psutil.Error) as error:
            wrong.append(str(error))
        finally:
            code = soak.stop()
        ledger = read_ledger(fake)
    wrong += _report(soak, minutes, code) + _report_bars(soak, ledger) if soak.turns and soak.store.exists() else ["there is nothing to judge"]
    if wrong:
        print("FAILED: " + "; ".join(wrong) + f" (everything is left in {folder})")
        return 1
    print("passed")
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _report(soak: LiveSoak, minutes: float, code: int) -> list[str]:
    """Print what was decided and what the process used; return what is wrong."""
    print(f"the engine ended with {code}; {platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[2]:.1f}")
    results = read_turns(soak.store, soak.turns, SECOND)
    print("\n".join(summarize([*join_results(results), join_turns("all", results)])), flush=True)
    wrong = find_failures(results)
    for name, series in (soak.series | {"sockets": [float(count) for count in soak.sockets]}).items():
        scale, unit = findings.UNITS.get(name, (1.0, ""))
        first, last, most = (f"{value / scale:,.0f} {unit}".strip() for value in (series[0], series[-1], max(series)))
        print(f"{name}: {first} at first, {last} at the end, {most} at most")
    if soak.sockets[-1] > soak.sockets[0]:
        wrong.append("sockets grow")
    if code not in {0, -signal.SIGTERM, 128 + signal.SIGTERM}:
        wrong.append(f"the engine ended with {code}")
    if minutes >= findings.FULL_MINUTES:
        grown = findings.slopes(soak.at, soak.series)
        wrong += [f"{name} grows" for name, line in grown.items() if line is not None and line.grows]
    return wrong


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the exchange knows, by symbol."""

    candles: Mapping[str, Sequence[CandleTruth]]
    trades: Mapping[str, Sequence[TradeTruth]]
    sent: Mapping[tuple[str, str], int]  # symbol and id of a trade: when it was first sent, ns UTC


def read_ledger(fake: FakeBinance) -> Ledger:
    """Read the fake exchange's candles, trades and the times at which it sent them."""
    candles = {symbol: fake.candles(symbol, INTERVAL) for symbol in SYMBOLS}
    return Ledger(candles, {symbol: fake.trades(symbol) for symbol in SYMBOLS}, fake.sent_times())


def _report_bars(soak: LiveSoak, ledger: Ledger) -> list[str]:
    """Print the bars against the exchange's, and the parity; return what is wrong."""
    history = TickHistory(f"sqlite:///{soak.store}")
    try:
        session = history.latest_session()
        ticks = None if session is None else history.tick_range(session.id)
        if session is None or ticks is None:
            return ["there is no tick"]
        snapshots = history.snapshots(session.id, *ticks)
        judged = judge_bars(snapshots, ledger.candles, SECOND, soak.turns[0].begin)
        arrivals = read_arrivals(SessionRecording(soak.recording))
        judged = explain_bars(judged, arrivals, ledger.trades, SECOND)
        counts = count_bars_by_fault(judged, soak.turns)
        print("\n".join(summarize_bars(counts)))
        late, sent_late = count_late(arrivals, SYMBOLS, ledger.sent, SETTLE_MS * MS)
        print(
            f"trades received after the decision on their bar: {late}; the exchange sent {sent_late} of them more than {SETTLE_MS} ms after its close"
        )
        for bar in [bar for bar in judged if bar.verdict in {"reported", "lost", "invented", "differing"}][:20]:
            print(f"  {bar.verdict}: {bar.symbol} closing at {bar.at // SECOND}: {bar.own} here, {bar.true} there")
        sys.stdout.flush()  # a parity of half an hour takes minutes
        parity = check_parity(history)
    except (StoreError, ValueError) as error:
        return [f"the session cannot be compared: {error}"]
    finally:
        history.close()
    print(f"parity: {parity}")
    return find_wrong_bars(counts) + ([] if parity.identical else [f"parity differs at tick {parity.first_tick}: {parity.difference}"])


def count_bars_by_fault(judged: Sequence[JudgedBar], turns: Sequence[Turn]) -> dict[str, BarCounts]:
    """Count the bars in the turns of each fault, and in all."""
    counts: dict[str, BarCounts] = {}
    for turn in turns:
        counts[turn.name] = counts.get(turn.name, BarCounts()) + count_bars(judged, turn.begin, turn.end)
    return counts | {"all": sum(counts.values(), BarCounts())}


if __name__ == "__main__":
    sys.exit(main())
