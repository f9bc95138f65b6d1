"""Readings are rolled up as they are written, each time is told once and by the finest tier, and a year of them is bounded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from engine.domain.optimization import Reading
from engine.store.errors import StoreError
from engine.store.read import resources
from engine.store.read.reader import Reader
from engine.store.write.readings import DAY, HOUR, MINUTE, READING_TIERS, SECOND
from engine.store.write.writer import Writer
from tests.store import made

START = made.WALL - made.WALL % (100 * HOUR)
BYTES_A_SERIES = 5_000_000  # of a store that holds all four tiers in full
ROWS_A_SERIES = 7_200 + 60 + 2 * 8_640 + 60 * 1_440 + 730 * 24  # and what is dropped once an hour


def ask(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "podium.db")
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def sample(at: int, *, names: int = 1) -> list[Reading]:
    return [Reading(at, "host", f"value_{index}", float(at // SECOND % 997 + index), "ms") for index in range(names)]


def write(writer: Writer, times: Iterable[int], *, batch: int = 5, names: int = 1) -> None:
    waiting: list[Reading] = []
    for count, at in enumerate(times, 1):
        waiting += sample(at, names=names)
        if count % batch == 0:
            writer.save_readings(waiting)
            waiting = []
    writer.save_readings(waiting)


def test_every_tier_holds_the_lowest_the_mean_the_highest_and_the_number_of_what_was_read(tmp_path: Path) -> None:
    writer = Writer(made.empty(tmp_path))
    write(writer, range(START, START + 3 * HOUR, SECOND), batch=60)
    values = np.array([sample(at)[0].value for at in range(START, START + 3 * HOUR, SECOND)])
    for tier, closed in zip(READING_TIERS, (3 * HOUR - MINUTE, 3 * HOUR - MINUTE, 2 * HOUR), strict=True):
        buckets = ask(tmp_path, f"SELECT at, low, mean, high, n FROM {tier.table} ORDER BY at")
        width = tier.width // SECOND
        parts = values[: closed // SECOND].reshape(-1, width)
        expected = [(START + place * tier.width, part.min(), pytest.approx(part.mean()), part.max(), width) for place, part in enumerate(parts)]
        assert buckets == expected, tier.table


def test_every_time_is_told_once_by_the_finest_tier_that_covers_it(tmp_path: Path) -> None:
    writer = Writer(made.empty(tmp_path))
    write(writer, range(START, START + 61 * DAY, 10 * MINUTE), batch=144)  # in every tier
    write(writer, range(START + 61 * DAY, START + 64 * DAY, 10 * SECOND), batch=360)
    last = START + 64 * DAY - 10 * SECOND
    seen = [int(str(row[0])) for row in ask(tmp_path, "SELECT at FROM v_readings ORDER BY at")]
    assert len(seen) == len(set(seen))
    steps = dict(zip(seen[1:], np.diff(np.array(seen)).tolist(), strict=True))
    assert steps[last] == 10 * SECOND
    assert seen[0] == START
    assert set(steps.values()) == {10 * SECOND, MINUTE, 10 * MINUTE, HOUR}
    assert [step for step, after in zip(steps.values(), list(steps.values())[1:], strict=False) if step < after] == [], "never coarser again"


def test_the_same_readings_again_change_nothing(tmp_path: Path) -> None:
    writer = Writer(made.empty(tmp_path))
    for _ in range(2):
        write(writer, range(START, START + 2 * HOUR, 5 * SECOND), batch=12)
    assert ask(tmp_path, "SELECT count(*), min(n), max(n) FROM readings_minute") == [(120, 12, 12)]
    assert ask(tmp_path, "SELECT n FROM readings_hour") == [(720,), (720,)]


def test_a_restart_goes_on_where_the_last_run_was_killed(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    write(Writer(url), range(START, START + 90 * MINUTE + 30 * SECOND, SECOND))  # never closed: as killed
    write(Writer(url), range(START + 90 * MINUTE + 30 * SECOND, START + 121 * MINUTE, SECOND))
    assert ask(tmp_path, "SELECT count(*), min(n), max(n) FROM readings_minute") == [(120, 60, 60)]
    assert ask(tmp_path, "SELECT n FROM readings_hour ORDER BY at") == [(3_600,), (3_600,)]


def test_what_was_read_before_a_long_pause_is_rolled_up_before_it_is_dropped(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    write(Writer(url), range(START, START + 50 * SECOND, SECOND))
    write(Writer(url), range(START + 10 * HOUR, START + 10 * HOUR + 70 * SECOND, SECOND))
    assert ask(tmp_path, "SELECT at, n FROM readings_minute ORDER BY at") == [(START, 50), (START + 10 * HOUR, 60)]
    assert ask(tmp_path, "SELECT at, n FROM readings_hour") == [(START, 50)]
    assert ask(tmp_path, f"SELECT count(*) FROM readings_raw WHERE at < {START + HOUR}") == [(0,)]


def test_a_write_that_failed_is_written_the_next_time(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    writer = Writer(url, busy_ms=10)
    other = sqlite3.connect(tmp_path / "podium.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError):
        writer.save_readings(sample(START))
    other.close()
    writer.save_readings(sample(START))
    writer.save_readings(sample(START + MINUTE))
    assert ask(tmp_path, "SELECT at, n FROM readings_minute") == [(START, 1)]


def test_a_clock_set_back_leaves_no_reading_of_the_future_and_replaces_no_fuller_bucket(tmp_path: Path) -> None:
    writer = Writer(made.empty(tmp_path))
    write(writer, range(START, START + 5 * HOUR, SECOND), batch=60)
    write(writer, range(START + HOUR, START + HOUR + 2 * MINUTE, 7 * SECOND))
    assert ask(tmp_path, "SELECT max(at) FROM readings_raw")[0][0] == START + HOUR + 119 * SECOND
    assert ask(tmp_path, f"SELECT n FROM readings_minute WHERE at = {START + HOUR}") == [(60,)]
    write(writer, range(START + HOUR + 2 * MINUTE, START + HOUR + 10 * MINUTE, SECOND))
    assert ask(tmp_path, "SELECT max(at) FROM readings_raw") == [(START + HOUR + 10 * MINUTE - SECOND,)]


@pytest.mark.slow
def test_two_years_of_readings_are_bounded_in_rows_and_bytes(tmp_path: Path) -> None:
    """Once an hour for two years, a minute for two months, 5 s for two days, then every second: every tier is as full as it ever gets."""
    writer = Writer(made.empty(tmp_path))
    names = 2
    end = START + 800 * DAY
    coarse, fine, finest = end - 61 * DAY, end - 2 * DAY - 3 * HOUR, end - 3 * HOUR
    write(writer, range(START, coarse, HOUR), batch=24, names=names)
    write(writer, range(coarse, fine, MINUTE), batch=1_440, names=names)
    write(writer, range(fine, finest, 5 * SECOND), batch=120, names=names)
    write(writer, range(finest, end, SECOND), batch=60, names=names)
    counts = {
        table: ask(tmp_path, f"SELECT count(*), min(at), max(at) FROM {table}")[0] for table in ("readings_raw", *(t.table for t in READING_TIERS))
    }
    limits = {"readings_raw": 2 * HOUR + 2 * MINUTE} | {tier.table: tier.retention + 2 * HOUR for tier in READING_TIERS}
    for table, (_, first, last) in counts.items():
        assert int(str(last)) - int(str(first)) <= limits[table], table
    assert int(str(counts["readings_hour"][0])) >= names * 729 * 24, "two years are kept"
    assert sum(int(str(count)) for count, *_ in counts.values()) <= names * (ROWS_A_SERIES * 1.01)
    writer.tune()
    bytes_a_series = (tmp_path / "podium.db").stat().st_size / names
    print(f"{bytes_a_series:,.0f} bytes a series")
    assert bytes_a_series < BYTES_A_SERIES


@pytest.mark.parametrize("seconds", [900, 3_600, 6 * 3_600, 86_400, 7 * 86_400, 30 * 86_400, 365 * 86_400])
def test_any_range_is_told_in_few_points_up_to_now(tmp_path: Path, seconds: int) -> None:
    url = made.empty(tmp_path)
    end = START + 400 * DAY
    writer = Writer(url)
    span = seconds * SECOND
    every = max(SECOND, span // 1_000)
    write(writer, range(end - 2 * span, end, every), batch=60)
    frame = resources.read_series(Reader(url), [("host", "value_0")], end - span, end)
    assert 150 <= len(frame) <= resources.MAX_POINTS + 2
    step = resources.choose_step(seconds) * SECOND
    assert set(np.diff(frame["at"]).tolist()) == {step}
    assert frame["at"].iloc[-1] + step > end - every, "the bucket that is still open is told as well"
    assert (frame["low"] <= frame["mean"]).all()
    assert (frame["mean"] <= frame["high"]).all()


def test_a_small_line_comes_from_a_coarser_tier(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    write(Writer(url), range(START, START + 1_200 * SECOND, SECOND), batch=60)
    frame = resources.read_series(Reader(url), [("host", "value_0")], START + 290 * SECOND, START + 1_190 * SECOND, points=90)
    assert set(np.diff(frame["at"]).tolist()) == {10 * SECOND}
    assert 89 <= len(frame) <= 91


@pytest.mark.parametrize("seconds", [30, 600])
def test_a_store_younger_than_a_bucket_shows_what_it_has_over_every_range(tmp_path: Path, seconds: int) -> None:
    url = made.empty(tmp_path)
    end = START + seconds * SECOND
    write(Writer(url), range(START, end, SECOND))
    for span in (3_600, 86_400, 30 * 86_400, 365 * 86_400):
        frame = resources.read_series(Reader(url), [("host", "value_0")], end - span * SECOND, end)
        assert frame["low"].min() == min(sample(at)[0].value for at in range(START, end, SECOND)), span
        assert frame["high"].max() == max(sample(at)[0].value for at in range(START, end, SECOND)), span
