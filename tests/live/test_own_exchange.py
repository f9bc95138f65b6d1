"""The line of the README's "Your own exchange" as it stands, on a fake Kraken: history, live ticks, a recording, and parity."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import numpy as np

from engine.store.read.history import TickHistory
from tests.exchanges import FakeKraken
from tests.soak.bars import judge_bars

ROOT = Path(__file__).parents[2]
LONGEST = 300.0  # s that the test waits for something
MINUTE = 60 * 10**9  # ns
BEFORE_CLOSE = 25.0  # s


def read_arguments() -> list[str]:
    """The arguments that the first command under the heading gives to `make run`."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Your own exchange\n")[2].partition("\n## ")[0]
    line = re.search(r'^make run ARGS="(.*)"$', section, re.MULTILINE)
    assert line is not None
    return shlex.split(line[1])


def find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def count_live_ticks(store: Path) -> int:
    if not store.exists():
        return 0
    with closing(sqlite3.connect(store)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM ticks WHERE warm = 0").fetchone()[0])
        except sqlite3.OperationalError:  # the tables are being made
            return 0


def test_the_line_of_the_readme_watches_a_kraken_and_its_recording_proves_every_tick(tmp_path: Path) -> None:
    store, log, port = tmp_path / "podium.db", tmp_path / "engine.out", find_port()
    offset = -time.time() % 60.0 - BEFORE_CLOSE  # the exchange's minute ends soon
    with FakeKraken(step_ms=100, trades_per_second=5.0, history_seconds=3_600, clock_offset=offset) as fake:
        settings = {
            "HOME": str(tmp_path), "EXCHANGE_OPTIONS": json.dumps(fake.ccxt_options()), "RECORD": str(tmp_path / "recording"), "PORT": str(port),
            "EVOLUTION": "off", "MODELS": "ridge", "WARMUP_BARS": "20",
        }  # fmt: skip
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")}
        environ = plain | {"PYTHONPATH": str(ROOT)} | {f"PODIUM_{name}": value for name, value in settings.items()}
        with log.open("w", encoding="utf-8") as out:
            command = [sys.executable, "-m", "engine", "serve", *read_arguments()]
            server = subprocess.Popen(command, env=environ, cwd=tmp_path, stdout=out, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + LONGEST
            while count_live_ticks(store) < 2:
                assert server.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
                time.sleep(0.5)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health") as answer:
                assert answer.status == 200
            server.send_signal(signal.SIGTERM)
            server.wait(LONGEST)
        finally:
            server.kill()
            server.wait()
        truth = {symbol: fake.candles(symbol, "1m") for symbol in ("BTC/USD", "ETH/USD")}
    history = TickHistory(f"sqlite:///{store}")
    session = history.latest_session()
    assert session is not None
    assert session.symbols == tuple(truth)
    first, last = history.tick_range(session.id) or (0, 0)
    snapshots = history.snapshots(session.id, first, last)
    history.close()
    live = snapshots[-count_live_ticks(store) :]
    assert len(snapshots) - len(live) >= 20, "the history is decided as warm-up"
    assert np.isfinite(live[-1].books.bid_price[:, 0]).all()
    assert np.isfinite(live[-1].flow[:, 0]).all(), "the second bar is built from all its trades"
    verdicts = {bar.verdict for bar in judge_bars(snapshots, truth, MINUTE, live[0].at)}
    assert verdicts <= {"at_once", "filled"}, verdicts
    parity = subprocess.run([sys.executable, "-m", "engine", "parity"], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (parity.returncode, parity.stderr) == (0, "")
    assert parity.stdout.startswith(f"identical, {len(snapshots)} ticks"), parity.stdout
