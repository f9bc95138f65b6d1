"""What came of a command is said in the end, whatever the store does meanwhile."""

from __future__ import annotations

import pytest

from engine.shell.answers import Answers
from engine.store.errors import StoreFailed
from tests.makers import StoppedClock, command


class Shut:
    """An inbox that takes nothing until it is opened."""

    def __init__(self) -> None:
        self.shut, self.told = True, list[tuple[int, bool]]()

    def finish(self, number: int, done: bool, result: dict[str, object], now: int) -> None:
        if self.shut:
            raise StoreFailed("the store is locked")
        self.told.append((number, done))


def test_what_could_not_be_said_is_said_later_in_order_and_once() -> None:
    inbox = Shut()
    answers = Answers(inbox, StoppedClock())  # type: ignore[arg-type]
    answers.end(command("pause"), {"message": "paused"})
    answers.end(command("ack"), {"error": "no such alert"})
    with pytest.raises(StoreFailed):
        answers.settle()
    assert inbox.told == []
    inbox.shut = False
    answers.settle()
    answers.settle()
    assert [done for _, done in inbox.told] == [True, False]
