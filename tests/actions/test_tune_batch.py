"""Larger batches where the store is slow: on a real store that is held back at every step of its transactions."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from threading import Event

import pytest

from engine.actions.tune_batch import ACTION, LARGEST, SLOW
from engine.domain.tuning import Batches
from engine.shell.clock import WallClock
from engine.shell.desk import Desk
from engine.store import upkeep
from tests.actions.engines import desk
from tests.actions.makers import Plain, room


class Ahead(WallClock):
    """The wall clock, set forward by hand."""

    seconds = 0.0

    def now(self) -> int:
        return super().now() + round(self.seconds * 1e9)

    def tick(self) -> float:
        return super().tick() + self.seconds


def throttle(made: Desk) -> None:
    """Every transaction waits for a moment as it begins, as on a disk that is held back."""
    pause = Event()

    def wait(statement: str) -> None:
        if statement.startswith("BEGIN"):
            pause.wait(0.02)

    raw = made._writer.store._connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    raw.set_trace_callback(wait)


def minute(made: Desk, clock: Ahead) -> tuple[int, float]:
    """A minute of readings, one a second: the transactions they took, and their ms in all."""
    took = made._writer.store.took
    took.clear()
    for _ in range(60):
        clock.seconds += 1.0
        made._monitor.look()
    return len(took), sum(took) * 1e3


def test_on_a_throttled_store_a_minute_of_readings_takes_fewer_transactions_and_less_time(tmp_path: Path) -> None:
    clock = Ahead()
    with desk(tmp_path, clock=clock) as made:
        assert made.levers.commit_ms() < SLOW
        assert not ACTION.do(room(tmp_path, levers=made.levers)).done  # a store that is quick
        throttle(made)
        count, slow = minute(made, clock)
        assert made.levers.commit_ms() >= SLOW
        measured = ACTION.do(room(tmp_path, levers=made.levers))
        assert measured.done, measured.detail
        fewer, quicker = minute(made, clock)
        assert count - fewer == pytest.approx(measured.amount, abs=1)
        assert fewer * 2.5 < count
        assert quicker < slow
        pages, cache = upkeep.batches(made._writer.store)
        assert (pages, cache) == (min(LARGEST.log_pages, 4 * 4_000), 2 * 32 * 2**20)
        assert ACTION.undo is not None
        assert ACTION.undo(room(tmp_path, levers=made.levers)).done
        assert upkeep.batches(made._writer.store) == (4_000, 32 * 2**20)
        assert minute(made, clock)[0] == pytest.approx(count, abs=1)


def test_with_too_few_transactions_nothing_is_said(tmp_path: Path) -> None:
    assert ACTION.do(room(tmp_path, levers=Plain(transaction_ms=float("nan")))).detail.startswith("nothing to tune: too few transactions")


def test_batches_grow_to_their_bounds_and_no_further(tmp_path: Path) -> None:
    levers = Plain()
    runs = 0
    while ACTION.do(room(tmp_path, levers=levers)).done:
        runs += 1
        assert runs < 10
    assert levers.batches.now() == LARGEST


@pytest.mark.parametrize("wanted", [Batches(0.0, 4_000, 2**25), Batches(5.0, 0, 2**25), Batches(5.0, 4_000, 5), Batches(5.0, 10**9, 2**25)])
def test_what_a_store_is_not_to_be_given_is_refused_and_changes_nothing(tmp_path: Path, wanted: Batches) -> None:
    with desk(tmp_path) as made:
        with pytest.raises(ValueError, match="outside"):
            made.levers.batches.turn(wanted)
        assert made.levers.batches.now() == made.levers.batches.usual()
