"""The optimizer's pen: each call a transaction of the writer; how a trial ended is not lost to a store that cannot be written just now."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from threading import Lock

from engine.domain.judging import Judgement
from engine.domain.tuning import Firing, Measured, Trial
from engine.store import optimizer_rows
from engine.store.errors import StoreFailed
from engine.store.writer import Writer


class OptimizerPen:
    """Raises StoreFailed in one line, but for `finish_trial`."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._unsaid: deque[tuple[int, Trial]] = deque(maxlen=1_000)
        self._lock = Lock()

    def tune(self) -> Measured:
        return self._writer.tune()

    def save_trial(self, trial: Trial) -> int:
        return self._writer.save_trial(trial)

    def save_firing(self, told: Firing) -> int:
        return self._writer.save_firing(told)

    def finish_trial(self, number: int, trial: Trial) -> None:
        """How a trial ended; kept for `settle` where the store does not take it."""
        try:
            with self._writer.write() as connection:
                optimizer_rows.finish_trial(connection, number, trial)
        except StoreFailed:
            with self._lock:
                self._unsaid.append((number, trial))

    def settle(self) -> None:
        """Writes what could not be written before."""
        while True:
            with self._lock:
                if not self._unsaid:
                    return
                number, trial = self._unsaid[0]
            with self._writer.write() as connection:
                optimizer_rows.finish_trial(connection, number, trial)
            with self._lock:
                self._unsaid.popleft()

    def open(self, modes: Mapping[str, str]) -> int:
        """What a start does: closes what was left open, gives first licences, shows the modes; how many trials were closed."""
        with self._writer.write() as connection:
            optimizer_rows.give_first_licences(connection)
            optimizer_rows.show_modes(connection, modes)
            return optimizer_rows.close_unfinished(connection)

    def answer(self, number: int, text: str) -> None:
        with self._writer.write() as connection:
            optimizer_rows.answer(connection, number, text)

    def keep_judgement(self, action: str, metric: str, unit: str, at: int, told: Judgement) -> None:
        with self._writer.write() as connection:
            optimizer_rows.keep_judgement(connection, action, metric, unit, at, told)

    def set_licence(self, action: str, licence: str, why: str, at: int) -> None:
        with self._writer.write() as connection:
            optimizer_rows.set_licence(connection, action, licence, why, at)

    def set_mode(self, action: str, mode: str) -> None:
        with self._writer.write() as connection:
            optimizer_rows.set_mode(connection, action, mode)

    def keep_rule(self, name: str, told: Mapping[str, str], at: int, by: str, reason: str) -> None:
        with self._writer.write() as connection:
            optimizer_rows.keep_rule(connection, name, told, at, by, reason)

    def drop_rule(self, name: str) -> bool:
        with self._writer.write() as connection:
            return optimizer_rows.drop_rule(connection, name)
