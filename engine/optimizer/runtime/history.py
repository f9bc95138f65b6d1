"""What the store remembers of a reading and of the runs that may have moved it."""

from __future__ import annotations

import numpy as np
from sqlalchemy import select

from engine.domain.record import Floats, Ints
from engine.store.database import connect, path_from_url
from engine.store.errors import translate_errors
from engine.store.schema import READINGS_RAW, TRIALS


class ExperimentHistory:
    """Reads the store beside its writer. Raises StoreFailed in one line."""

    def __init__(self, url: str) -> None:
        self._place = str(path_from_url(url))
        self._engine = connect(url, read_only=True)

    def readings(self, source: str, name: str, since: int) -> tuple[Ints, Floats]:
        """(N,) ns UTC ascending and (N,) values, sample by sample as far back as they are kept so."""
        table = READINGS_RAW.c
        wanted = select(table.at, table.value).where(table.at >= since, table.source == source, table.name == name).order_by(table.at)
        with translate_errors(self._place), self._engine.begin() as connection:
            rows = [(at, value) for at, value in connection.execute(wanted) if value is not None]
        return np.array([at for at, _ in rows], dtype=np.int64), np.array([value for _, value in rows], dtype=np.float64)

    def runs(self, since: int) -> tuple[tuple[int, float], ...]:
        """When each action run since then began (ns UTC) and the seconds it took, whatever the action."""
        wanted = select(TRIALS.c.at, TRIALS.c.seconds).where(TRIALS.c.at >= since, TRIALS.c.placebo == 0).order_by(TRIALS.c.at)
        with translate_errors(self._place), self._engine.begin() as connection:
            return tuple((int(at), float(seconds or 0.0)) for at, seconds in connection.execute(wanted))
