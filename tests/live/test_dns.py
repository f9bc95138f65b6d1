"""Names that cannot be resolved, at the start and while a market is watched: one clear line, and the feed recovers by itself."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from engine.domain.live import StreamStatus
from engine.service.live_feed import describe_problems
from tests.exchanges import FakeBinance
from tests.exchanges.names import HOST, REASON, FakeResolver
from tests.live.test_live_feed import SYMBOLS, Session

ROOT = Path(__file__).parents[2]
LONGEST = 120.0  # s that the test waits for something
LINE = f"the name '{HOST}' cannot be resolved by DNS ({REASON})"
REMEDY = "check the network and the exchange's status"


def test_an_exchange_whose_name_is_unknown_at_the_start_is_waited_for(tmp_path: Path) -> None:
    with FakeBinance(history_seconds=40 * 60) as binance:
        binance.host, switch = HOST, tmp_path / "resolver"
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PODIUM_")}
        settings = {"HOME": str(tmp_path / "home"), "EXCHANGE_OPTIONS": json.dumps(binance.ccxt_options()), "WARMUP_BARS": "20", "MODELS": "ridge"}
        environ = plain | {f"PODIUM_{name}": value for name, value in settings.items()} | {"PYTHONPATH": str(ROOT)}
        flags = ["--feed", "live", "--exchange", "binance", "--symbols", "BTC/USDT,ETH/USDT", "--interval", "1m", "--ticks", "20"]
        command = [sys.executable, "-m", "tests.exchanges.names", str(switch), "run", *flags]
        engine = subprocess.Popen(command, env=environ, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        try:
            assert engine.stderr is not None
            first = engine.stderr.readline()
            switch.touch()
            _, rest = engine.communicate(timeout=120)
        finally:
            engine.kill()
            engine.wait()
    assert first == f"podium: the markets of binance: {LINE}: {REMEDY}; it is tried again until it answers\n"
    assert rest.splitlines()[-1] == "podium: stopped after 20 ticks"
    assert engine.returncode == 0


def is_well(session: Session) -> bool:
    """Whether every stream is up and the last bar is whole; a busy machine may have closed it too late to be fresh."""
    return all(stream.state == "ok" for stream in session.feed.read_streams()) and bool(np.isfinite(session.live[-1].close).all())


def play_until(session: Session, is_done: Callable[[], bool]) -> None:
    """Take live bars until something is so."""
    deadline = monotonic() + LONGEST
    session.play()
    while not is_done():
        assert monotonic() < deadline, session.feed.read_streams()
        session.play()


def test_names_that_fail_while_a_market_is_watched_are_reported_and_their_bars_are_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    known = [True]
    monkeypatch.setattr(socket, "getaddrinfo", FakeResolver(lambda: known[0]))
    with FakeBinance(SYMBOLS, step_ms=100, trades_per_second=10.0, history_seconds=60) as fake:
        fake.host = HOST
        session = Session(fake)

        seen: list[StreamStatus] = []

        def is_reported() -> bool:
            fake.abort_tcp()  # again and again: an address is remembered for some seconds
            seen[:] = session.feed.read_streams()  # all of one moment
            problems = {(status.symbol, status.stream): status.problem for status in seen}
            lines = [problems[symbol, kind] for symbol in SYMBOLS for kind in ("trades", "book")]
            candles = f"the candles of BTC/USDT on binance: {LINE}: {REMEDY}"
            is_missing = bool(np.isnan(session.live[-1].close).all())
            return lines == [LINE] * len(lines) and problems["BTC/USDT", "candles"] == candles and is_missing

        try:
            play_until(session, lambda: is_well(session))
            known[0] = False
            play_until(session, is_reported)
            line = describe_problems(seen)
            assert line is not None
            assert "\n" not in line
            assert not any(snapshot.fresh.any() for snapshot in session.play(2))
            known[0] = True
            play_until(session, lambda: is_well(session))
            session.play(4)
            session.require_truth()
            play_until(session, lambda: describe_problems(session.feed.read_streams()) is None)
        finally:
            session.feed.close()
