"""A command that is waited for comes back in time and truthfully, whatever the store and the engine do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.__main__ import main
from engine.cli.command import explain_wait, wait_for_command
from engine.domain.trading_config import Command
from engine.health import SECOND, HealthInputs
from engine.service.lease import Lease
from engine.store.connection import Store
from engine.store.errors import StoreError
from engine.store.inbox import CommandRecord, Inbox
from tests.makers import START, SetClock
from tests.store.made import empty

LOCKED = StoreError("the store is locked by another process")
ALIVE = HealthInputs(START, START - SECOND, START - 99 * SECOND, 2.0, 7, START - 2 * SECOND, (), 7, 7, 0)


def command(status: str) -> CommandRecord:
    return CommandRecord(
        Command(3, "pause", (), "ann", ""), START, status, '{"message": "paused"}' if status == "done" else None, None, None, None, None
    )


@dataclass
class Looks:
    """Answers each look with the next of what it was given, and with the last for ever; each takes so many seconds."""

    clock: SetClock
    answers: list[CommandRecord | StoreError | None]
    takes: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def get(self, number: int) -> CommandRecord | None:
        self.clock.seconds += self.takes
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, StoreError):
            raise answer
        return answer

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.seconds += seconds


@pytest.mark.parametrize(
    ("answers", "takes", "status", "latest"),
    [
        ([command("queued"), command("running"), command("done")], 0.0, "done", 0.3),
        ([command("queued")], 0.0, "queued", 5.0),
        ([command("running")], 0.0, "running", 5.0),
        ([LOCKED], 0.3, "unknown", 5.4),
        ([command("queued"), LOCKED], 0.3, "queued", 5.4),
        ([LOCKED, LOCKED, command("done")], 0.3, "done", 1.2),
        ([None], 0.0, "gone", 0.0),
    ],
)
def test_a_wait_of_five_seconds_ends_within_six(answers: list[CommandRecord | StoreError | None], takes: float, status: str, latest: float) -> None:
    clock = SetClock()
    looks = Looks(clock, answers, takes)
    waited = wait_for_command(looks, 3, 5.0, clock, looks.pause)
    assert waited.status == status
    assert clock.seconds == pytest.approx(latest, abs=0.35)


def told(status: str | None, vitals: Callable[[], HealthInputs], trouble: str | None = None) -> str:
    clock = SetClock()
    looks = Looks(clock, [None if status is None else command(status)])
    waited = wait_for_command(looks, 3, 0.0, clock, looks.pause)
    if trouble:
        looks.answers = [StoreError(trouble)]
        waited = wait_for_command(looks, 3, 0.0, clock, looks.pause)
    return explain_wait(waited, 3, 5.0, vitals)


def test_what_is_not_over_is_told_with_the_reason_and_how_to_look_it_up() -> None:
    def locked() -> HealthInputs:
        raise LOCKED

    dead = told("queued", lambda: HealthInputs(START, None, None, 2.0, 7, START, (), 7, 7, 0))
    assert dead.startswith("still waiting: command 3 was submitted and is queued after 5 s: no engine runs on this store, and it is carried out")
    assert "the current tick takes long, for instance while it waits for a training" in told("queued", lambda: ALIVE)
    assert "is running after 5 s: the engine is carrying it out" in told("running", lambda: ALIVE)
    assert str(LOCKED) in told("queued", locked)
    assert "is unknown after 5 s, as last read: the store is locked" in told("queued", lambda: ALIVE, "the store is locked")
    for text in (dead, told("queued", lambda: ALIVE), told("running", lambda: ALIVE)):
        assert "python -m engine export commands --limit 20 (id 3)" in text


@pytest.fixture
def url(tmp_path: Path) -> str:
    return empty(tmp_path)


def test_a_store_that_is_locked_takes_no_command_and_says_so(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    held = Store(url, None)
    with held.write():
        assert main(["command", "pause", "--wait", "0", "--store", url]) == 64
    held.close()
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("podium: pause was not submitted: the store")
    assert Inbox(url).get(1) is None


def test_a_dead_engine_leaves_the_command_queued_and_the_way_to_it_is_told(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    lease = Lease(url)
    assert lease.acquire(START, 0.0)
    lease.close()
    assert main(["command", "pause", "--wait", "0", "--store", url]) == 1
    out, err = capsys.readouterr()
    assert (json.loads(out)["id"], json.loads(out)["status"]) == (1, "queued")
    assert "still waiting: command 1 was submitted and is queued" in err
    assert "the engine's last heartbeat was" in err
    assert main(["export", "commands", "--limit", "20", "--store", url]) == 0
    assert "1," in capsys.readouterr().out
