"""Recursive least squares equals one fit over the same discounted rows, and learns only from forecasts that have come due."""

from __future__ import annotations

import numpy as np
import pytest

from engine.domain.record import Bools, Floats
from engine.domain.state import OnlineInputs, OnlineMemory
from engine.evidence import recursive_least_squares

HORIZONS = (1, 3, 12)
FADE, TICKS, SYMBOLS, WIDTH = 0.99, 60, 3, 4


def looked(tick: int, *, version: str = "a") -> OnlineInputs:
    draw = np.random.default_rng([tick, 1])
    return OnlineInputs(0, version, FADE, draw.normal(size=(SYMBOLS, WIDTH)).astype(np.float32))


def due_at(tick: int) -> tuple[Bools, Floats]:
    """known (M + 1, H, S) and target (H, S) at a tick; some are not known, and none before the first forecast came due."""
    draw = np.random.default_rng([tick, 2])
    due = np.array([[tick >= horizon] for horizon in HORIZONS])
    known = np.broadcast_to((draw.random((len(HORIZONS), SYMBOLS)) < 0.9) & due, (2, len(HORIZONS), SYMBOLS))
    return known, draw.normal(size=(len(HORIZONS), SYMBOLS))


def after(ticks: int) -> tuple[OnlineMemory, ...]:
    memories: tuple[OnlineMemory, ...] = ()
    for tick in range(ticks):
        known, target = due_at(tick)
        memories = recursive_least_squares.update_memories(memories, (looked(tick),), known, target, HORIZONS)
    return memories


def test_the_sums_are_those_of_all_due_rows_discounted_by_age() -> None:
    (memory,) = after(TICKS)
    gram, moment = np.zeros((WIDTH, WIDTH)), np.zeros((WIDTH, len(HORIZONS)))
    for tick in range(TICKS):
        known, target = due_at(tick)
        share = FADE ** (TICKS - 1 - tick)
        for column, horizon in enumerate(HORIZONS):
            if tick >= horizon:
                z = looked(tick - horizon).columns.astype(float)[known[0, column]]
                moment[:, column] += share * z.T @ target[column, known[0, column]]
                gram += share * z.T @ z if horizon == 1 else 0.0
    np.testing.assert_allclose(memory.gram, gram, rtol=1e-5)
    np.testing.assert_allclose(memory.moment, moment, rtol=1e-5, atol=1e-6)


def test_the_memory_of_the_given_version_is_found() -> None:
    memories = after(5)
    assert recursive_least_squares.find_memory(memories, "a") is memories[0]
    assert recursive_least_squares.find_memory(memories, "b") is None
    assert recursive_least_squares.find_memory((), "a") is None


def test_another_version_starts_anew() -> None:
    known, target = due_at(TICKS)
    (memory,) = recursive_least_squares.update_memories(after(TICKS), (looked(TICKS, version="b"),), known, target, HORIZONS)
    assert memory.version == "b"
    assert (memory.gram == 0).all()
    assert (memory.moment == 0).all()
    np.testing.assert_array_equal(memory.pending_columns[0], looked(TICKS).columns)
    assert (memory.pending_columns[1:] == 0).all()


def test_a_tick_without_learning_ages_pending_inputs() -> None:
    (before,) = after(TICKS)
    (passed,) = recursive_least_squares.age_memories((before,))
    np.testing.assert_array_equal(passed.pending_columns[1:], before.pending_columns[:-1])
    assert (passed.pending_columns[0] == 0).all()
    np.testing.assert_array_equal(passed.gram, before.gram)


@pytest.mark.parametrize("symbols", [20, 500])
def test_the_memory_is_small(symbols: int) -> None:
    """In single precision, 12 ticks of 16 columns: 15 kB at 20 symbols."""
    seen = OnlineInputs(0, "a", FADE, np.ones((symbols, 16), dtype=np.float32))
    known = np.zeros((2, len(HORIZONS), symbols), dtype=bool)
    (memory,) = recursive_least_squares.update_memories((), (seen,), known, np.zeros((len(HORIZONS), symbols)), HORIZONS)
    size = memory.pending_columns.nbytes + memory.gram.nbytes + memory.moment.nbytes
    assert size < 800 * symbols + 4_000
