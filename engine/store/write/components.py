"""What happens round the ticks: components, alerts, actions and their trials, as statements inside a caller's transaction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from engine.domain.optimization import Action, Firing, Trial
from engine.store import schema
from engine.store.connection import build_insert, fetch_value
from engine.store.write import counters
from engine.store.write.optimizer import TRIAL_RUNNING

_TRIAL = build_insert(schema.TRIALS)
_FIRING = build_insert(schema.TRIGGERS)
_COMPONENT = """
INSERT INTO components (component, state, since, last_error, beat) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (component) DO UPDATE SET
    since = CASE WHEN state = excluded.state THEN since ELSE excluded.since END, state = excluded.state,
    last_error = coalesce(excluded.last_error, last_error), beat = excluded.beat
"""
_ALERT = """
INSERT INTO alerts (at, rule, severity, state, message) VALUES (?, ?, ?, 'open', ?)
ON CONFLICT (rule) WHERE state = 'open' DO UPDATE SET severity = excluded.severity, message = excluded.message
"""
_ACTION = """
INSERT INTO actions (action, kind, cures, mode, licence, about, cost, better) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (action) DO UPDATE SET kind = excluded.kind, cures = excluded.cures, mode = excluded.mode, about = excluded.about,
    cost = excluded.cost, better = excluded.better
"""


def set_component(connection: Connection, name: str, state: str, error: str | None, now: int) -> None:
    """`since` moves only when the state does."""
    connection.exec_driver_sql(_COMPONENT, (name, state, now, error, now))


def raise_alert(connection: Connection, rule: str, severity: str, message: str, now: int) -> None:
    """At most one alert of a rule is open."""
    connection.exec_driver_sql(_ALERT, (now, rule, severity, message))


def resolve_alert(connection: Connection, rule: str, now: int) -> None:
    connection.exec_driver_sql("UPDATE alerts SET state = 'resolved', resolved_at = ? WHERE rule = ? AND state = 'open'", (now, rule))


def save_trial(connection: Connection, trial: Trial) -> int:
    """Gives its number."""
    told = trial.effect
    row = (
        None, trial.at, trial.action, trial.trigger, trial.mode, int(trial.placebo), trial.metric, trial.unit,
        _known(told.before), _known(told.after), _known(told.effect), told.low, told.high, told.windows, told.verdict, int(trial.undone),
        _known(trial.amount), trial.amount_unit, trial.detail, trial.by, trial.reason, trial.seconds, trial.guards, trial.probability, trial.comparison,
    )  # fmt: skip
    connection.exec_driver_sql(_TRIAL, row)
    number = int(fetch_value(connection, "SELECT last_insert_rowid()"))
    if trial.detail != TRIAL_RUNNING:  # it is counted when it has ended
        counters.add_counts(connection, counters.count_trial(trial.action, told.verdict, placebo=trial.placebo, mode=trial.mode))
    return number


def save_firing(connection: Connection, told: Firing) -> int:
    """Gives its number."""
    row = (None, told.at, told.rule, told.kind, told.metric, _known(told.value), _known(told.threshold), told.state, told.answer)
    connection.exec_driver_sql(_FIRING, row)
    number = int(fetch_value(connection, "SELECT last_insert_rowid()"))
    counters.add_counts(connection, [("firings", told.rule, told.state, 1)])
    return number


def sync_actions(connection: Connection, actions: Sequence[Action], modes: Mapping[str, str], licence: str) -> None:
    """Actions that are gone go; their trials stay."""
    kept = {action.name for action in actions}
    for (name,) in connection.exec_driver_sql("SELECT action FROM actions").fetchall():
        if name not in kept:
            connection.exec_driver_sql("DELETE FROM actions WHERE action = ?", (name,))
    for action in actions:
        connection.exec_driver_sql(
            _ACTION, (action.name, action.kind, action.metric, modes[action.name], licence, action.description, action.cost, action.better)
        )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
