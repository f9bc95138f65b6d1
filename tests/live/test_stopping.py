"""A signal ends an engine whose exchange takes requests and never answers, and whose resolver of names never does."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.exchanges import FakeBinance
from tests.exchanges.names import HANG, HOST

ROOT = Path(__file__).parents[2]
SYMBOLS = ("BTC/USDT", "ETH/USDT")
LONGEST = 300.0  # s that a test waits for something: what hangs would never end


class HangingEngine:
    """`engine run` on an exchange that may hang; no request has a time limit of its own that would end within a test."""

    def __init__(self, home: Path, fake: FakeBinance) -> None:
        self._home, self._log, self._fake = home, home / "engine.out", fake
        self.switch = home / "resolver"  # of the names
        self.switch.touch()
        fake.host = HOST
        self._options = json.dumps({"timeout": 3_600_000} | fake.ccxt_options())

    def hang(self, cause: str) -> None:
        """Let requests, or the resolver of names, give no answer from now on."""
        if cause == "requests":
            self._fake.hang()
        else:
            beside = self.switch.with_suffix(".new")
            beside.write_text(HANG, encoding="utf-8")
            beside.replace(self.switch)  # at once: the engine reads it at any time

    def hangs_when_reset(self) -> bool:
        """Whether a live engine waits for an answer; its connections are reset, so that it has something to ask for."""
        self._fake.abort_tcp()
        return self.hangs()

    def hangs(self) -> bool:
        """Whether the engine waits for an answer."""
        return self._fake.hung > 0 or self.switch.with_suffix(".waits").exists()

    def start(self) -> None:
        """Start the engine."""
        settings = {
            "HOME": str(self._home / "home"), "FEED": "live", "EXCHANGE": "binance", "EXCHANGE_OPTIONS": self._options, "SYMBOLS": ",".join(SYMBOLS),
            "INTERVAL": "1s", "EVOLUTION": "off", "MODELS": "ridge", "WARMUP_BARS": "20", "SETTLE_MS": "250",
        }  # fmt: skip
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")}
        env = plain | {"PYTHONPATH": str(ROOT)} | {f"PODIUM_{name}": value for name, value in settings.items()}
        command = [sys.executable, "-m", "tests.exchanges.names", str(self.switch), "run"]
        with self._log.open("w", encoding="utf-8") as out:
            self.process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT)

    def wait_for(self, is_done: Callable[[], bool]) -> None:
        """Wait until something is so, while the engine runs."""
        deadline = time.monotonic() + LONGEST
        while not is_done():
            assert self.process.poll() is None, self.read_log()
            assert time.monotonic() < deadline, self.read_log()
            time.sleep(0.2)

    def is_live(self) -> bool:
        """Whether a live tick is stored."""
        store = self._home / "home" / "podium.db"
        if not store.exists():
            return False
        with closing(sqlite3.connect(store)) as connection:
            try:
                return bool(connection.execute("SELECT count(*) FROM ticks WHERE warm = 0").fetchone()[0])
            except sqlite3.OperationalError:  # the tables are being made
                return False

    def read_log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def stop(self) -> tuple[int, str]:
        """Send SIGTERM; return the exit status and the last line."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LONGEST), self.read_log().splitlines()[-1]


@pytest.fixture
def fake() -> Iterator[FakeBinance]:
    with FakeBinance(SYMBOLS, step_ms=100, trades_per_second=5.0, history_seconds=60) as exchange:
        yield exchange


@pytest.fixture
def engine(tmp_path: Path, fake: FakeBinance) -> Iterator[HangingEngine]:
    subject = HangingEngine(tmp_path, fake)
    try:
        yield subject
    finally:
        subject.process.kill()
        subject.process.wait()


@pytest.mark.parametrize("cause", ["requests", "names"])
def test_a_signal_ends_an_engine_whose_start_hangs(engine: HangingEngine, cause: str) -> None:
    engine.hang(cause)
    engine.start()
    engine.wait_for(engine.hangs)
    assert engine.stop() == (130, "podium: stopped")


def test_a_signal_ends_an_engine_that_tries_its_start_again_and_hangs(engine: HangingEngine) -> None:
    engine.switch.unlink()
    engine.start()
    engine.wait_for(lambda: "it is tried again until it answers" in engine.read_log())
    engine.hang("names")
    engine.wait_for(engine.hangs)
    status, line = engine.stop()
    assert line.startswith(f"podium: stopped after 0 ticks: the markets of binance: the name '{HOST}' cannot be resolved"), line
    assert status == 1


@pytest.mark.parametrize("cause", ["requests", "names"])
def test_a_signal_ends_a_live_engine_whose_exchange_hangs(engine: HangingEngine, cause: str) -> None:
    engine.start()
    engine.wait_for(engine.is_live)
    engine.hang(cause)
    engine.wait_for(engine.hangs_when_reset)
    status, line = engine.stop()
    assert (status, line.startswith("podium: stopped after ")) == (0, True), line
