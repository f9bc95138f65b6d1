"""How long the garbage collector kept this process waiting."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable, Mapping

RECENT_SECONDS = 60.0  # s over which the longest pause is told
MAX_PAUSES = 256  # pauses that may be the longest


class GcPauses:
    """Listens to the collector while it is open; all times are seconds of `tick`. A pause costs under a microsecond to note."""

    def __init__(self, tick: Callable[[], float]) -> None:
        self._tick = tick
        self._begun: float | None = None
        self._lately: deque[tuple[float, float]] = deque(maxlen=MAX_PAUSES)  # when and how long, each longer than all after it
        self.total = 0.0  # s since it was opened

    def open(self) -> None:
        if self._heard not in gc.callbacks:
            gc.callbacks.append(self._heard)

    def close(self) -> None:
        if self._heard in gc.callbacks:
            gc.callbacks.remove(self._heard)

    @property
    def is_open(self) -> bool:
        return self._heard in gc.callbacks

    def longest_recent(self, now: float) -> float:
        """Seconds of the longest pause of the last minute."""
        lately = self._lately
        while lately and lately[0][0] < now - RECENT_SECONDS:
            lately.popleft()
        return lately[0][1] if lately else 0.0

    def _heard(self, phase: str, info: Mapping[str, int]) -> None:  # noqa: ARG002 as the collector calls it
        now = self._tick()
        if phase == "start":
            self._begun = now
        elif self._begun is not None:
            took, self._begun = now - self._begun, None
            self.total += took
            while self._lately and self._lately[-1][1] <= took:
                self._lately.pop()
            self._lately.append((now, took))
