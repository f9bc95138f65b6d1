"""A changed setting of the running engine: it remembers the earlier values, can be reverted, and expires."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
MAX_CHANGES = 8  # that can be reverted
HOLD_SECONDS = 1_800.0  # after which the configured value returns; trouble that remains changes it again


class TemporaryOverride(Generic[T]):
    """Reads and sets one value. `apply_value` takes effect between two ticks, or raises ValueError and changes nothing for an impossible value."""

    def __init__(self, read: Callable[[], T], apply_value: Callable[[T], None], clock: Callable[[], float], *, hold: float = HOLD_SECONDS) -> None:
        """`clock`: seconds of a monotonic clock."""
        self._read, self._apply_value, self._clock, self._hold = read, apply_value, clock, hold
        self._default = read()
        self._earlier: list[T] = []  # the value before each change, oldest first
        self._changed_at = 0.0  # s of the clock, the last change
        self._lock = Lock()

    def current(self) -> T:
        return self._read()

    def default(self) -> T:
        return self._default

    def apply(self, value: T) -> None:
        """Change the value; nothing where it is the same."""
        with self._lock:
            before = self._read()
            if value == before:
                return
            self._apply_value(value)
            self._earlier = [*self._earlier[-MAX_CHANGES:], before]
            self._changed_at = self._clock()

    def revert(self) -> tuple[T, T] | None:
        """Undo the last change; the value before and the value now, None where nothing was changed."""
        with self._lock:
            if not self._earlier:
                return None
            before, earlier = self._read(), self._earlier[-1]
            self._apply_value(earlier)
            self._earlier.pop()
            return before, earlier

    def expire(self) -> tuple[T, T] | None:
        """Return to the configured value once the last change is long ago; the value before and the value now, None where it stays."""
        with self._lock:
            if not self._earlier or self._clock() - self._changed_at < self._hold:
                return None
            before = self._read()
            if before != self._default:
                self._apply_value(self._default)
            self._earlier = []
            return None if before == self._default else (before, self._default)
