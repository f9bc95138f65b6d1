"""Circuit breakers: calls to a part that fails stop for a pause that grows up to a limit, then one attempt goes through."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import numpy as np

from engine.domain import model

PLUGIN_ERRORS = model.PLUGIN_ERRORS
CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"
JITTER = 0.2  # of a pause, up or down, so that parts that failed together are not retried together


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with jitter."""

    initial_seconds: float = 1.0  # s
    max_seconds: float = 60.0  # s
    factor: float = 2.0

    def delay(self, failures: int, seed: int) -> float:
        """Seconds to wait after that many failures in a row; the same for the same seed."""
        if failures <= 0:
            return 0.0
        plain = min(self.max_seconds, self.initial_seconds * self.factor ** min(failures - 1, 60))
        return float(plain * (1.0 + JITTER * (2.0 * np.random.default_rng([seed, failures]).random() - 1.0)))


class CircuitBreaker:
    """Closed while all is well; open during the pause after a failure; half-open for the one attempt after it. Safe from any thread."""

    def __init__(self, backoff: Backoff, *, seed: int = 0, failure_threshold: int = 1) -> None:
        """So many failures in a row as `failure_threshold` open the circuit."""
        self._backoff, self._seed, self._failure_threshold = backoff, seed, failure_threshold
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
        """Whether to go ahead; a half-open circuit allows one attempt until its outcome is recorded."""
        with self._lock:
            if self._until is None:
                return True
            if self._trying or now < self._until:
                return False
            self._trying = True
            return True

    def record_failure(self, now: float) -> float:
        """Record a failure; seconds until the next attempt."""
        with self._lock:
            self.failures += 1
            self._trying = False
            if self.failures < self._failure_threshold:
                return 0.0
            pause = self._backoff.delay(self.failures - self._failure_threshold + 1, self._seed)
            self._until = now + pause
            return pause

    def record_success(self) -> int:
        """Record a success, which closes the circuit; the number of failures in a row before it."""
        with self._lock:
            failures, self.failures = self.failures, 0
            self._until, self._trying = None, False
            return failures

    def retry_now(self) -> bool:
        """Allow the next attempt at once; False where the circuit was closed."""
        with self._lock:
            was_open = self._until is not None
            if was_open:
                self._until, self._trying = float("-inf"), False
            return was_open

    def seconds_left(self, now: float) -> float:
        """Seconds until the next attempt, 0 where it is allowed."""
        with self._lock:
            return 0.0 if self._until is None else max(0.0, self._until - now)
