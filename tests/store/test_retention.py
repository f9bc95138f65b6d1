"""What is kept: by age, by size, in whole blocks, and with the inputs of every decision that stays."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.store.connection import Store
from engine.store.maintenance import drop_obsolete, find_unused
from engine.store.read.history import TickHistory
from engine.store.retention import RetentionPolicy
from engine.store.write.writer import Writer
from engine.window import WINDOW_BARS
from tests.store import made

SECOND = 10**9
DAY = 24 * 3600 * SECOND


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("podium.db*") if path.suffix in {".db", ".db-wal"})


def ask(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / "podium.db")
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def full(folder: Path, ticks: int, *, symbols: int = 10, keep: RetentionPolicy | None = None) -> Writer:
    writer = Writer(made.empty(folder), keep=keep)
    market = made.Market(made.names(symbols))
    made.begin(writer, market)
    for tick in market.ticks(ticks):
        writer.save(tick)
    return writer


def test_what_is_older_than_the_limit_goes_in_whole_blocks(tmp_path: Path) -> None:
    writer = full(tmp_path, 1000, symbols=2)
    at = made.WALL + 650 * 2 * SECOND + DAY  # tick 650 is a day old
    done = writer.prune(at, RetentionPolicy(days=1.0))
    assert (done.ticks, done.decisions, done.first_kept) == (601, 1202, 601)
    assert ask(tmp_path, "SELECT min(tick), max(tick), count(*) FROM decisions") == [(601, 999, 798)]
    assert ask(tmp_path, "SELECT min(tick) FROM fills")[0][0] in range(601, 640)
    assert ask(tmp_path, "SELECT min(tick), count(*) FROM checkpoints") == [(600, 4)]
    assert writer.prune(at, RetentionPolicy(days=1.0)).ticks == 0


def test_the_slices_of_the_first_windows_stay(tmp_path: Path) -> None:
    full(tmp_path, 1000, symbols=2).prune(made.WALL + 650 * 2 * SECOND + DAY, RetentionPolicy(days=1.0))
    snapshots = TickHistory(f"sqlite:///{tmp_path / 'podium.db'}").snapshots(1, 0, 1000)
    assert len(snapshots) == 399 + WINDOW_BARS
    first = TickHistory(f"sqlite:///{tmp_path / 'podium.db'}").snapshots(1, 601 - WINDOW_BARS + 1, 601)
    assert len(first) == WINDOW_BARS


def test_a_session_begins_a_block_of_its_own(tmp_path: Path) -> None:
    writer = full(tmp_path, 150, symbols=2)
    market = made.Market(made.names(2), first_tick=150)
    market.session = writer.begin_session("another", made.info(), made.MODELS, made.HORIZONS, "{}", {}, made.WALL)
    for tick in market.ticks(30):
        writer.save(tick)
    done = writer.prune(made.WALL + 160 * 2 * SECOND + DAY, RetentionPolicy(days=1.0))
    assert done.first_kept == 150
    assert TickHistory(f"sqlite:///{tmp_path / 'podium.db'}").checkpoint_at_or_before(160) is None, "it begins from nothing"


def test_the_newest_block_stays_whatever_its_age(tmp_path: Path) -> None:
    done = full(tmp_path, 250, symbols=2).prune(made.WALL + 1000 * DAY, RetentionPolicy(days=1.0))
    assert done.first_kept == 201
    assert ask(tmp_path, "SELECT count(*) FROM ticks") == [(49,)]


@pytest.mark.parametrize("limit", [5_000_000, 8_000_000])
def test_the_files_end_under_the_limit_of_size(tmp_path: Path, limit: int) -> None:
    writer = full(tmp_path, 600)
    assert size(tmp_path) > limit
    done = writer.prune(made.WALL, RetentionPolicy(bytes=limit))
    assert size(tmp_path) <= limit
    assert done.bytes_after == size(tmp_path)
    assert done.bytes_over == 0
    assert done.first_kept is not None
    assert done.first_kept % 100 == 1
    assert size(tmp_path) > limit / 3, "no more is dropped than needed"


def test_a_store_that_is_written_on_and_on_stays_near_its_limit(tmp_path: Path) -> None:
    limit = 8_000_000
    writer = Writer(made.empty(tmp_path), keep=RetentionPolicy(bytes=limit))
    market = made.Market(made.names(10))
    made.begin(writer, market)
    largest = 0
    for tick in market.ticks(900):
        writer.save(tick)
        largest = max(largest, size(tmp_path))
    assert largest <= limit * 1.15
    assert ask(tmp_path, "SELECT max(tick) FROM ticks") == [(899,)]


def test_both_limits_hold_together(tmp_path: Path) -> None:
    writer = full(tmp_path, 600)
    done = writer.prune(made.WALL + 250 * 2 * SECOND + DAY, RetentionPolicy(days=1.0, bytes=100_000_000))
    assert done.first_kept == 201
    assert writer.prune(made.WALL, RetentionPolicy(days=1000.0, bytes=6_000_000)).bytes_over == 0
    assert size(tmp_path) <= 6_000_000


def test_a_limit_smaller_than_the_newest_block_says_by_how_much_it_is_passed(tmp_path: Path) -> None:
    done = full(tmp_path, 350).prune(made.WALL, RetentionPolicy(bytes=100_000))
    assert done.first_kept == 301
    assert done.bytes_over == size(tmp_path) - 100_000


def test_a_store_within_its_limits_is_left_alone(tmp_path: Path) -> None:
    writer = full(tmp_path, 250, symbols=2)
    done = writer.prune(made.WALL, RetentionPolicy(days=30.0, bytes=10**9))
    assert (done.ticks, done.decisions, done.first_kept, done.bytes_over) == (0, 0, 0, 0)
    assert full(tmp_path / "other", 0).prune(made.WALL, RetentionPolicy(days=1.0, bytes=10**9)).first_kept is None


def test_knobs_and_models_no_kept_tick_has_used_go_too(tmp_path: Path) -> None:
    writer = Writer(made.empty(tmp_path))
    market = made.Market()
    made.begin(writer, market)
    for number in range(250):
        if number % 100 == 0:
            writer.save_artifact(made.artifact("ridge", number), 1, made.WALL + number * 2 * SECOND)
        writer.save(market.tick(knobs=made.knobs(fee_bps=5.0 if number < 120 else 6.0)))
    writer.save_artifact(made.artifact("ridge", 249, serves_from=261), 1, made.WALL + 249 * 2 * SECOND)
    writer.prune(made.WALL + 1000 * DAY, RetentionPolicy(days=1.0))
    assert ask(tmp_path, "SELECT version FROM artifacts ORDER BY id") == [("ridge-200",), ("ridge-249",)]
    assert ask(tmp_path, "SELECT count(*) FROM trading_configs") == [(1,)]
    assert TickHistory(f"sqlite:///{tmp_path / 'podium.db'}").tick(230).config.fee_bps == 6.0
    writer.save(market.tick(knobs=made.knobs(fee_bps=5.0)))
    assert TickHistory(f"sqlite:///{tmp_path / 'podium.db'}").tick(250).config.fee_bps == 5.0, "knobs that went may come back"


def test_knobs_that_a_tick_takes_up_while_they_are_being_dropped_stay(tmp_path: Path) -> None:
    url = made.empty(tmp_path)
    writer, store = Writer(url), Store(url, None)
    market = made.Market()
    made.begin(writer, market)
    writer.save(market.tick(knobs=made.knobs(fee_bps=5.0)))
    for _ in range(120):
        writer.save(market.tick())
    with store.write() as connection:
        connection.exec_driver_sql("DELETE FROM ticks WHERE tick < 10")
    unused = find_unused(store)
    assert [digest for digest, _ in unused.configs] == [made.knobs(fee_bps=5.0).digest()]
    writer.save(market.tick(knobs=made.knobs(fee_bps=5.0)))
    drop_obsolete(store, unused)
    assert TickHistory(url).tick(121).config.fee_bps == 5.0


def test_tuning_says_what_it_freed_and_the_files_agree(tmp_path: Path) -> None:
    writer = full(tmp_path, 300)
    before = size(tmp_path)
    assert (tmp_path / "podium.db-wal").stat().st_size > 0
    result = writer.tune()
    assert result.amount == before - size(tmp_path)
    assert result.amount > 0
    assert (tmp_path / "podium.db-wal").stat().st_size == 0
    assert f"{before:,} bytes before, {size(tmp_path):,} after" in result.detail


def test_tuning_says_when_a_reader_keeps_the_log(tmp_path: Path) -> None:
    writer = full(tmp_path, 30)
    reader = sqlite3.connect(tmp_path / "podium.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM ticks").fetchone()
    for tick in made.Market(made.names(10), first_tick=30).ticks(5):
        writer.save(tick)
    assert "a reader kept the log from being cut" in writer.tune().detail
    reader.close()
