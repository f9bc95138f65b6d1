"""What the optimizer reads from the store: outcomes of its trials, tick latencies, and what people have set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson
from sqlalchemy import RowMapping

from engine.domain.optimization import WindowOutcome
from engine.domain.record import Floats, Ints, Record
from engine.optimizer.windows import recorded_pause
from engine.store.database import connect, path_from_url
from engine.store.errors import translate_errors
from engine.store.write.optimizer import MODES_KEY

MAX_TICKS = 5_000  # read at most
MAX_TRIALS = 2_000  # newest trials and firings that are searched
LATENCY_METRIC, CLEAN_RATE_METRIC = "engine.tick_ms", "engine.clean_percent"  # guard metrics, as a trial stores them

_OUTCOMES = f"""
SELECT t.action, t.placebo, t.probability, t.before, t.after, t.guards, t.at, t.seconds, t.comparison FROM
    (SELECT * FROM trials ORDER BY id DESC LIMIT {MAX_TRIALS}) t JOIN actions a ON a.action = t.action
WHERE t.metric = ? AND t.mode = 'auto' AND t.probability IS NOT NULL AND t.before IS NOT NULL AND t.after IS NOT NULL
    AND t.at > coalesce(a.licensed_at, 0)
ORDER BY t.id
"""


@dataclass(frozen=True, slots=True)
class FinishedTrial(Record):
    """A finished trial of an action."""

    outcome: WindowOutcome
    at: int  # ns UTC
    seconds: float  # duration of the action
    pause: float  # s between the windows before and after


@dataclass(frozen=True, slots=True)
class ActionStatus(Record):
    """Mode and licence of an action."""

    mode: str
    licence: str


class OptimizerHistory:
    """Reads the store beside its writer. Raises StoreError in one line."""

    def __init__(self, url: str) -> None:
        self._place = str(path_from_url(url))
        self._engine = connect(url, read_only=True)

    def finished_trials(self, metric: str) -> dict[str, tuple[FinishedTrial, ...]]:
        """The finished trials on a metric since the action got its licence, by action, oldest first."""
        trials: dict[str, list[FinishedTrial]] = {}
        for row in self._rows(_OUTCOMES, metric):
            trials.setdefault(str(row["action"]), []).append(
                build_finished_trial(
                    not row["placebo"], float(row["probability"]), float(row["after"]) - float(row["before"]), row["guards"], int(row["at"]),
                    float(row["seconds"] or 0.0), row["comparison"],
                )
            )  # fmt: skip
        return {action: tuple(finished) for action, finished in trials.items()}

    def ticks(self, since: int) -> tuple[Ints, Floats, Floats]:
        """(N,) ns UTC ascending, (N,) latency in ms, (N,) 100 for a clean tick and 0 for a degraded one; live ticks only."""
        sql = "SELECT wall, ms, degraded = '[]' AS clean FROM ticks WHERE wall >= ? AND warm = 0 ORDER BY wall DESC LIMIT ?"
        rows = self._rows(sql, since, MAX_TICKS)[::-1]
        at, ms, clean = ([row[name] for row in rows] for name in ("wall", "ms", "clean"))
        return np.array(at, dtype=np.int64), np.array(ms, dtype=np.float64), 100.0 * np.array(clean, dtype=np.float64)

    def action_statuses(self) -> dict[str, ActionStatus]:
        """Mode and licence of every action."""
        rows = self._rows("SELECT action, mode, licence FROM actions")
        return {str(row["action"]): ActionStatus(str(row["mode"]), str(row["licence"])) for row in rows}

    def modes(self) -> dict[str, str]:
        """The modes that people have set, by action."""
        rows = self._rows("SELECT value FROM meta WHERE key = ?", MODES_KEY)
        return {str(action): str(mode) for row in rows for action, mode in orjson.loads(row["value"]).items()}

    def rules(self) -> dict[str, dict[str, str]]:
        """The rules that people have changed, as written, by name."""
        return {str(row["name"]): orjson.loads(row["data"]) for row in self._rows("SELECT name, data FROM rules ORDER BY name")}

    def last_rule_states(self) -> dict[str, str]:
        """The newest state of each rule that had data: fired or cleared."""
        newest = f"SELECT id, rule, state FROM triggers ORDER BY id DESC LIMIT {MAX_TRIALS}"
        rows = self._rows(f"SELECT rule, state FROM ({newest}) WHERE state <> 'no data' ORDER BY id")
        return {str(row["rule"]): str(row["state"]) for row in rows}

    def _rows(self, sql: str, *values: object) -> Sequence[RowMapping]:
        with translate_errors(self._place), self._engine.begin() as connection:
            return connection.exec_driver_sql(sql, values).mappings().all()


def build_finished_trial(
    treated: bool, probability: float, change: float, guards: str | None, at: int, seconds: float, comparison: str | None
) -> FinishedTrial:
    """A trial from its stored row.

    Where its action took longer than the pause that was fixed before the coin was tossed, its changes are not comparable with those of a control
    window under the null hypothesis: they are unknown, and only its duration counts.
    """
    pause = recorded_pause(comparison, seconds)
    if pause is None:
        return FinishedTrial(WindowOutcome(treated, probability, math.nan, math.nan, math.nan), at, seconds, seconds)
    changes = _changes(guards)
    latency, clean = (changes.get(metric, math.nan) for metric in (LATENCY_METRIC, CLEAN_RATE_METRIC))
    return FinishedTrial(WindowOutcome(treated, probability, change, latency, clean), at, seconds, pause)


def _changes(guards: str | None) -> dict[str, float]:
    """The change of each guard metric, after less before."""
    pairs = orjson.loads(guards) if guards else {}
    return {str(name): float(after) - float(before) for name, (before, after) in pairs.items() if before is not None and after is not None}
