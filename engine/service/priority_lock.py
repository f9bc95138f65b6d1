"""Exclusive access to the engine: neither ticks nor commands ever wait behind a series of the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class PriorityLock:
    """A lock that alternates while both ticks and commands wait: a command goes before the next tick, and a tick before the next command."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._busy = False
        self._ticks = self._commands = 0  # waiting
        self._after_command = False  # the last turn was a command's

    @contextmanager
    def tick(self) -> Iterator[None]:
        """Hold the lock for a tick: at most one of the waiting commands goes first."""
        with self._changed:
            self._ticks += 1
            self._changed.wait_for(lambda: not self._busy and (self._after_command or self._commands == 0))
            self._busy, self._after_command = True, False
            self._ticks -= 1
        yield from self._turn()

    @contextmanager
    def command(self) -> Iterator[None]:
        """Hold the lock for a command: it waits for the current tick, and for one more where a command has just had its turn."""
        with self._changed:
            self._commands += 1
            self._changed.wait_for(lambda: not self._busy and (not self._after_command or self._ticks == 0))
            self._busy, self._after_command = True, True
            self._commands -= 1
        yield from self._turn()

    def yield_to_tick(self, seconds: float) -> bool:
        """Wait until no tick waits or holds the lock, `seconds` at most; for work without the lock that writes to the same store."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ticks == 0 and not (self._busy and not self._after_command), seconds)

    def _turn(self) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
