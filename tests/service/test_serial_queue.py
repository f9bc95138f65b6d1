"""Serial queues: each command is served once, in order, one at a time, whatever happens to the store, an action or the engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, Lock

import numpy as np
import pytest

from engine.domain.trading_config import Command
from engine.service.clock import WallClock
from engine.service.command_results import CommandResults
from engine.service.scheduler import JobScheduler
from engine.service.serial_queue import MAX_WAITING, STOPPED, CommandResult, ReportProgress, SerialQueue
from engine.store.database import prepare
from engine.store.errors import StoreError
from engine.store.inbox import CommandRecord, Inbox
from tests.makers import StoppedClock
from tests.service.test_scheduler import Watching

NOW = 1_750_000_000 * 10**9


def wish(number: int, by: str = "ann") -> Command:
    return Command(number, "optimize", (("action", "cure"),), by, "it is slow")


class Room:
    """Where actions are run: writes down who was served, and whether two ever were at once."""

    def __init__(self) -> None:
        self.served: list[int] = []
        self.inside, self.most = 0, 0
        self.lock = Lock()
        self.holds: Event | None = None  # that the next one waits for
        self.begun = Event()
        self.fails: set[int] = set()

    def act(self, command: Command, tell: ReportProgress) -> CommandResult:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.served.append(command.id)
        self.begun.set()
        try:
            tell(0.5, "half way")
            if self.holds is not None:
                assert self.holds.wait(300.0)
            if command.id in self.fails:
                raise ZeroDivisionError("an action with a fault")
            return {"status": "done"}
        finally:
            with self.lock:
                self.inside -= 1


class Pen:
    """The inbox of a store that accepts what it is given, unless it is shut."""

    def __init__(self) -> None:
        self.results: list[tuple[int, CommandResult]] = []
        self.notes: dict[int, str] = {}
        self.shut = False

    def report(self, number: int, progress: float, word: str) -> None:
        if self.shut:
            raise StoreError("the store is locked")
        assert 0.0 <= progress <= 1.0
        self.notes[number] = word

    def finish(self, number: int, ok: bool, result: CommandResult, now: int) -> None:
        if self.shut:
            raise StoreError("the store is locked")
        assert ok == ("error" not in result)
        self.results.append((number, result))


def a_queue() -> tuple[SerialQueue, Room, Pen, CommandResults]:
    room, pen = Room(), Pen()
    answers = CommandResults(pen, StoppedClock())  # type: ignore[arg-type]
    return SerialQueue(room.act, pen.report, answers.submit), room, pen, answers


@pytest.fixture
def url(tmp_path: Path) -> str:
    address = f"sqlite:///{tmp_path}/podium.db"
    prepare(address)
    return address


def read_record(inbox: Inbox, number: int) -> CommandRecord:
    record = inbox.get(number)
    assert record is not None
    return record


def engine(inbox: Inbox, queue: Callable[[Inbox], SerialQueue]) -> tuple[SerialQueue, JobScheduler, Callable[[], None]]:
    """The engine's side of the inbox, with the worker it has for this; the last one ends it."""
    jobs, watch = JobScheduler(WallClock()), Watching()
    hands = queue(inbox)

    def obey() -> None:
        while (command := inbox.claim(NOW)) is not None:
            if hands.enqueue(command):
                jobs.run_once("optimizer", "optimize", hands.run_next, watch, executor="optimize")

    jobs.start()
    jobs.run_every(0.02, "engine", "commands", obey, watch)

    def end() -> None:
        hands.stop()
        assert jobs.stop(20)

    return hands, jobs, end


def test_people_who_click_at_once_are_each_served_once_in_order_and_one_at_a_time(url: str) -> None:
    people, clicks = 6, 5
    room, inbox, together = Room(), Inbox(url), Barrier(people)
    done = Event()

    def finish(command: Command, records: CommandResult) -> None:
        inbox.finish(command.id, "error" not in records, records, NOW)
        if len(room.served) == people * clicks:
            done.set()

    _, _, end = engine(inbox, lambda box: SerialQueue(room.act, box.report_progress, finish))

    def click(who: int) -> list[int]:
        own = Inbox(url)
        together.wait()
        numbers = [own.submit("optimize", {"action": "cure"}, f"person {who}", "it is slow", NOW) for _ in range(clicks)]
        own.close()
        return numbers

    with ThreadPoolExecutor(people) as pool:
        numbers = [number for records in pool.map(click, range(people)) for number in records]
    assert done.wait(300.0)
    end()
    assert room.served == sorted(numbers)
    assert room.most == 1
    records = [read_record(inbox, number) for number in numbers]
    assert [record.status for record in records] == ["done"] * (people * clicks)
    assert [json.loads(str(record.result)) for record in records] == [{"status": "done"}] * (people * clicks)
    assert {record.command.by for record in records} == {f"person {who}" for who in range(people)}
    inbox.close()


@pytest.mark.parametrize("seed", range(40))
def test_there_are_as_many_results_as_commands_whatever_the_order_of_events(seed: int) -> None:
    """Taking, serving, a store that is shut, an action with a fault and the stop, in any order."""
    chance = np.random.default_rng([seed])
    hands, room, pen, answers = a_queue()
    taken: list[int] = []
    for _ in range(60):
        match int(chance.integers(6)):
            case 0 | 1:
                taken.append(len(taken) + 1)
                if chance.random() < 0.2:
                    room.fails.add(taken[-1])
                hands.enqueue(wish(taken[-1]))
            case 2 | 3:
                try:
                    hands.run_next()
                except ZeroDivisionError:
                    assert room.served[-1] in room.fails
            case 4:
                pen.shut = not pen.shut
            case _ if not pen.shut:
                answers.flush()
    pen.shut = False
    hands.stop()
    answers.flush()
    assert sorted(number for number, _ in pen.results) == taken
    assert room.served == taken[: len(room.served)]
    assert room.most <= 1
    for number, result in pen.results:
        assert ("error" in result) == (number in room.fails or number not in room.served)


def test_everybody_who_waits_sees_their_place_and_it_moves_up() -> None:
    hands, _, pen, _ = a_queue()
    for number in (1, 2, 3):
        hands.enqueue(wish(number))
    assert pen.notes == {1: "is next", 2: "waits for 1 before it", 3: "waits for 2 before it"}
    hands.run_next()
    assert pen.notes == {1: "half way", 2: "waits for 1 before it", 3: "waits for 2 before it"}
    hands.run_next()
    assert pen.notes[3] == "waits for 1 before it"


def test_a_stop_ends_those_that_wait_in_one_line_and_lets_the_one_in_hand_finish() -> None:
    hands, room, pen, _ = a_queue()
    room.holds = Event()
    for number in (1, 2, 3):
        hands.enqueue(wish(number))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(hands.run_next)
        assert room.begun.wait(300.0)
        hands.stop()
        assert pen.results == [(2, {"error": STOPPED}), (3, {"error": STOPPED})]
        room.holds.set()
        running.result()
    assert pen.results[-1] == (1, {"status": "done"})
    assert not hands.enqueue(wish(4))
    assert pen.results[-1] == (4, {"error": STOPPED})
    assert room.served == [1]


def test_a_restart_runs_no_command_a_second_time(url: str) -> None:
    inbox = Inbox(url)
    numbers = [inbox.submit("optimize", {"action": "cure"}, "ann", "it is slow", NOW) for _ in range(3)]
    first, second = Room(), Room()
    hands = SerialQueue(first.act, inbox.report_progress, lambda *_: None)  # the engine dies before it can say anything
    for _ in range(2):
        command = inbox.claim(NOW)
        assert command is not None
        hands.enqueue(command)
    hands.run_next()
    done = Event()

    def finish(command: Command, result: CommandResult) -> None:
        inbox.finish(command.id, True, result, NOW)
        done.set()

    _, _, end = engine(inbox, lambda box: SerialQueue(second.act, box.report_progress, finish))
    assert done.wait(300.0)
    end()
    assert (first.served, second.served) == (numbers[:1], numbers[2:])
    inbox.close()


def test_an_action_with_a_fault_is_named_and_the_next_one_is_served() -> None:
    hands, room, pen, _ = a_queue()
    room.fails = {1}
    hands.enqueue(wish(1))
    hands.enqueue(wish(2))
    with pytest.raises(ZeroDivisionError):  # for the log
        hands.run_next()
    hands.run_next()
    assert pen.results == [(1, {"error": "it failed: the log has the reason"}), (2, {"status": "done"})]


def test_a_result_the_store_would_not_take_is_offered_again() -> None:
    hands, _, pen, answers = a_queue()
    hands.enqueue(wish(1))
    pen.shut = True
    hands.run_next()
    assert pen.results == []
    pen.shut = False
    answers.flush()
    answers.flush()
    assert pen.results == [(1, {"status": "done"})]


def test_a_queue_that_is_full_says_so() -> None:
    hands, room, pen, _ = a_queue()
    for number in range(1, MAX_WAITING + 2):
        hands.enqueue(wish(number))
    assert pen.results == [(MAX_WAITING + 1, {"error": f"{MAX_WAITING} wait already: ask again when some are done"})]
    for _ in range(MAX_WAITING):
        hands.run_next()
    assert len(room.served) == MAX_WAITING


def test_a_command_that_waits_can_be_withdrawn_and_is_not_served() -> None:
    hands, room, pen, _ = a_queue()
    for number in (1, 2, 3):
        hands.enqueue(wish(number))
    assert hands.withdraw(2) == wish(2)
    assert pen.notes[3] == "waits for 1 before it"
    assert hands.withdraw(2) is None
    for _ in range(3):
        hands.run_next()
    assert room.served == [1, 3]
    assert hands.running is None
