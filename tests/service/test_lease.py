"""One engine per store, whatever races, dies or comes back late."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from engine.health import CLOCK_STEP_KEY
from engine.service.lease import CONFIRM_SECONDS, LEASE_NS, Lease
from engine.store import database
from engine.store.errors import LeaseLost
from engine.store.inbox import Inbox
from engine.store.write.writer import Writer
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
    script = f"from engine.service.lease import Lease; import sys; print(Lease({url!r}).acquire({NOW}, 0.0), flush=True); sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def outwatch(waiting: Lease, now: int) -> bool:
    """Whether a store is taken by an engine that has watched its holder for long enough."""
    assert not waiting.acquire(now, 0.0)
    assert waiting.is_in_doubt
    assert not waiting.acquire(now, CONFIRM_SECONDS - 0.1)
    return waiting.acquire(now, CONFIRM_SECONDS)


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_of_many_processes_that_race_exactly_one_holds_the_store(url: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "tests.service.racing", url, "10", "4"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    assert (finished.stdout.split(), finished.stderr) == (["1"] * 10, "")


def test_a_second_engine_is_refused_while_the_first_beats(lease: Callable[[], Lease]) -> None:
    first, second = lease(), lease()
    assert first.acquire(NOW, 0.0)
    for seconds in range(0, 60, 5):
        first.renew(NOW + seconds * SECOND)
        assert not second.acquire(NOW + seconds * SECOND + 4 * SECOND, 0.0)
    held = second.read_holder()
    assert held is not None
    assert (held.id, held.pid) == (first.holder_id, os.getpid())


def test_the_holder_may_take_again_and_a_released_store_is_free(lease: Callable[[], Lease]) -> None:
    first, second = lease(), lease()
    assert first.acquire(NOW, 0.0)
    assert first.acquire(NOW + SECOND, 0.0)
    first.release()
    first.release()
    assert second.acquire(NOW + 2 * SECOND, 0.0)
    first.release()
    held = first.read_holder()
    assert held is not None
    assert held.id == second.holder_id


def test_a_holder_that_is_silent_for_15_seconds_is_replaced(lease: Callable[[], Lease]) -> None:
    first, second = lease(), lease()
    assert first.acquire(NOW, 0.0)
    assert not second.acquire(NOW + LEASE_NS, 0.0)
    assert not second.is_in_doubt
    assert outwatch(second, NOW + LEASE_NS + 1)


def test_a_clock_that_was_set_back_does_not_keep_a_silent_holder(lease: Callable[[], Lease]) -> None:
    first, second = lease(), lease()
    assert first.acquire(NOW + 3600 * SECOND, 0.0)
    assert outwatch(second, NOW)


@pytest.mark.parametrize("jump", [-4 * 3_600, -20, 20, 4 * 3_600])
def test_a_clock_that_is_set_or_a_machine_that_slept_takes_the_store_from_no_engine_that_lives(lease: Callable[[], Lease], jump: int) -> None:
    first, second = lease(), lease()
    assert first.acquire(NOW, 0.0)
    assert not second.acquire(NOW + SECOND, 1.0)
    after = NOW + (3 + jump) * SECOND
    assert not second.acquire(after, 3.0), "before the first beat by the new time"
    first.renew(after + SECOND, float(jump))
    for second_after in range(2, 60, 2):
        assert not second.acquire(after + second_after * SECOND, 3.0 + second_after)
        first.renew(after + second_after * SECOND)


def test_by_how_much_the_clock_was_set_is_kept_with_the_beat(url: str, lease: Callable[[], Lease]) -> None:
    mine = lease()
    assert mine.acquire(NOW, 0.0)
    mine.renew(NOW + SECOND)
    mine.renew(NOW - 3_600 * SECOND, -3_601.0)
    mine.renew(NOW - 3_598 * SECOND)
    with database.connect(url, read_only=True).connect() as connection:
        step = connection.exec_driver_sql("SELECT value FROM meta WHERE key = ?", (CLOCK_STEP_KEY,)).scalar_one()
    assert json.loads(step) == {"at": NOW - 3_600 * SECOND, "seconds": -3_601.0}


def test_a_killed_holder_is_replaced_at_once(url: str, lease: Callable[[], Lease]) -> None:
    process = hold_elsewhere(url)
    mine = lease()
    assert not mine.acquire(NOW, 0.0)
    process.kill()
    process.wait()
    assert mine.acquire(NOW, 0.0)
    process.communicate()


def test_a_killed_holder_nobody_has_waited_for_is_replaced_at_once(url: str, lease: Callable[[], Lease]) -> None:
    process = hold_elsewhere(url)
    process.kill()
    zombie = psutil.Process(process.pid)
    while zombie.status() != psutil.STATUS_ZOMBIE:
        pass
    assert lease().acquire(NOW, 0.0)
    process.communicate()


def test_a_pid_given_to_another_process_does_not_count_as_the_holder(url: str, lease: Callable[[], Lease]) -> None:
    process = hold_elsewhere(url)
    mine = lease()
    put(url, process_started=psutil.Process(process.pid).create_time() - 100.0)
    assert mine.acquire(NOW, 0.0)
    end(process)


@pytest.mark.parametrize("where", [{"host": "elsewhere"}, {"namespace": "pid:[1]"}])
def test_a_holder_elsewhere_is_only_judged_by_its_silence(url: str, lease: Callable[[], Lease], where: dict[str, str]) -> None:
    process = hold_elsewhere(url)
    end(process)
    put(url, **where)
    mine = lease()
    assert not mine.acquire(NOW + LEASE_NS, 0.0)
    assert outwatch(mine, NOW + LEASE_NS + 1)


def test_a_stale_holder_that_comes_back_can_write_nothing(url: str, lease: Callable[[], Lease]) -> None:
    first, second = lease(), lease()
    assert first.acquire(NOW, 0.0)
    old = Writer(url, first.holder_id)
    market = made.Market()
    made.begin(old, market)
    old.save(market.tick())
    Inbox(url).submit("pause", {}, "ada", "", NOW)
    assert outwatch(second, NOW + 16 * SECOND)
    new = Writer(url, second.holder_id)
    tick = market.tick()
    with pytest.raises(LeaseLost, match="another engine holds the store"):
        old.save(tick)
    with pytest.raises(LeaseLost, match="another engine has taken the store"):
        first.renew(NOW + 17 * SECOND)
    with pytest.raises(LeaseLost):
        Inbox(url, first.holder_id).claim(NOW)
    assert new.last_tick() == 0
    new.save(tick)
    assert new.last_tick() == 1
    with database.connect(url, read_only=True).connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM decisions").scalar() == 8


def test_what_a_dead_engine_left_running_is_failed_with_a_reason(url: str, lease: Callable[[], Lease]) -> None:
    first, second = lease(), lease()
    assert first.acquire(NOW, 0.0)
    theirs = Inbox(url, first.holder_id)
    left, waiting = (theirs.submit("retrain", {}, "ada", "", NOW) for _ in range(2))
    assert theirs.claim(NOW) is not None
    assert first.acquire(NOW + SECOND, 0.0), "taking again must not fail what is running"
    record = theirs.get(left)
    assert record is not None
    assert record.status == "running"
    assert outwatch(second, NOW + 60 * SECOND)
    record, other = theirs.get(left), theirs.get(waiting)
    assert record is not None
    assert other is not None
    assert (record.status, other.status) == ("failed", "queued")
    assert record.result is not None
    assert "the engine stopped while this was running" in record.result
    with pytest.raises(LeaseLost):
        theirs.finish(left, True, {}, NOW)
