"""A recorder that cannot write is reported on the component "feed" while ticks go on, and its recovery and its losses are logged."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from engine.service.recording import find_recorder
from engine.service.supervisor import Supervisor
from engine.store.read.reader import Reader
from engine.store.read.recording_state import read_recorder_state
from tests.service.test_supervisor import LONG, rows, settings, until


def test_a_disk_that_refuses_stops_no_tick_and_is_reported_until_it_works(tmp_path: Path) -> None:
    configured: Any = settings(tmp_path, sim_symbols=2, symbols=(), tick_interval_seconds=0.2, record=str(tmp_path / "r"))
    host = Supervisor(configured)
    host.open()
    host.start()
    try:
        until(lambda: host._service is not None and host._service.ticks_decided > 2)
        service = host._service
        assert service is not None
        recorder = find_recorder(service._engine)
        assert recorder is not None
        blocked = tmp_path / "r" / recorder.header.folders[0] / "bars.parquet"
        shutil.rmtree(blocked, ignore_errors=True)
        blocked.write_text("in the way")
        recorder.flush()
        decided = service.ticks_decided
        until(lambda: rows(configured, "SELECT state FROM components WHERE component = 'feed'") == [("degraded",)])
        ((error,),) = rows(configured, "SELECT last_error FROM components WHERE component = 'feed'")
        assert "cannot be written" in error
        reader = Reader(configured.database_url)
        state = read_recorder_state(reader, 1)
        assert state is not None
        assert (state.folder, "cannot be written" in str(state.problem)) == (str(tmp_path / "r"), True)
        assert read_recorder_state(reader, 2) is None
        until(lambda: service.ticks_decided > decided + 2)
        blocked.unlink()
        recorder.lost_rows, recorder.gaps = 7, 1  # as where the disk was full for longer than rows are held
        recorder.flush()
        until(lambda: rows(configured, "SELECT state FROM components WHERE component = 'feed'") == [("ok",)])
        faults = "SELECT fault FROM recoveries WHERE component = 'feed' AND recovered_at IS NOT NULL ORDER BY fault"
        until(lambda: len(rows(configured, faults)) == 2)
        first, second = (fault for (fault,) in rows(configured, faults))
        assert first == "7 rows of the recording are lost"
        assert "cannot be written" in second
    finally:
        assert host.stop(LONG)
