"""Larger batches on a real store whose transactions are slowed down at every step."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from statistics import median
from threading import Event

import pytest

from engine.actions.tune_batch import ACTION, LARGEST, SLOW_COMMIT_MS
from engine.domain.optimization import BatchSizes
from engine.service.clock import WallClock
from engine.service.service import EngineService
from engine.store import maintenance
from tests.actions.engines import desk
from tests.actions.makers import Plain, make_context


class Ahead(WallClock):
    """A clock that is set forward by hand, and otherwise stands."""

    def __init__(self) -> None:
        self.seconds, self._begun = 0.0, super().now()

    def now(self) -> int:
        return self._begun + round(self.seconds * 1e9)

    def tick(self) -> float:
        return self.seconds


def throttle(made: EngineService) -> None:
    """Every transaction waits for a moment as it begins, as on a disk that is held back."""
    pause = Event()

    def wait(statement: str) -> None:
        if statement.startswith("BEGIN"):
            pause.wait(0.02)

    raw = made._writer.store._connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    raw.set_trace_callback(wait)


def minute(made: EngineService, clock: Ahead) -> tuple[int, float]:
    """A minute of readings, one a second: the transactions they took, and their ms in all, of which one that a busy machine held up counts as any."""
    took = made._writer.store.transaction_seconds
    took.clear()
    for _ in range(60):
        clock.seconds += 1.0
        made._monitor.sample()
    return len(took), len(took) * median(took) * 1e3


def test_on_a_throttled_store_a_minute_of_readings_takes_fewer_transactions_and_less_time(tmp_path: Path) -> None:
    clock = Ahead()
    with desk(tmp_path, clock=clock) as made:
        made._writer.store.transaction_seconds.extend([0.001] * 1_000)
        assert made.actuators.commit_ms() < SLOW_COMMIT_MS
        assert not ACTION.run(make_context(tmp_path, actuators=made.actuators)).done  # a store that is quick
        throttle(made)
        count, slow = minute(made, clock)
        assert made.actuators.commit_ms() >= SLOW_COMMIT_MS
        measured = ACTION.run(make_context(tmp_path, actuators=made.actuators))
        assert measured.done, measured.detail
        fewer, quicker = minute(made, clock)
        assert count - fewer == pytest.approx(measured.amount, abs=1)
        assert fewer * 2.5 < count
        assert quicker < slow
        pages, cache = maintenance.read_batch_sizes(made._writer.store)
        assert (pages, cache) == (min(LARGEST.wal_pages, 4 * 4_000), 2 * 32 * 2**20)
        assert ACTION.undo is not None
        assert ACTION.undo(make_context(tmp_path, actuators=made.actuators)).done
        assert maintenance.read_batch_sizes(made._writer.store) == (4_000, 32 * 2**20)
        assert minute(made, clock)[0] == pytest.approx(count, abs=1)


def test_with_too_few_transactions_it_declines(tmp_path: Path) -> None:
    assert ACTION.run(make_context(tmp_path, actuators=Plain(transaction_ms=float("nan")))).detail.startswith("nothing to tune: too few transactions")


def test_batches_grow_to_their_bounds_and_no_further(tmp_path: Path) -> None:
    actuators = Plain()
    runs = 0
    while ACTION.run(make_context(tmp_path, actuators=actuators)).done:
        runs += 1
        assert runs < 10
    assert actuators.batches.current() == LARGEST


@pytest.mark.parametrize(
    "wanted", [BatchSizes(0.0, 4_000, 2**25), BatchSizes(5.0, 0, 2**25), BatchSizes(5.0, 4_000, 5), BatchSizes(5.0, 10**9, 2**25)]
)
def test_what_a_store_is_not_to_be_given_is_refused_and_changes_nothing(tmp_path: Path, wanted: BatchSizes) -> None:
    with desk(tmp_path) as made:
        with pytest.raises(ValueError, match="outside"):
            made.actuators.batches.apply(wanted)
        assert made.actuators.batches.current() == made.actuators.batches.default()
