"""The recorder of a running engine, as the component "feed" and the store report it; a disk that is full never stops a tick."""

from __future__ import annotations

from typing import Protocol

from engine.domain.ports import Clock
from engine.feeds.live import LiveFeed
from engine.live.recorder import ParquetRecorder
from engine.resilience.failure_log import FailureLog
from engine.service.engine import Engine
from engine.store.read.recording_state import RECORDER_KEY, RecorderState

PART = ("feed", "recording")
SAVE_SECONDS = 10.0  # between two writes of the state


class StateStore(Protocol):
    """The part of the store's writer that stores a fact."""

    def remember(self, key: str, value: str) -> None: ...


def find_recorder(engine: Engine) -> ParquetRecorder | None:
    """The recorder of the engine's feed; None where nothing is recorded."""
    own = engine.feed.recorder if isinstance(engine.feed, LiveFeed) else None
    return engine.recorder or (own if isinstance(own, ParquetRecorder) else None)


class RecordingMonitor:
    """Reports what the recorder cannot write, and what is lost of the recording."""

    def __init__(self, engine: Engine, session: int, failures: FailureLog, store: StateStore, clock: Clock) -> None:
        self._engine, self._session, self._failures, self._store, self._clock = engine, session, failures, store, clock
        self._problem: str | None = None
        self._reported_rows = 0  # lost, of this recorder
        self._recorder: ParquetRecorder | None = None
        self._saved: tuple[float, RecorderState | None] = (-SAVE_SECONDS, None)

    def run(self) -> None:
        """Report a change since the last call. Raises StoreError."""
        recorder = find_recorder(self._engine)
        if recorder is not self._recorder:
            self._recorder, self._reported_rows = recorder, 0
        if recorder is None:
            self._save(RecorderState(self._session))
            return
        problem = recorder.problem
        if problem is not None and problem != self._problem:
            self._failures.on_failure(*PART, problem)
        elif problem is None:
            self._failures.on_success(*PART)
            if recorder.lost_rows > self._reported_rows:
                lost, self._reported_rows = recorder.lost_rows - self._reported_rows, recorder.lost_rows
                self._failures.record_past_failure(
                    "feed", "recording", 0.0, f"{lost:,} rows of the recording are lost", tries=1, how="the recording goes on with a gap"
                )
        changed, self._problem = problem != self._problem, problem
        self._save(
            RecorderState(self._session, str(recorder.folder), recorder.bars, recorder.lost_rows, recorder.gaps, recorder.deleted_parts, problem),
            at_once=changed,
        )

    def _save(self, state: RecorderState, *, at_once: bool = False) -> None:
        written, saved = self._saved
        now = self._clock.tick()
        if state != saved and (at_once or now - written >= SAVE_SECONDS):
            self._store.remember(RECORDER_KEY, state.encode())
            self._saved = (now, state)
