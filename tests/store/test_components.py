"""What Components reads: times by phase, fallbacks, the honest rate with its interval, and signs of life."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.store.read import components
from engine.store.read.reader import Reader
from tests.store.made import SECOND, WALL, empty, filled

TICKS = 160
LIVE = 140  # the first 20 are of the warm-up
NOW = WALL + TICKS * 2 * SECOND


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(filled(tmp_path_factory.mktemp("components"), ticks=TICKS))


def test_times_are_those_of_the_spans(reader: Reader) -> None:
    latency = components.read_latency(reader)
    assert latency is not None
    whole, *phases = latency.phases
    assert [phase.name for phase in phases] == reader.frame("SELECT DISTINCT phase FROM v_spans WHERE tick = 159 ORDER BY start_ms")["phase"].tolist()
    ms = reader.frame("SELECT ms FROM ticks WHERE warm = 0 ORDER BY ms")["ms"].tolist()
    assert (whole.n, whole.p50, whole.longest) == (LIVE, ms[69], ms[-1])
    assert whole.p99 == ms[138]
    assert (latency.warm, latency.window) == (False, "the last 140 live ticks")
    assert phases[0].p50 == pytest.approx(0.18)
    assert phases[0].n == LIVE
    assert sum(phase.fallbacks for phase in phases) == whole.fallbacks == 2


def test_a_p99_of_few_ticks_has_no_interval(reader: Reader) -> None:
    latency = components.read_latency(reader)
    assert latency is not None
    assert latency.phases[0].low is None


def test_a_line_has_whole_pieces_up_to_the_newest(reader: Reader) -> None:
    latency = components.read_latency(reader)
    assert latency is not None
    assert len(latency.series) == LIVE // latency.bucket_ticks
    newest = reader.frame(f"SELECT max(ms) AS ms FROM ticks WHERE tick >= {TICKS - latency.bucket_ticks}")["ms"].iloc[0]
    assert latency.series["longest"].iloc[-1] == newest
    assert latency.series["fallbacks"].sum() == 2


def test_fallbacks_are_told_with_phase_and_error_newest_first(reader: Reader) -> None:
    frame = components.read_fallbacks(reader, limit=10)
    assert frame["tick"].tolist() == [119, 59]
    assert set(frame["phase"]) == {"validation"}
    assert frame["error"].tolist() == ["ValueError: made to fail"] * 2
    counts = components.count_fallbacks(reader, NOW)
    assert counts.to_dict("records") == [{"phase": "validation", "n": 2, "tick": 119}]


def test_old_fallbacks_are_not_counted(reader: Reader) -> None:
    assert components.count_fallbacks(reader, NOW + 40 * 86_400 * SECOND).empty


def test_the_honest_rate_has_its_interval(reader: Reader) -> None:
    rate = components.read_clean_rate(reader, NOW)
    assert (rate.ticks, rate.degraded) == (LIVE, 2)
    assert rate.low == pytest.approx(0.9494, abs=1e-3)
    assert rate.high == pytest.approx(0.9961, abs=1e-3)
    stale = reader.frame("SELECT sum(fresh = 0) AS n FROM decisions WHERE tick >= 20")["n"].iloc[0]
    assert (rate.decisions, rate.stale) == (LIVE * 4, stale)


def test_ticks_without_data_are_not_clean_and_counted_apart_from_fallbacks(tmp_path: Path) -> None:
    reader = Reader(filled(tmp_path, ticks=TICKS))
    with closing(sqlite3.connect(reader.path)) as store, store:
        store.execute("UPDATE ticks SET no_data = 1 WHERE tick IN (119, 60, 61) OR (degraded <> '[]' AND warm = 0)")
    rate = components.read_clean_rate(reader, NOW)
    assert rate.degraded == 2
    assert rate.no_data in {2, 3}, "a tick with a fallback counts once"
    assert rate.rate == 1.0 - (2 + rate.no_data) / LIVE
    assert rate.high is not None
    assert rate.high < 0.9961


def test_a_young_store_has_no_rate_yet(tmp_path: Path) -> None:
    rate = components.read_clean_rate(Reader(filled(tmp_path, ticks=24)), WALL + 60 * SECOND)
    assert (rate.ticks, rate.low) == (4, None)


def test_a_store_in_its_warm_up_has_no_rate_and_says_that_its_times_are_of_the_warm_up(tmp_path: Path) -> None:
    reader = Reader(filled(tmp_path, ticks=12))
    rate, times = components.read_clean_rate(reader, WALL + 60 * SECOND), components.read_latency(reader)
    assert (rate.ticks, rate.degraded, rate.low, rate.decisions) == (0, 0, None, 0)
    assert times is not None
    assert (times.warm, times.window, times.phases[0].n) == (True, "the last 12 warm-up ticks", 12)


def test_signs_of_life_are_the_newest(reader: Reader) -> None:
    liveness = components.read_liveness(reader)
    assert liveness.trained is not None
    assert liveness.trained[1] == "ridge-100"
    assert (liveness.models_waiting, liveness.checkpoint, liveness.first_tick, liveness.commands_waiting) == (0, 100, 0, 1)
    assert liveness.readings is not None
    assert liveness.heartbeat == NOW


def test_an_empty_store_is_no_error(tmp_path: Path) -> None:
    reader = Reader(empty(tmp_path))
    assert components.read_latency(reader) is None
    assert components.read_liveness(reader).trained is None
    assert components.read_clean_rate(reader, NOW).ticks == 0
    assert components.read_fallbacks(reader, limit=5).empty


def test_incidents_that_last_come_first(tmp_path: Path) -> None:
    reader = Reader(filled(tmp_path, ticks=3))
    with closing(sqlite3.connect(tmp_path / "podium.db")) as store, store:
        for kind, until in (("halt", None), ("gap", 7), ("stale", None)):
            store.execute("INSERT INTO incidents (session, kind, symbol, since, until, detail) VALUES (1, ?, 'ETH', 5, ?, 'made')", (kind, until))
    assert components.read_incidents(reader, limit=10)["kind"].tolist() == ["stale", "halt", "gap"]
