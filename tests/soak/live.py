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
from itertools import pairwise
from pathlib import Path
from threading import Event

import psutil

from engine.parity import check_parity
from engine.service.clock import WallClock
from engine.store.errors import StoreError
from engine.store.read.history import TickHistory
from tests.exchanges import FakeBinance
from tests.exchanges.market import CandleTruth
from tests.soak import findings
from tests.soak.bars import BarCounts, JudgedBar, count_bars, judge_bars

ROOT = Path(__file__).parent.parent.parent
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
INTERVAL, SECOND = "1s", 1_000_000_000  # ns
FAULT_SECONDS, QUIET_SECONDS = 10.0, 20.0
UP_SECONDS, STOP_SECONDS = 1_200.0, 60.0
RECOVERED_SECONDS = 5  # at the end of a turn, in which every symbol must be fresh again
LONGEST_GAP_SECONDS = 10.0  # between two ticks
CLEAN = 0.999  # of the ticks, in which no phase falls back
DIFFERING = frozenset({"candle revised", "trade late"})  # the exchange corrects a bar that was decided on


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


@dataclass(frozen=True, slots=True)
class Turn:
    """The time of a fault and of the quiet after it."""

    name: str
    begin: int  # ns UTC
    end: int


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What the engine decided in a turn, or in all turns of a fault."""

    name: str
    ticks: int
    clean: int  # in which no phase fell back and a symbol had data
    phases: tuple[str, ...]  # that fell back
    fell_back: int  # ticks
    no_data: int  # ticks for which no symbol had a bar in time, and no phase fell back
    decisions: int
    stale: int  # decisions on a symbol without a fresh bar
    lost: int  # closes of bars without a tick
    gap: float  # s, the longest between two ticks
    recovered: bool  # every symbol fresh at the end


def read_turns(store: Path, turns: Sequence[Turn], interval: int) -> list[TurnResult]:
    """Return the results of each turn, from ticks that are not warm-up; `interval` in ns."""
    with closing(sqlite3.connect(store)) as connection:
        return [_read_turn(connection, turn, interval) for turn in turns]


def _read_turn(connection: sqlite3.Connection, turn: Turn, interval: int) -> TurnResult:
    span = (turn.begin, turn.end)
    rows = connection.execute(
        "SELECT wall, at, degraded, no_data FROM ticks WHERE warm = 0 AND wall >= ? AND wall < ? ORDER BY wall", span
    ).fetchall()
    decisions = connection.execute(
        "SELECT t.wall, d.fresh FROM decisions d JOIN ticks t ON t.tick = d.tick WHERE t.warm = 0 AND t.wall >= ? AND t.wall < ?", span
    ).fetchall()
    last = [fresh for wall, fresh in decisions if wall >= turn.end - RECOVERED_SECONDS * SECOND]
    closes = {row[1] for row in rows}
    expected = (max(closes) - min(closes)) // interval + 1 if closes else 0
    walls = [turn.begin, *(row[0] for row in rows), turn.end]
    gap = max(later - earlier for earlier, later in pairwise(walls)) / SECOND
    phases = {str(phase) for row in rows for phase in json.loads(row[2])}
    fell_back, no_data = sum(row[2] != "[]" for row in rows), sum(row[2] == "[]" and bool(row[3]) for row in rows)
    clean, stale = len(rows) - fell_back - no_data, sum(not fresh for _, fresh in decisions)
    return TurnResult(
        turn.name, len(rows), clean, tuple(sorted(phases)), fell_back, no_data, len(decisions), stale, expected - len(closes), gap,
        bool(last) and all(last),
    )  # fmt: skip


def join_results(results: Sequence[TurnResult]) -> list[TurnResult]:
    """Return one result per fault."""
    return [_join(name, [result for result in results if result.name == name]) for name in dict.fromkeys(result.name for result in results)]


def _join(name: str, results: Sequence[TurnResult]) -> TurnResult:
    phases = tuple(sorted({phase for result in results for phase in result.phases}))
    ticks, clean, fell_back, no_data, decisions, stale, lost = (
        sum(getattr(result, field) for result in results) for field in ("ticks", "clean", "fell_back", "no_data", "decisions", "stale", "lost")
    )
    gap, recovered = max(result.gap for result in results), all(result.recovered for result in results)
    return TurnResult(name, ticks, clean, phases, fell_back, no_data, decisions, stale, lost, gap, recovered)


def find_failures(results: Sequence[TurnResult]) -> list[str]:
    """Return what is not as it should be, a line each."""
    ticks, fell_back = sum(result.ticks for result in results), sum(result.fell_back for result in results)
    wrong = []
    if not ticks or 1.0 - fell_back / ticks < CLEAN:
        wrong.append(f"ticks without a fallback are below {CLEAN:.1%}: {ticks - fell_back} of {ticks}")
    wrong += [f"{result.name}: {result.gap:.0f} s without a tick" for result in results if result.gap > LONGEST_GAP_SECONDS]
    wrong += [f"{result.name}: a symbol without fresh data {QUIET_SECONDS:.0f} s after its end" for result in results if not result.recovered]
    return wrong


def find_wrong_bars(counts: Mapping[str, BarCounts]) -> list[str]:
    """Return the faults that lost or invented a bar, a line each."""
    wrong = [f"{name}: {bars.lost} bars lost" for name, bars in counts.items() if bars.lost]
    wrong += [f"{name}: {bars.invented} bars invented" for name, bars in counts.items() if bars.invented]
    return wrong + [f"{name}: {bars.differing} bars differ" for name, bars in counts.items() if bars.differing and name not in DIFFERING]


def summarize(results: Sequence[TurnResult]) -> list[str]:
    """Return a table, a line per fault."""
    lines = [f"{'fault':<20}{'ticks':>7}{'clean':>9}{'fell back':>11}{'no data':>9}{'stale':>8}{'no tick':>9}{'longest gap':>13}"]
    for result in results:
        share = f"{result.clean / result.ticks:.2%}" if result.ticks else "-"
        stale = f"{result.stale / result.decisions:.1%}" if result.decisions else "-"
        phases = f"  fell back: {', '.join(result.phases)}" if result.phases else ""
        counts = f"{result.fell_back:>11}{result.no_data:>9}{stale:>8}{result.lost:>9}"
        lines.append(f"{result.name:<20}{result.ticks:>7,}{share:>9}{counts}{result.gap:>11.1f} s{phases}")
    return lines


def summarize_bars(counts: Mapping[str, BarCounts]) -> list[str]:
    """Return a table of bars, a line per fault."""
    names = ("exchange", "at_once", "filled", "quotes", "lost", "invented", "differing")
    lines = [f"{'bars':<20}" + "".join(f"{name.replace('_', ' '):>11}" for name in names)]
    return lines + [f"{fault:<20}" + "".join(f"{getattr(bars, name):>11,}" for name in names) for fault, bars in counts.items()]


class LiveSoak:
    """One run of the engine on the fake exchange."""

    def __init__(self, fake: FakeBinance, folder: Path, seconds: float) -> None:
        self.seconds, self.store, self._fake = seconds, folder / "home" / "podium.db", fake
        settings = {
            "HOME": str(folder / "home"),
            "FEED": "live",
            "EXCHANGE": "binance",
            "EXCHANGE_OPTIONS": json.dumps(fake.ccxt_options()),
            "SYMBOLS": ",".join(SYMBOLS),
            "INTERVAL": INTERVAL,
            "RECORD": str(folder / "recording"),
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
            self._sample_for(QUIET_SECONDS, begun)
            self.turns.append(Turn(fault.name, at, self._clock.now()))
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
    truth: dict[str, list[CandleTruth]] = {}
    with FakeBinance(SYMBOLS, trades_per_second=5.0, history_seconds=3_600) as fake:
        soak = LiveSoak(fake, folder, minutes * 60.0)
        try:
            soak.wait_until_live()
            soak.run()
        except (RuntimeError, psutil.Error) as error:
            wrong.append(str(error))
        finally:
            code = soak.stop()
        truth = {symbol: fake.candles(symbol, INTERVAL) for symbol in SYMBOLS}
    wrong += _report(soak, minutes, code) + _report_bars(soak, truth) if soak.turns and soak.store.exists() else ["there is nothing to judge"]
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
    print("\n".join(summarize([*join_results(results), _join("all", results)])), flush=True)
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


def _report_bars(soak: LiveSoak, truth: Mapping[str, Sequence[CandleTruth]]) -> list[str]:
    """Print the bars against the exchange's, and the parity; return what is wrong."""
    history = TickHistory(f"sqlite:///{soak.store}")
    try:
        session = history.latest_session()
        ticks = None if session is None else history.tick_range(session.id)
        if session is None or ticks is None:
            return ["there is no tick"]
        snapshots = history.snapshots(session.id, *ticks)
        judged = judge_bars(snapshots, truth, SECOND, soak.turns[0].begin)
        counts = count_bars_by_fault(judged, soak.turns)
        print("\n".join(summarize_bars(counts)))
        for bar in [bar for bar in judged if bar.verdict in {"lost", "invented", "differing"}][:20]:
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
