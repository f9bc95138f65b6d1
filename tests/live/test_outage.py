"""The network is away, the engine is killed and started again: no tick is left out or twice, no bar lost, nothing decided on the past."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from engine.parity import check_parity
from engine.store.read.history import TickHistory
from tests.exchanges import FakeBinance
from tests.soak.bars import judge_bars

ROOT = Path(__file__).parents[2]
SYMBOLS = ("BTC/USDT", "ETH/USDT")
SECOND = 10**9  # ns, the interval
AWAY = 600.0  # s
LONGEST = 300.0  # s that the test waits for something


class KilledEngine:
    """`engine run` on a fake exchange, which can be killed and started again."""

    def __init__(self, home: Path, fake: FakeBinance) -> None:
        self.store, self._log = home / "podium.db", home / "engine.out"
        settings = {
            "HOME": str(home), "FEED": "live", "EXCHANGE": "binance", "EXCHANGE_OPTIONS": json.dumps(fake.ccxt_options()),
            "SYMBOLS": ",".join(SYMBOLS), "INTERVAL": "1s", "RECORD": str(home / "recording"), "EVOLUTION": "off", "MODELS": "ridge",
            "WARMUP_BARS": "20", "SETTLE_MS": "250",
        }  # fmt: skip
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")}
        self._env = plain | {"PYTHONPATH": str(ROOT)} | {f"PODIUM_{name}": value for name, value in settings.items()}
        self.start()

    def start(self) -> None:
        with self._log.open("a", encoding="utf-8") as out:
            self.process = subprocess.Popen([sys.executable, "-m", "engine", "run"], env=self._env, stdout=out, stderr=subprocess.STDOUT)

    def read_lines(self) -> list[str]:
        return self._log.read_text(encoding="utf-8").splitlines()

    def read(self, sql: str) -> int:
        """The number that a query gives; 0 before the tables are there."""
        if not self.store.exists():
            return 0
        with closing(sqlite3.connect(self.store)) as connection:
            try:
                return int(connection.execute(sql).fetchone()[0] or 0)
            except sqlite3.OperationalError:
                return 0

    def wait_for(self, is_done: Callable[[], bool]) -> None:
        """Wait until something is so, while the engine runs."""
        deadline = time.monotonic() + LONGEST
        while not is_done():
            assert self.process.poll() is None, self.read_lines()
            assert time.monotonic() < deadline, self.read_lines()
            time.sleep(0.5)


@pytest.mark.skipif(os.name != "posix", reason="needs a signal that cannot be caught")
def test_an_engine_that_is_killed_in_an_outage_goes_on_where_it_stood(tmp_path: Path) -> None:
    live, missing = "SELECT count(*) FROM ticks WHERE warm = 0", "SELECT count(*) FROM ticks WHERE warm = 0 AND no_data = 1"
    with FakeBinance(SYMBOLS, step_ms=200, trades_per_second=5.0, history_seconds=60, clock_offset=-AWAY) as fake:
        engine = KilledEngine(tmp_path, fake)
        try:
            engine.wait_for(lambda: engine.read(live) >= 4)
            fake.refuse_connections()
            before = engine.read(missing)
            engine.wait_for(lambda: engine.read(missing) >= before + 3)
            engine.process.kill()
            engine.process.wait()
            decided = engine.read("SELECT max(at) FROM ticks")
            fake.pass_time(AWAY)
            engine.start()
            engine.wait_for(lambda: any("it is tried again until it answers" in line for line in engine.read_lines()))
            fake.rate_limit(3)
            back = fake.now()
            fake.refuse_connections(on=False)
            engine.wait_for(lambda: engine.read("SELECT sum(filled_bars) FROM stream_status") >= 3 * len(SYMBOLS))
            filled = engine.read("SELECT max(at) FROM ticks")
            engine.wait_for(lambda: engine.read("SELECT max(at) FROM ticks WHERE warm = 0") > max(filled, back) + 14 * SECOND)
            engine.process.terminate()
            assert engine.process.wait(LONGEST) == 0
        finally:
            engine.process.kill()
            engine.process.wait()
        truth = {symbol: fake.candles(symbol, "1s") for symbol in SYMBOLS}
    history = TickHistory(f"sqlite:///{engine.store}")
    session = history.latest_session()
    assert session is not None
    held = history.tick_range(session.id)
    assert held is not None
    snapshots = history.snapshots(session.id, *held)
    parity = check_parity(history)
    history.close()
    assert len(snapshots) == held[1] - held[0] + 1 == engine.read("SELECT count(*) FROM ticks")
    assert set(np.diff([snapshot.at for snapshot in snapshots])) == {SECOND}, "no tick is left out, and none is there twice"
    missed = [snapshot for snapshot in snapshots if decided < snapshot.at <= back - SECOND]
    assert sum(bool(snapshot.volume.all()) for snapshot in missed) > AWAY - 10.0, "the exchange has trades in them"
    assert not any(snapshot.fresh.any() for snapshot in missed)
    verdicts = Counter(bar.verdict for bar in judge_bars(snapshots, truth, SECOND, snapshots[0].at))
    assert verdicts.keys() <= {"at_once", "filled"}, verdicts
    assert verdicts["filled"] >= 3 * len(SYMBOLS), "those of the outage that were decided on before the kill"
    assert parity.identical, parity.difference
    assert {span.cause for span in parity.unrecorded} <= {"before", "restart"}, "the last seconds before a kill are not recorded"
