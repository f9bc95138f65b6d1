"""The result of a command is stored in the end, whatever the store does meanwhile."""

from __future__ import annotations

import pytest

from engine.domain.control import Command
from engine.shell.answers import Answers
from engine.store.errors import LeaseLost, StoreFailed
from tests.makers import StoppedClock, command


class Shut:
    """An inbox that accepts nothing until it is opened."""

    def __init__(self, *, shut: bool = True) -> None:
        self.shut, self.results = shut, list[tuple[int, bool]]()
        self.elsewhere = -1  # the number of a command that another engine has closed

    def finish(self, number: int, done: bool, result: dict[str, object], now: int) -> None:
        if self.shut:
            raise StoreFailed("the store is locked")
        if number == self.elsewhere:
            raise LeaseLost("another engine has closed it")
        self.results.append((number, done))


def test_results_that_the_store_refuses_are_stored_later_in_order_and_once() -> None:
    inbox = Shut()
    answers = Answers(inbox, StoppedClock())  # type: ignore[arg-type]
    answers.end(command("pause"), {"message": "paused"})
    answers.end(command("ack"), {"error": "no such alert"})
    with pytest.raises(StoreFailed):
        answers.settle()
    assert inbox.results == []
    inbox.shut = False
    answers.settle()
    answers.settle()
    assert [done for _, done in inbox.results] == [True, False]


def test_the_result_of_a_command_that_another_engine_has_closed_holds_up_no_other() -> None:
    inbox = Shut(shut=False)
    inbox.elsewhere = 1
    answers = Answers(inbox, StoppedClock())  # type: ignore[arg-type]
    for number in (1, 2):
        answers.end(Command(number, "pause", (), "ann", ""), {"message": "paused"})
    answers.settle()
    assert inbox.results == [(2, True)]
