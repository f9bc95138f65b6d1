"""The pauses of this process for garbage collection."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Mapping

RECENT_SECONDS = 60.0  # s over which the longest pause is reported
MAX_PAUSES = 256  # candidates for the longest pause


class GcPauses:
    """Listens to the collector while it is open; all times are seconds of `tick`. Recording a pause takes under a microsecond."""

    def __init__(self, tick: Callable[[], float]) -> None:
        self._tick = tick
        self._begun: float | None = None
        self._recent: deque[tuple[float, float]] = deque(maxlen=MAX_PAUSES)  # when and how long, each longer than all after it
        self.total = 0.0  # s since it was opened

    def open(self) -> None:
        if self._record not in gc.callbacks:
            gc.callbacks.append(self._record)

    def close(self) -> None:
        if self._record in gc.callbacks:
            gc.callbacks.remove(self._record)

    @property
    def is_open(self) -> bool:
        return self._record in gc.callbacks

    def longest_recent(self, now: float) -> float:
        """Seconds of the longest pause in the last minute."""
        recent = self._recent
        while recent and recent[0][0] < now - RECENT_SECONDS:
            recent.popleft()
        return recent[0][1] if recent else 0.0

    def _record(self, phase: str, info: Mapping[str, int]) -> None:  # noqa: ARG002 the collector passes it
        now = self._tick()
        if phase == "start":
            self._begun = now
        elif self._begun is not None:
            seconds, self._begun = now - self._begun, None
            self.total += seconds
            while self._recent and self._recent[-1][1] <= seconds:
                self._recent.pop()
            self._recent.append((now, seconds))
