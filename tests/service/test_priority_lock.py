"""The priority lock: one holder at a time, and a command goes before the next tick."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from engine.service.priority_lock import PriorityLock


def test_a_command_goes_before_the_next_tick_however_fast_ticks_follow() -> None:
    turns, order, first, done = PriorityLock(), [], Event(), Event()

    def ticks() -> None:
        for number in range(1_000_000):
            with turns.tick():
                order.append(f"tick {number}")
                first.set()
            if done.is_set():
                return

    def command() -> None:
        first.wait(300.0)
        before = len(order)
        with turns.command():
            order.append(f"command after {len(order) - before}")
        done.set()

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(ticks), pool.submit(command)]
        for future in running:
            future.result(300.0)
    assert any(line.startswith("command") for line in order)


def test_two_never_have_their_turn_together() -> None:
    turns = PriorityLock()
    inside, most = [0], [0]

    def enter(kind: str) -> None:
        for _ in range(200):
            with turns.tick() if kind == "tick" else turns.command():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(enter, kind) for kind in ("tick", "command", "tick", "command")]:
            future.result(300.0)
    assert most[0] == 1


def test_a_turn_that_fails_is_given_back() -> None:
    turns = PriorityLock()
    with pytest.raises(ValueError, match="failed"), turns.tick():
        raise ValueError("failed")
    with turns.command():
        pass


def test_a_tick_that_waits_goes_before_all_but_one_of_the_commands_that_wait() -> None:
    turns, order, waiting = PriorityLock(), [], 20

    def tick() -> None:
        with turns.tick():
            order.append("tick")

    def commands() -> None:
        with turns.command():
            order.append("command")

    with ThreadPoolExecutor(1 + waiting) as pool:
        with turns.command():
            running = [pool.submit(tick), *(pool.submit(commands) for _ in range(waiting))]
            while len(turns._changed._waiters) < 1 + waiting:  # type: ignore[attr-defined]
                pass
        for future in running:
            future.result(300.0)
    assert order.index("tick") <= 1
    assert order.count("command") == waiting


def test_while_both_wait_ticks_and_commands_take_turns() -> None:
    turns, order = PriorityLock(), []

    def enter(kind: str) -> None:
        with turns.tick() if kind == "tick" else turns.command():
            order.append(kind)

    with ThreadPoolExecutor(20) as pool:
        with turns.tick():
            running = [pool.submit(enter, kind) for kind in ["tick", "command"] * 10]
            while len(turns._changed._waiters) < 20:  # type: ignore[attr-defined]
                pass
        for future in running:
            future.result(300.0)
    assert order == ["command", "tick"] * 10


def test_what_takes_no_turn_gives_way_to_a_tick_and_to_no_command() -> None:
    turns = PriorityLock()
    assert turns.yield_to_tick(0.0)
    with turns.command():
        assert turns.yield_to_tick(0.0)
    with turns.tick():
        assert not turns.yield_to_tick(0.0)
    with ThreadPoolExecutor(1) as pool:
        with turns.tick():
            waiting = pool.submit(turns.yield_to_tick, 20.0)
            while not turns._changed._waiters:  # type: ignore[attr-defined]
                pass
        assert waiting.result(300.0)
