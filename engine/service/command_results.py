"""The results of commands, reported to whoever submitted them: at once, or as soon as the store accepts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.domain.ports import Clock
from engine.domain.trading_config import Command
from engine.service.logging import LOG
from engine.service.outbox import Outbox
from engine.store.errors import LeaseLost
from engine.store.inbox import Inbox

FAILED: dict[str, object] = {"error": "it failed: the log has the reason"}
CAPACITY = 1_000  # results that wait for the store


@dataclass(frozen=True, slots=True)
class Result:
    """A command that is over."""

    command: Command
    values: Mapping[str, object]  # with "error" where it failed


class CommandResults:
    """The result of every command of one engine. A command that was carried out is never reported as failed because the store was locked."""

    def __init__(self, inbox: Inbox, clock: Clock) -> None:
        self._inbox, self._clock = inbox, clock
        self._outbox: Outbox[Result] = Outbox("results of commands", self._write, capacity=CAPACITY, batch=1)

    def submit(self, command: Command, result: Mapping[str, object]) -> None:
        """Store a result now, or by a later `flush`."""
        LOG.info("command %s %s by %s: %s", command.id, command.name, command.by, result)
        self._outbox.submit(Result(command, result))

    def flush(self) -> None:
        """Store what the store refused before; raises StoreError where it still does."""
        self._outbox.flush()

    def _write(self, results: Sequence[Result]) -> None:
        for result in results:
            try:
                self._inbox.finish(result.command.id, "error" not in result.values, result.values, self._clock.now())
            except LeaseLost as error:  # the command is another engine's by now
                LOG.warning("the result of command %s is not stored: %s", result.command.id, error)
