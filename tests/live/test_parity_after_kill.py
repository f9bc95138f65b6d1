"""A recording engine on a live market is killed; parity says which ticks it could not write, and that the rest is identical."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from engine.cli.parity import format_parity
from engine.live.recorder import open_recorder
from engine.parity import check_parity
from engine.service.clock import WallClock
from engine.service.feeds import open_configured_feed
from engine.service.resume import resume_engine
from engine.service.session_controls import recording_key
from engine.settings import Settings
from engine.store import database
from engine.store.read.history import TickHistory
from engine.store.write.writer import Writer
from tests.exchanges import FakeBinance
from tests.makers import Inline

SYMBOLS = ("BTC/USDT", "ETH/USDT")
BARS = 3  # live bars of each run


def decide(home: str, options: str, bars: int, decided: Event | None = None) -> None:
    """Decide and record so many live bars; then set `decided`, where it is given, and wait to be killed, with nothing of this run written."""
    url = f"sqlite:///{home}/podium.db"
    settings = Settings(
        home=home, database_url=url, feed="live", exchange="binance", exchange_options=options, symbols=SYMBOLS, interval=10**9, settle_ms=250.0,
        latency_ms=50.0, record=f"{home}/r", models=("ridge",), warmup_bars=20,
    )  # fmt: skip
    database.prepare(url)
    writer, history, feed = Writer(url), TickHistory(url), open_configured_feed(settings)
    recorder = open_recorder(settings, feed.info)
    assert recorder is not None
    feed.set_recorder(recorder)  # type: ignore[attr-defined]
    engine, session = resume_engine(settings, feed, WallClock(), writer, history, training_pool=Inline())
    writer.remember(recording_key(session), str(recorder.folder.resolve()))
    while bars:
        tick = engine.step()
        assert tick is not None
        bars -= tick.inputs.at > (feed.history_end or 2**62)  # type: ignore[attr-defined]
    if decided is not None:
        decided.set()
        time.sleep(600.0)
    feed.close()  # type: ignore[attr-defined]
    recorder.close()
    history.close()
    writer.close()


def count_ticks(home: Path) -> int:
    history = TickHistory(f"sqlite:///{home / 'podium.db'}")
    held = history.tick_range()
    history.close()
    return 0 if held is None else held[1] + 1


@pytest.mark.skipif(os.name != "posix", reason="needs a signal that cannot be caught")
def test_parity_after_a_kill_reports_what_was_not_written(tmp_path: Path) -> None:
    with FakeBinance(SYMBOLS, step_ms=100, trades_per_second=10.0, history_seconds=60) as fake:
        options = json.dumps(fake.ccxt_options())
        decide(str(tmp_path), options, BARS)
        first = count_ticks(tmp_path)
        context = multiprocessing.get_context("spawn")
        decided = context.Event()
        killed = context.Process(target=decide, args=(str(tmp_path), options, BARS, decided))
        killed.start()
        assert decided.wait(300.0)
        killed.kill()
        killed.join()
        second = count_ticks(tmp_path)
        decide(str(tmp_path), options, BARS)
    history = TickHistory(f"sqlite:///{tmp_path / 'podium.db'}")
    result = check_parity(history)
    history.close()
    assert (result.identical, result.difference, result.restarts) == (True, None, 1)
    assert [span.cause for span in result.unrecorded] == ["restart"] * len(result.unrecorded)
    lost = sum(span.ticks for span in result.unrecorded)
    assert lost >= BARS
    assert result.ticks + lost == count_ticks(tmp_path)
    assert all(first <= span.first_tick <= span.last_tick < second for span in result.unrecorded), (first, second, result.unrecorded)
    assert f"{result.unrecorded[0].ticks} ticks not recorded (restart), from tick {result.unrecorded[0].first_tick} to" in format_parity(result)
