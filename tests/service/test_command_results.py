"""What came of a command is said in the end, whatever the store does meanwhile."""

from __future__ import annotations

import pytest

from engine.service.command_results import CommandResults
from engine.store.errors import StoreError
from tests.makers import StoppedClock, command


class Shut:
    """An inbox that takes nothing until it is opened."""

    def __init__(self) -> None:
        self.shut, self.told = True, list[tuple[int, bool]]()

    def finish(self, number: int, done: bool, result: dict[str, object], now: int) -> None:
        if self.shut:
            raise StoreError("the store is locked")
        self.told.append((number, done))


def test_what_could_not_be_said_is_said_later_in_order_and_once() -> None:
    inbox = Shut()
    answers = CommandResults(inbox, StoppedClock())  # type: ignore[arg-type]
    answers.submit(command("pause"), {"message": "paused"})
    answers.submit(command("ack"), {"error": "no such alert"})
    with pytest.raises(StoreError):
        answers.flush()
    assert inbox.told == []
    inbox.shut = False
    answers.flush()
    answers.flush()
    assert [done for _, done in inbox.told] == [True, False]
