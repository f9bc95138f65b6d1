"""The optimizer's pen: each call a transaction of the writer; how a trial ended is not lost to a store that cannot be written just now."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from threading import Lock

from engine.domain.judging import Judgement
from engine.domain.optimization import ActionResult, Firing, Trial
from engine.store.errors import StoreError
from engine.store.write import optimizer
from engine.store.write.writer import Writer


class OptimizerRepository:
    """Raises StoreFailed in one line, but for `finish_trial`."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._unsaid: deque[tuple[int, Trial]] = deque(maxlen=1_000)
        self._lock = Lock()

    def tune(self) -> ActionResult:
        return self._writer.tune()

    def save_trial(self, trial: Trial) -> int:
        return self._writer.save_trial(trial)

    def save_firing(self, told: Firing) -> int:
        return self._writer.save_firing(told)

    def finish_trial(self, number: int, trial: Trial) -> None:
        """How a trial ended; kept for `settle` where the store does not take it."""
        try:
            with self._writer.write() as connection:
                optimizer.finish_trial(connection, number, trial)
        except StoreError:
            with self._lock:
                self._unsaid.append((number, trial))

    def flush(self) -> None:
        """Writes what could not be written before."""
        while True:
            with self._lock:
                if not self._unsaid:
                    return
                number, trial = self._unsaid[0]
            with self._writer.write() as connection:
                optimizer.finish_trial(connection, number, trial)
            with self._lock:
                self._unsaid.popleft()

    def open_session(self, modes: Mapping[str, str]) -> int:
        """What a start does: closes what was left open, gives first licences, shows the modes; how many trials were closed."""
        with self._writer.write() as connection:
            optimizer.grant_initial_licences(connection)
            optimizer.save_active_modes(connection, modes)
            return optimizer.close_interrupted_trials(connection)

    def save_answer(self, number: int, text: str) -> None:
        with self._writer.write() as connection:
            optimizer.save_answer(connection, number, text)

    def save_judgement(self, action: str, metric: str, unit: str, at: int, told: Judgement) -> None:
        with self._writer.write() as connection:
            optimizer.save_judgement(connection, action, metric, unit, at, told)

    def set_licence(self, action: str, licence: str, why: str, at: int) -> None:
        with self._writer.write() as connection:
            optimizer.set_licence(connection, action, licence, why, at)

    def set_mode(self, action: str, mode: str) -> None:
        with self._writer.write() as connection:
            optimizer.set_mode(connection, action, mode)

    def save_rule(self, name: str, told: Mapping[str, str], at: int, by: str, reason: str) -> None:
        with self._writer.write() as connection:
            optimizer.save_rule(connection, name, told, at, by, reason)

    def delete_rule(self, name: str) -> bool:
        with self._writer.write() as connection:
            return optimizer.delete_rule(connection, name)
