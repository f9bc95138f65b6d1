"""The reading side of the optimizer's repository: all that it and its experiments read back from the store."""

from __future__ import annotations

import numpy as np
from sqlalchemy import select

from engine.domain.record import Floats, Ints
from engine.store.errors import translate_errors
from engine.store.read.optimizer_history import OptimizerHistory
from engine.store.schema import READINGS_RAW, TRIALS


class ExperimentHistory(OptimizerHistory):
    """Adds readings and runs to what the store remembers of trials, rules and modes. Raises StoreError in one line."""

    def readings(self, source: str, name: str, since: int) -> tuple[Ints, Floats]:
        """(N,) ns UTC ascending and (N,) values, as far back as single samples are stored."""
        table = READINGS_RAW.c
        query = select(table.at, table.value).where(table.at >= since, table.source == source, table.name == name).order_by(table.at)
        with translate_errors(self._place), self._engine.begin() as connection:
            rows = [row for row in connection.execute(query).mappings() if row["value"] is not None]
        return np.array([row["at"] for row in rows], dtype=np.int64), np.array([row["value"] for row in rows], dtype=np.float64)

    def runs(self, since: int) -> tuple[tuple[int, float], ...]:
        """When each run of any action since then began (ns UTC), and the seconds it took."""
        query = select(TRIALS.c.at, TRIALS.c.seconds).where(TRIALS.c.at >= since, TRIALS.c.placebo == 0).order_by(TRIALS.c.at)
        with translate_errors(self._place), self._engine.begin() as connection:
            return tuple((int(row["at"]), float(row["seconds"] or 0.0)) for row in connection.execute(query).mappings())
