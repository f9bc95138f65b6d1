"""The optimizer's writes to the store; the result of an experiment waits where the store refuses it."""

from __future__ import annotations

from collections.abc import Sequence

from engine.domain.optimization import Trial
from engine.service.outbox import Outbox
from engine.store.write.optimizer_repository import OptimizerRepository
from engine.store.write.writer import Writer

CAPACITY = 1_000  # results that wait for the store


class ExperimentRepository(OptimizerRepository):
    """Every call raises StoreError, except `finish_trial`: a result is stored by the next `flush` at the latest that the store accepts."""

    def __init__(self, writer: Writer) -> None:
        super().__init__(writer)
        self._outbox: Outbox[tuple[int, Trial]] = Outbox("results of experiments", self._write, capacity=CAPACITY, batch=1)

    def finish_trial(self, number: int, trial: Trial) -> None:
        """Store the result of a trial now or later."""
        self._outbox.submit((number, trial))

    def flush(self) -> None:
        """Store the results that the store refused before."""
        self._outbox.flush()

    def _write(self, results: Sequence[tuple[int, Trial]]) -> None:
        for number, trial in results:
            super().finish_trial(number, trial)
