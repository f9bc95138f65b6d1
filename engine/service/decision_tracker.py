"""Tracks the newest decision: its context, for drills, and the progress of deciding, for alerts."""

from __future__ import annotations

from collections.abc import Callable

from engine.alerting.drills import DecisionContext
from engine.domain.alerting import EngineProgress
from engine.domain.ports import Clock
from engine.domain.state import State
from engine.domain.tick import Tick
from engine.service.engine import Engine

LATE_INTERVALS, LATE_SECONDS = 1.5, 1.0  # after so many intervals and seconds without a decision, a tick is late


class DecisionTracker:
    """The newest decision of one engine. Any thread may read it."""

    def __init__(self, clock: Clock, engine: Engine) -> None:
        self._clock, self._engine = clock, engine
        self._started = clock.tick()
        self._decided_at: float | None = None  # s of the monotonic clock
        self.context: DecisionContext | None = None
        self.read_interval: Callable[[], float] = lambda: 0.0  # s between ticks as it is now, 0 for as fast as possible

    def record(self, tick: Tick, before: State) -> None:
        """Record a tick that was decided from the state `before`."""
        self._decided_at = self._clock.tick()
        self.context = DecisionContext(tick.inputs, before, self._engine.catalog)

    def progress(self) -> EngineProgress:
        """The progress of deciding."""
        now, decided = self._clock.tick(), self._decided_at
        done, every = self._engine.progress
        silent = None if decided is None else now - decided
        return EngineProgress(now - self._started, silent, self.read_interval(), done < every, self._engine.is_training)

    def is_late(self) -> bool:
        """Whether a tick is late, or the engine decides as fast as it can, as in a warm-up."""
        progress = self.progress()
        silent, latest = progress.silent_seconds, LATE_INTERVALS * progress.tick_interval_seconds + LATE_SECONDS
        return progress.is_warming_up or not progress.tick_interval_seconds or silent is None or silent > latest

    def has_time(self) -> bool:
        """Whether the engine waits for the time of its next tick and trains nothing."""
        return not self.is_late() and not self._engine.training_jobs and not self._engine.challengers.searches
