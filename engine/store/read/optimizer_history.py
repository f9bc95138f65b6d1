"""What the store remembers that the optimizer goes by: outcomes of its trials, ticks, and what people have set."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import orjson
from sqlalchemy import Connection

from engine.domain.judging import WindowOutcome
from engine.domain.record import Floats, Ints, Record
from engine.optimizer.windows import recorded_pause
from engine.store.database import connect, path_from_url
from engine.store.errors import translate_errors
from engine.store.write.optimizer import MODES_KEY

MAX_TICKS = 5_000  # that are looked back at, at most
MAX_TRIALS = 2_000  # trials of a metric, and firings, that are looked at
LATENCY_METRIC, CLEAN_RATE_METRIC = "engine.tick_ms", "engine.clean_percent"  # what must not suffer, as a trial keeps it

_OUTCOMES = f"""
SELECT t.action, t.placebo, t.chance, t.before, t.after, t.also, t.at, t.seconds, t.compared FROM
    (SELECT * FROM trials ORDER BY id DESC LIMIT {MAX_TRIALS}) t JOIN actions a ON a.action = t.action
WHERE t.metric = ? AND t.mode = 'auto' AND t.chance IS NOT NULL AND t.before IS NOT NULL AND t.after IS NOT NULL
    AND t.at > coalesce(a.licensed_at, 0)
ORDER BY t.id
"""


@dataclass(frozen=True, slots=True)
class FinishedTrial(Record):
    """One finished trial of an action."""

    outcome: WindowOutcome
    at: int  # ns UTC
    seconds: float  # the action took
    pause: float  # s between its spans before and after


@dataclass(frozen=True, slots=True)
class ActionStatus(Record):
    """How an action stands."""

    mode: str
    licence: str


class OptimizerHistory:
    """Reads the store beside its writer. Raises StoreFailed in one line."""

    def __init__(self, url: str) -> None:
        self._place = str(path_from_url(url))
        self._engine = connect(url, read_only=True)

    def finished_trials(self, metric: str) -> dict[str, tuple[FinishedTrial, ...]]:
        """By action the finished trials on a metric since the action got its licence, oldest first."""
        found: dict[str, list[FinishedTrial]] = {}
        with translate_errors(self._place), self._engine.begin() as connection:
            for action, placebo, chance, before, after, also, at, seconds, compared in connection.exec_driver_sql(_OUTCOMES, (metric,)):
                found.setdefault(str(action), []).append(
                    build_finished_trial(not placebo, float(chance), float(after) - float(before), also, int(at), float(seconds or 0.0), compared)
                )
        return {action: tuple(told) for action, told in found.items()}

    def ticks(self, since: int) -> tuple[Ints, Floats, Floats]:
        """(N,) ns UTC ascending, (N,) ms each took, (N,) 100 for a tick without a fallback and 0 for one with; none of a warm-up."""
        sql = "SELECT wall, ms, degraded = '[]' FROM ticks WHERE wall >= ? AND warm = 0 ORDER BY wall DESC LIMIT ?"
        with translate_errors(self._place), self._engine.begin() as connection:
            rows = connection.exec_driver_sql(sql, (since, MAX_TICKS)).fetchall()[::-1]
        at, ms, honest = ([row[part] for row in rows] for part in range(3))
        return np.array(at, dtype=np.int64), np.array(ms, dtype=np.float64), 100.0 * np.array(honest, dtype=np.float64)

    def action_statuses(self) -> dict[str, ActionStatus]:
        """Every action's mode and licence."""
        with translate_errors(self._place), self._engine.begin() as connection:
            return {
                str(row[0]): ActionStatus(str(row[1]), str(row[2])) for row in connection.exec_driver_sql("SELECT action, mode, licence FROM actions")
            }

    def modes(self) -> dict[str, str]:
        """The modes that people have set."""
        with translate_errors(self._place), self._engine.begin() as connection:
            kept = connection.exec_driver_sql("SELECT value FROM meta WHERE key = ?", (MODES_KEY,)).scalar()
        return {str(action): str(mode) for action, mode in orjson.loads(kept).items()} if kept else {}

    def rules(self) -> dict[str, dict[str, str]]:
        """The rules that people have changed, as they are written."""
        with translate_errors(self._place), self._engine.begin() as connection:
            return {str(row[0]): orjson.loads(row[1]) for row in connection.exec_driver_sql("SELECT name, data FROM rules ORDER BY name")}

    def last_rule_states(self) -> dict[str, str]:
        """What each rule said last: fired, cleared, no data."""
        with translate_errors(self._place), self._engine.begin() as connection:
            return _last_words(connection)


def build_finished_trial(
    treated: bool, chance: float, change: float, also: str | None, at: int, seconds: float, compared: str | None
) -> FinishedTrial:
    """A trial as it was kept. Where its action took longer than the pause that was fixed before the coin fell, its changes are not those of a window
    left out under the null: they are unknown, and only the time it took counts."""
    pause = recorded_pause(compared, seconds)
    if pause is None:
        return FinishedTrial(WindowOutcome(treated, chance, math.nan, math.nan, math.nan), at, seconds, seconds)
    changes = _changes(also)
    return FinishedTrial(
        WindowOutcome(treated, chance, change, changes.get(LATENCY_METRIC, math.nan), changes.get(CLEAN_RATE_METRIC, math.nan)), at, seconds, pause
    )


def _last_words(connection: Connection) -> dict[str, str]:
    sql = f"SELECT rule, state FROM (SELECT id, rule, state FROM triggers ORDER BY id DESC LIMIT {MAX_TRIALS}) WHERE state <> 'no data' ORDER BY id"
    return {str(row[0]): str(row[1]) for row in connection.exec_driver_sql(sql)}


def _changes(also: str | None) -> dict[str, float]:
    """By metric, after less before."""
    told = orjson.loads(also) if also else {}
    return {str(name): float(pair[1]) - float(pair[0]) for name, pair in told.items() if None not in pair}
