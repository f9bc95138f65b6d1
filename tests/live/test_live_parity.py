"""A live feed on a fake exchange is recorded, and its bars are built again from the recording bit for bit, through faults."""

from __future__ import annotations

from pathlib import Path
from time import sleep, time_ns

import numpy as np
import pytest

from engine.domain.live import Candle
from engine.feeds._recorded_session import read_bars_decided_on
from engine.feeds.live import build_history
from engine.live.recorder import ParquetRecorder
from engine.live.session_recording import SessionRecording
from engine.parity import RebuiltBars, make_live_builder
from engine.settings import count_order_delay_ms
from tests.live.test_live_feed import SECOND, playing

AWAY = 18.0  # s: more bars than are closed one by one, and with a slow machine's delay fewer than the feed's history, which bounds what is loaded


@pytest.mark.parametrize("fault", [None, "drop_sockets"])
def test_bars_are_built_again_from_the_recording_of_a_live_feed(tmp_path: Path, fault: str | None) -> None:
    with playing() as session:
        recorder = ParquetRecorder(
            tmp_path / "r", session.feed.info, latency_ms=count_order_delay_ms(session.settings), has_messages=True, flush_seconds=0.7
        )
        session.feed.set_recorder(recorder)
        session.play(3)
        if fault is not None:
            getattr(session.fake, fault)()
        session.play(4)
        session.feed.close()
        recorder.close()
        recorded = SessionRecording(tmp_path / "r")
        built = {bar.at: bar for bar in RebuiltBars(recorded, make_live_builder).build()}
        assert [built[bar.at].digest() for bar in session.live] == [bar.digest() for bar in session.live]
        assert any(np.isfinite(bar.ofi[:, 0]).any() for bar in session.live)
        decided = {bar.snapshot.at: bar.snapshot.digest() for bar in read_bars_decided_on(tmp_path / "r", recorded.header)}
        assert all(decided[bar.at] == bar.digest() for bar in session.live)


def test_a_bar_that_is_given_out_again_too_late_is_not_fresh_and_is_rebuilt_so(tmp_path: Path) -> None:
    with playing() as session:
        recorder = ParquetRecorder(
            tmp_path / "r", session.feed.info, latency_ms=count_order_delay_ms(session.settings), has_messages=True, flush_seconds=None
        )
        session.feed.set_recorder(recorder)
        session.recover()
        refused = session.live.pop()
        sleep(1.3)  # the store refuses what comes before the tick, and takes it again later
        session._slices = session.feed.slices(session.live[-1].at)
        again = session.play()[0]
        session.play(2)
        session.feed.close()
        recorder.close()
        assert again.at == refused.at
        assert refused.fresh.all()
        assert not again.fresh.any()
        recorded = SessionRecording(tmp_path / "r")
        built = {bar.at: bar for bar in RebuiltBars(recorded, make_live_builder).build()}
        assert [built[bar.at].digest() for bar in session.live] == [bar.digest() for bar in session.live]


def test_a_history_that_takes_long_to_decide_is_delivered_whole_before_what_was_missed_meanwhile() -> None:
    with playing() as session:
        first = [next(session._slices) for _ in range(5)]
        session.fake.set_clock_offset(AWAY)
        session.feed._streams.clock.add(now := time_ns(), now, now + int(AWAY * 1e9))
        session.play(2)
        bars = [*first, *session.history, *session.live]
        assert set(np.diff([bar.at for bar in bars])) == {10**9}
        assert len(bars) >= 30 + 15


def test_bars_missed_while_the_machine_stood_still_are_the_exchanges_and_nothing_is_decided_on_them() -> None:
    with playing() as session:
        session.recover()
        begun = len(session.history)
        session.fake.set_clock_offset(AWAY)
        session.feed._streams.clock.add(now := time_ns(), now, now + int(AWAY * 1e9))  # as measured after a sleep
        session.play(3)
        missed = session.history[begun:]
        assert len(missed) >= 15
        assert all(np.isfinite(bar.close).all() and not bar.fresh.any() for bar in missed)
        last = [bar.at for bar in session.live[:-3]][-1]
        times = [last, *(bar.at for bar in missed), *(bar.at for bar in session.live[-3:])]
        assert set(np.diff(times)) == {10**9}


def test_missed_bars_begin_with_the_first_that_was_missed_though_the_exchange_lacks_it() -> None:
    candles: list[tuple[Candle, ...]] = [(Candle(0, 12 * SECOND, 0, (1.0, 1.0, 1.0, 1.0, 2.0)),)]
    bars = build_history(candles, SECOND, 1, 14 * SECOND, 10 * SECOND)
    assert [bar.at // SECOND for bar in bars] == [11, 12, 13, 14]
    assert [bool(bar.fresh[0]) for bar in bars] == [False, False, True, False]
    assert np.isnan(bars[0].close).all()
