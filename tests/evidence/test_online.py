"""What is learned from tick to tick is what one fit over the same rows would give, forgets as it says, and learns from nothing but what came due."""

from __future__ import annotations

import numpy as np
import pytest

from engine.domain.record import Bools, Floats
from engine.domain.state import Memory, Seen
from engine.evidence import online

HORIZONS = (1, 3, 12)
FADE, TICKS, SYMBOLS, WIDTH = 0.99, 60, 3, 4


def looked(tick: int, *, version: str = "a") -> Seen:
    draw = np.random.default_rng([tick, 1])
    return Seen(0, version, FADE, draw.normal(size=(SYMBOLS, WIDTH)).astype(np.float32))


def came(tick: int) -> tuple[Bools, Floats]:
    """known (M + 1, H, S) and target (H, S) at a tick; some are not known, and none before the first forecast came due."""
    draw = np.random.default_rng([tick, 2])
    due = np.array([[tick >= horizon] for horizon in HORIZONS])
    known = np.broadcast_to((draw.random((len(HORIZONS), SYMBOLS)) < 0.9) & due, (2, len(HORIZONS), SYMBOLS))
    return known, draw.normal(size=(len(HORIZONS), SYMBOLS))


def after(ticks: int) -> tuple[Memory, ...]:
    memories: tuple[Memory, ...] = ()
    for tick in range(ticks):
        known, target = came(tick)
        memories = online.learn(memories, (looked(tick),), known, target, HORIZONS)
    return memories


def test_the_sums_are_those_of_all_rows_that_came_due_each_faded_by_its_age() -> None:
    (memory,) = after(TICKS)
    gram, moment = np.zeros((WIDTH, WIDTH)), np.zeros((WIDTH, len(HORIZONS)))
    for tick in range(TICKS):
        known, target = came(tick)
        share = FADE ** (TICKS - 1 - tick)
        for column, horizon in enumerate(HORIZONS):
            if tick >= horizon:
                z = looked(tick - horizon).columns.astype(float)[known[0, column]]
                moment[:, column] += share * z.T @ target[column, known[0, column]]
                gram += share * z.T @ z if horizon == 1 else 0.0
    np.testing.assert_allclose(memory.gram, gram, rtol=1e-5)
    np.testing.assert_allclose(memory.moment, moment, rtol=1e-5, atol=1e-6)


def test_it_is_the_model_of_this_version_that_is_asked_for() -> None:
    memories = after(5)
    assert online.of(memories, "a") is memories[0]
    assert online.of(memories, "b") is None
    assert online.of((), "a") is None


def test_another_version_starts_anew() -> None:
    known, target = came(TICKS)
    (memory,) = online.learn(after(TICKS), (looked(TICKS, version="b"),), known, target, HORIZONS)
    assert memory.version == "b"
    assert (memory.gram == 0).all()
    assert (memory.moment == 0).all()
    np.testing.assert_array_equal(memory.seen[0], looked(TICKS).columns)
    assert (memory.seen[1:] == 0).all()


def test_a_tick_from_which_nothing_is_learned_makes_what_was_seen_older() -> None:
    (before,) = after(TICKS)
    (passed,) = online.pass_by((before,))
    np.testing.assert_array_equal(passed.seen[1:], before.seen[:-1])
    assert (passed.seen[0] == 0).all()
    np.testing.assert_array_equal(passed.gram, before.gram)


@pytest.mark.parametrize("symbols", [20, 500])
def test_what_is_kept_is_small(symbols: int) -> None:
    """In single precision, 12 ticks of 16 columns: 15 kB at 20 symbols."""
    seen = Seen(0, "a", FADE, np.ones((symbols, 16), dtype=np.float32))
    known = np.zeros((2, len(HORIZONS), symbols), dtype=bool)
    (memory,) = online.learn((), (seen,), known, np.zeros((len(HORIZONS), symbols)), HORIZONS)
    size = memory.seen.nbytes + memory.gram.nbytes + memory.moment.nbytes
    assert size < 800 * symbols + 4_000
