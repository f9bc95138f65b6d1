"""A setting of the running engine that is turned for a while: it remembers what was, and goes back by itself."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
MAX_CHANGES = 8  # turns that can be taken back
HOLD_SECONDS = 1_800.0  # s after which a turned setting goes back: trouble that is still there turns it again


class TemporaryOverride(Generic[T]):
    """Reads and sets one thing. `apply` takes hold between two ticks and raises ValueError, having changed nothing, for what cannot be."""

    def __init__(self, read: Callable[[], T], apply: Callable[[T], None], clock: Callable[[], float], *, hold: float = HOLD_SECONDS) -> None:
        """`clock`: seconds of a monotonic clock."""
        self._read, self._apply, self._clock, self._hold = read, apply, clock, hold
        self._usual = read()
        self._earlier: list[T] = []  # what each turn took the place of, the oldest first
        self._turned = 0.0  # s of the clock, the last turn
        self._lock = Lock()

    def current(self) -> T:
        return self._read()

    def default(self) -> T:
        return self._usual

    def apply(self, wanted: T) -> None:
        with self._lock:
            before = self._read()
            if wanted == before:
                return
            self._apply(wanted)
            self._earlier = [*self._earlier[-MAX_CHANGES:], before]
            self._turned = self._clock()

    def revert(self) -> tuple[T, T] | None:
        with self._lock:
            if not self._earlier:
                return None
            was, wanted = self._read(), self._earlier[-1]
            self._apply(wanted)
            self._earlier.pop()
            return was, wanted

    def expire(self) -> tuple[T, T] | None:
        """Goes back to how it was set up once the last turn is long ago; what was in force and what is now, None where it stays."""
        with self._lock:
            if not self._earlier or self._clock() - self._turned < self._hold:
                return None
            was = self._read()
            if was != self._usual:
                self._apply(self._usual)
            self._earlier = []
            return None if was == self._usual else (was, self._usual)
