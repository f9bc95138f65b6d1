"""One engine a store, whatever races, dies, or comes back late."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from engine.shell.lease import STALE_AFTER, Lease
from engine.store import database
from engine.store.errors import LeaseLost
from engine.store.inbox import Inbox
from engine.store.writer import Writer
from tests.store import made

ROOT = Path(__file__).parents[2]
NOW = made.WALL
SECOND = 10**9


@pytest.fixture
def url(tmp_path: Path) -> str:
    return made.empty(tmp_path)


@pytest.fixture
def lease(url: str) -> Iterator[Callable[[], Lease]]:
    opened: list[Lease] = []

    def another() -> Lease:
        opened.append(Lease(url))
        return opened[-1]

    yield another
    for each in opened:
        each.close()


def put(url: str, **values: object) -> None:
    """Changes the row of the lease behind everybody's back."""
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        connection.execute(f"UPDATE lease SET {', '.join(f'{name} = ?' for name in values)}", tuple(values.values()))
    connection.close()


def hold_elsewhere(url: str) -> subprocess.Popen[str]:
    """A process that has taken the lease and lives."""
    script = f"from engine.shell.lease import Lease; import sys; print(Lease({url!r}).take({NOW}), flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_of_many_processes_that_race_exactly_one_holds_the_store(url: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.shell.racing", url, "10", "4"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (told.stdout.split(), told.stderr) == (["1"] * 10, "")


def test_a_second_engine_is_refused_while_the_first_beats(lease: Callable[[], Lease]) -> None:
    first, second = lease(), lease()
    assert first.take(NOW)
    for seconds in range(0, 60, 5):
        first.beat(NOW + seconds * SECOND)
        assert not second.take(NOW + seconds * SECOND + 4 * SECOND)
    held = second.holding()
    assert held is not None
    assert (held.holder, held.pid) == (first.holder, os.getpid())


def test_the_holder_may_take_again_and_a_released_store_is_free(lease: Callable[[], Lease]) -> None:
    first, second = lease(), lease()
    assert first.take(NOW)
    assert first.take(NOW + SECOND)
    first.release()
    first.release()
    assert second.take(NOW + 2 * SECOND)
    first.release()
    held = first.holding()
    assert held is not None
    assert held.holder == second.holder


def test_a_holder_that_is_silent_for_15_seconds_is_replaced(lease: Callable[[], Lease]) -> None:
    first, second = lease(), lease()
    assert first.take(NOW)
    assert not second.take(NOW + STALE_AFTER)
    assert second.take(NOW + STALE_AFTER + 1)


def test_a_clock_that_was_set_back_does_not_keep_a_silent_holder(lease: Callable[[], Lease]) -> None:
    first, second = lease(), lease()
    assert first.take(NOW + 3600 * SECOND)
    assert second.take(NOW)


def test_a_killed_holder_is_replaced_at_once(url: str, lease: Callable[[], Lease]) -> None:
    process = hold_elsewhere(url)
    mine = lease()
    assert not mine.take(NOW)
    process.kill()
    process.wait()
    assert mine.take(NOW)
    process.communicate()


def test_a_killed_holder_nobody_has_waited_for_is_replaced_at_once(url: str, lease: Callable[[], Lease]) -> None:
    process = hold_elsewhere(url)
    process.kill()
    zombie = psutil.Process(process.pid)
    while zombie.status() != psutil.STATUS_ZOMBIE:
        pass
    assert lease().take(NOW)
    process.communicate()


def test_a_pid_given_to_another_process_does_not_count_as_the_holder(url: str, lease: Callable[[], Lease]) -> None:
    process = hold_elsewhere(url)
    mine = lease()
    put(url, process_started=psutil.Process(process.pid).create_time() - 100.0)
    assert mine.take(NOW)
    end(process)


@pytest.mark.parametrize("where", [{"host": "elsewhere"}, {"namespace": "pid:[1]"}])
def test_a_holder_elsewhere_is_only_judged_by_its_silence(url: str, lease: Callable[[], Lease], where: dict[str, str]) -> None:
    process = hold_elsewhere(url)
    end(process)
    put(url, **where)
    mine = lease()
    assert not mine.take(NOW + STALE_AFTER)
    assert mine.take(NOW + STALE_AFTER + 1)


def test_a_stale_holder_that_comes_back_can_write_nothing(url: str, lease: Callable[[], Lease]) -> None:
    first, second = lease(), lease()
    assert first.take(NOW)
    old = Writer(url, first.holder)
    market = made.Market()
    made.begin(old, market)
    old.save(market.tick())
    Inbox(url).submit("pause", {}, "ada", "", NOW)
    assert second.take(NOW + 16 * SECOND)
    new = Writer(url, second.holder)
    tick = market.tick()
    with pytest.raises(LeaseLost, match="another engine holds the store"):
        old.save(tick)
    with pytest.raises(LeaseLost, match="another engine has taken the store"):
        first.beat(NOW + 17 * SECOND)
    with pytest.raises(LeaseLost):
        Inbox(url, first.holder).claim(NOW)
    assert new.last_tick() == 0
    new.save(tick)
    assert new.last_tick() == 1
    with database.connect(url, read_only=True).connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM decisions").scalar() == 8


def test_what_a_dead_engine_left_running_is_failed_with_a_reason(url: str, lease: Callable[[], Lease]) -> None:
    first, second = lease(), lease()
    assert first.take(NOW)
    theirs = Inbox(url, first.holder)
    left, waiting = (theirs.submit("retrain", {}, "ada", "", NOW) for _ in range(2))
    assert theirs.claim(NOW) is not None
    assert first.take(NOW + SECOND), "taking again must not fail what is running"
    told = theirs.get(left)
    assert told is not None
    assert told.status == "running"
    assert second.take(NOW + 60 * SECOND)
    told, other = theirs.get(left), theirs.get(waiting)
    assert told is not None
    assert other is not None
    assert (told.status, other.status) == ("failed", "queued")
    assert told.result is not None
    assert "the engine stopped while this was running" in told.result
    with pytest.raises(LeaseLost):
        theirs.finish(left, True, {}, NOW)
