"""A live feed on a fake exchange is recorded, and its bars are built again from the recording bit for bit, through faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.feeds._recorded_session import read_bars_decided_on
from engine.live.recorder import ParquetRecorder
from engine.live.session_recording import SessionRecording
from engine.parity import RebuiltBars, make_live_builder
from engine.settings import count_order_delay_ms
from tests.live.test_live_feed import playing


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
