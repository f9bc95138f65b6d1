"""What came of commands, said to whoever asked: now, or as soon as the store takes it."""

from __future__ import annotations

from engine.domain.ports import Clock
from engine.domain.trading_config import Command
from engine.service.logging import LOG
from engine.store.errors import StoreError
from engine.store.inbox import Inbox

FAILED: dict[str, object] = {"error": "it failed: the log has the reason"}


class CommandResults:
    """Only the thread that obeys commands calls `end` and `settle`."""

    def __init__(self, inbox: Inbox, clock: Clock) -> None:
        self._inbox, self._clock = inbox, clock
        self._untold: list[tuple[Command, dict[str, object]]] = []

    def write(self, command: Command, told: dict[str, object]) -> None:
        """Raises StoreFailed where it cannot be said now."""
        LOG.info("command %s %s by %s: %s", command.id, command.name, command.by, told)
        self._inbox.finish(command.id, "error" not in told, told, self._clock.now())

    def submit(self, command: Command, told: dict[str, object]) -> None:
        """Says it by the next `settle` at the latest that the store is open to: what was carried out is never called failed for a lock."""
        try:
            self.write(command, told)
        except StoreError as error:
            LOG.warning("what came of command %s is told later: %s", command.id, error)
            self._untold.append((command, told))

    def flush(self) -> None:
        """Says what could not be said; raises StoreFailed where it still cannot."""
        while self._untold:
            self.write(*self._untold[0])
            self._untold.pop(0)
