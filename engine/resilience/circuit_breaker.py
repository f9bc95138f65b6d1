"""Circuit breakers: what fails is left alone for a while, ever longer up to a limit, then tried once."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import numpy as np

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"
# What may go wrong in a feed, a model or a source that others have written: everything but what ends a process.
PLUGIN_ERRORS = (OSError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError, AssertionError, RuntimeError, MemoryError)
JITTER = 0.2  # of a pause, up or down, so that many that failed together do not come back together


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after each failure in a row."""

    initial_seconds: float = 1.0  # s
    max_seconds: float = 60.0  # s
    factor: float = 2.0

    def delay(self, failures: int, seed: int) -> float:
        """Seconds after that many failures in a row; the same for the same seed."""
        if failures <= 0:
            return 0.0
        plain = min(self.max_seconds, self.initial_seconds * self.factor ** min(failures - 1, 60))
        return float(plain * (1.0 + JITTER * (2.0 * np.random.default_rng([seed, failures]).random() - 1.0)))


class CircuitBreaker:
    """Closed while all is well; open, and shut to tries, for a pause after each failure; half-open for one try after it. Safe from any thread."""

    def __init__(self, backoff: Backoff, *, seed: int = 0, failure_threshold: int = 1) -> None:
        """`patience` failures in a row open it."""
        self._backoff, self._seed, self._patience = backoff, seed, failure_threshold
        self._lock = Lock()
        self._until: float | None = None  # s, monotonic; None while closed
        self._trying = False
        self.failures = 0  # in a row

    def state(self, now: float) -> str:
        with self._lock:
            if self._until is None:
                return CLOSED
            return HALF_OPEN if self._trying or now >= self._until else OPEN

    def allows_attempt(self, now: float) -> bool:
        """Whether to go ahead; a half-open circuit lets one through until it is told how that went."""
        with self._lock:
            if self._until is None:
                return True
            if self._trying or now < self._until:
                return False
            self._trying = True
            return True

    def record_failure(self, now: float) -> float:
        """Seconds until the next try."""
        with self._lock:
            self.failures += 1
            self._trying = False
            if self.failures < self._patience:
                return 0.0
            pause = self._backoff.delay(self.failures - self._patience + 1, self._seed)
            self._until = now + pause
            return pause

    def record_success(self) -> int:
        """Closes it; how many failures there were in a row."""
        with self._lock:
            failures, self.failures = self.failures, 0
            self._until, self._trying = None, False
            return failures

    def retry_now(self) -> bool:
        """Lets the next try go at once; False where nothing held it back."""
        with self._lock:
            held = self._until is not None
            if held:
                self._until, self._trying = float("-inf"), False
            return held

    def seconds_left(self, now: float) -> float:
        """Seconds until the next try, 0 where one may go."""
        with self._lock:
            return 0.0 if self._until is None else max(0.0, self._until - now)
