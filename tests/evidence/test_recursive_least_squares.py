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


def test_versions_at_a_place_have_memories_of_their_own() -> None:
    """Each has that of a place to itself, whatever the order; the shadow began 20 ticks later and learns on other columns."""
    together: tuple[OnlineMemory, ...] = ()
    alone: tuple[OnlineMemory, ...] = ()
    for tick in range(TICKS):
        known, target = due_at(tick)
        shadow = OnlineInputs(0, "b", 0.9, looked(tick, version="b").columns[:, :2].copy())
        seen = (looked(tick),) if tick < 20 else (shadow, looked(tick)) if tick % 2 else (looked(tick), shadow)
        together = recursive_least_squares.update_memories(together, seen, known, target, HORIZONS)
        alone = recursive_least_squares.update_memories(alone, (shadow,) if tick >= 20 else (), known, target, HORIZONS)
    assert [memory.version for memory in together] == ["a", "b"]
    assert together[0].digest() == after(TICKS)[0].digest()
    assert together[1].digest() == alone[0].digest()
    promoted = recursive_least_squares.update_memories(together, (OnlineInputs(0, "b", 0.9, shadow.columns),), *due_at(TICKS), HORIZONS)
    assert [memory.version for memory in promoted] == ["b"]
    np.testing.assert_allclose(promoted[0].pending_columns[1:], alone[0].pending_columns[:-1])
    assert (promoted[0].moment != 0).any()


def test_the_memory_of_a_version_that_is_no_longer_seen_is_dropped_unless_nothing_is() -> None:
    known, target = due_at(TICKS)
    assert recursive_least_squares.update_memories(after(TICKS), (looked(TICKS, version="b"),), known, target, HORIZONS)[0].version == "b"
    (kept_memory,) = recursive_least_squares.update_memories(after(TICKS), (), known, target, HORIZONS)
    (aged,) = recursive_least_squares.age_memories(after(TICKS))
    assert kept_memory.digest() == aged.digest()


def test_rows_learned_after_a_tick_without_inputs_are_those_of_their_own_tick() -> None:
    """As when the phase of the models failed at tick 30: no row of it is learned, and every other row goes with its own target."""
    memories: tuple[OnlineMemory, ...] = ()
    moment = np.zeros((WIDTH, len(HORIZONS)))
    for tick in range(TICKS):
        known, target = due_at(tick)
        memories = recursive_least_squares.update_memories(memories, () if tick == 30 else (looked(tick),), known, target, HORIZONS)
        moment *= FADE if tick != 30 else 1.0
        for column, horizon in enumerate(HORIZONS):
            if tick >= horizon and 30 not in {tick, tick - horizon}:
                z = looked(tick - horizon).columns.astype(float)[known[0, column]]
                moment[:, column] += z.T @ target[column, known[0, column]]
    np.testing.assert_allclose(memories[0].moment, moment, rtol=1e-5, atol=1e-5)


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
