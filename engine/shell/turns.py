"""Who may touch the engine now: one at a time, and a command never waits behind a run of ticks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Turns:
    """A lock that lets commands go before the next tick, however fast ticks follow one another."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._busy = False
        self._wishes = 0

    @contextmanager
    def tick(self) -> Iterator[None]:
        """A tick's turn: waits for every command that is waiting."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and self._wishes == 0)
            self._busy = True
        yield from self._turn()

    @contextmanager
    def command(self) -> Iterator[None]:
        """A command's turn: waits for the tick in hand only."""
        with self._changed:
            self._wishes += 1
            self._changed.wait_for(lambda: not self._busy)
            self._busy, self._wishes = True, self._wishes - 1
        yield from self._turn()

    def _turn(self) -> Iterator[None]:
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
