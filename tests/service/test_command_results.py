"""The result of a command is stored in the end, whatever the store does meanwhile."""

from __future__ import annotations

import pytest

from engine.domain.trading_config import Command
from engine.service.command_results import CommandResults
from engine.store.errors import LeaseLost, StoreError
from tests.makers import StoppedClock, command


class Shut:
    """An inbox that accepts nothing until it is opened."""

    def __init__(self, *, shut: bool = True) -> None:
        self.shut, self.results = shut, list[tuple[int, bool]]()
        self.elsewhere = -1  # the number of a command that another engine has closed

    def finish(self, number: int, done: bool, result: dict[str, object], now: int) -> None:
        if self.shut:
            raise StoreError("the store is locked")
        if number == self.elsewhere:
            raise LeaseLost("another engine has closed it")
        self.results.append((number, done))


def test_results_that_the_store_refuses_are_stored_later_in_order_and_once() -> None:
    inbox = Shut()
    answers = CommandResults(inbox, StoppedClock())  # type: ignore[arg-type]
    answers.submit(command("pause"), {"message": "paused"})
    answers.submit(command("ack"), {"error": "no such alert"})
    with pytest.raises(StoreError):
        answers.flush()
    assert inbox.results == []
    inbox.shut = False
    answers.flush()
    answers.flush()
    assert [done for _, done in inbox.results] == [True, False]


def test_the_result_of_a_command_that_another_engine_has_closed_holds_up_no_other() -> None:
    inbox = Shut(shut=False)
    inbox.elsewhere = 1
    answers = CommandResults(inbox, StoppedClock())  # type: ignore[arg-type]
    for number in (1, 2):
        answers.submit(Command(number, "pause", (), "ann", ""), {"message": "paused"})
    answers.flush()
    assert inbox.results == [(2, True)]
