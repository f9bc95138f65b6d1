"""What the optimizer stores: firings, trials, judgements, licences, modes and rules, as statements inside a caller's transaction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import orjson
from sqlalchemy import Connection

from engine.domain.optimization import Action, EffectEstimate, Firing, Judgement, Trial
from engine.store import schema
from engine.store.connection import build_insert, driver_connection, fetch_value
from engine.store.write import counters, events
from engine.store.write.tick_rows import to_json

TRIAL_RUNNING = "under way"  # the detail of a trial that has begun
ASKS, WAITS, TRIES = "asks", "waits:", "tries"  # how an answer begins that is not final: waiting for a person, for its time, a trial under way
TRIAL_INTERRUPTED = "the engine stopped before it was measured"
MODES_KEY = "modes of actions"  # of the table meta

_TRIAL = build_insert(schema.TRIALS)
_FIRING = build_insert(schema.TRIGGERS)
_ACTION = """
INSERT INTO actions (action, kind, cures, mode, licence, about, cost, better) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (action) DO UPDATE SET kind = excluded.kind, cures = excluded.cures, mode = excluded.mode, about = excluded.about,
    cost = excluded.cost, better = excluded.better
"""
_JUDGEMENT = """
INSERT OR REPLACE INTO judgements (action, metric, at, unit, treated, placebos, effect, low, high, verdict, latency, latency_low, latency_high,
    clean, clean_low, clean_high) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_FINISH = """
UPDATE trials SET unit = ?, before = ?, after = ?, effect = ?, low = ?, high = ?, windows = ?, verdict = ?, undone = ?, amount = ?, amount_unit = ?,
    detail = ?, seconds = ?, guards = ?, comparison = ? WHERE id = ?
"""


def save_firing(connection: Connection, firing: Firing) -> int:
    """Store a rule that fired, cleared or lost its metric; return its number."""
    row = (
        None, firing.at, firing.rule, firing.kind, firing.metric, _finite(firing.value), _finite(firing.threshold), firing.state, firing.answer,
    )  # fmt: skip
    connection.exec_driver_sql(_FIRING, row)
    number = int(fetch_value(connection, "SELECT last_insert_rowid()"))
    counters.add_counts(connection, [("firings", firing.rule, firing.state, 1)])
    return number


def save_answer(connection: Connection, number: int, text: str) -> None:
    """Store the response to a firing."""
    connection.exec_driver_sql("UPDATE triggers SET answer = ? WHERE id = ?", (text, number))


def save_trial(connection: Connection, trial: Trial) -> int:
    """Store a trial; return its number."""
    row = (
        None, trial.at, trial.action, trial.trigger, trial.mode, int(trial.placebo), trial.metric, trial.unit, *_effect(trial),
        int(trial.undone), _finite(trial.amount), trial.amount_unit, trial.detail, trial.by, trial.reason, trial.seconds, trial.guards,
        trial.probability, trial.comparison,
    )  # fmt: skip
    connection.exec_driver_sql(_TRIAL, row)
    number = int(fetch_value(connection, "SELECT last_insert_rowid()"))
    if trial.detail != TRIAL_RUNNING:  # a running trial is counted when it ends
        _count_trial(connection, number, trial)
    return number


def finish_trial(connection: Connection, number: int, trial: Trial) -> None:
    """Store the result of a trial that has begun."""
    row = (
        trial.unit, *_effect(trial), int(trial.undone), _finite(trial.amount), trial.amount_unit, trial.detail, trial.seconds, trial.guards,
        trial.comparison, number,
    )  # fmt: skip
    connection.exec_driver_sql(_FINISH, row)
    _count_trial(connection, number, trial)


def _count_trial(connection: Connection, number: int, trial: Trial) -> None:
    """Count a trial that is over, and tell programs of it."""
    counters.add_counts(connection, counters.count_trial(trial.action, trial.effect.verdict, placebo=trial.placebo, mode=trial.mode))
    ended_at = trial.at + round((trial.seconds or 0.0) * 1e9)
    events.append_event(driver_connection(connection), events.TRIALS, number, events.JUDGED, ended_at)


def close_interrupted_trials(connection: Connection) -> int:
    """Close what a stop or a kill left open: trials end without a verdict, questions without an answer. Return the number of trials."""
    connection.exec_driver_sql(
        "UPDATE triggers SET answer = 'the engine stopped before it was answered; ' || answer WHERE id IN "
        "(SELECT id FROM triggers ORDER BY id DESC LIMIT 1000) AND (answer LIKE ? OR answer LIKE ? OR answer LIKE ?)",
        tuple(f"{word} %" for word in (ASKS, WAITS, TRIES)),
    )
    sql = "SELECT action, verdict, placebo, mode, count(*) AS n FROM trials WHERE detail = ? GROUP BY action, verdict, placebo, mode"
    for row in connection.exec_driver_sql(sql, (TRIAL_RUNNING,)).mappings().all():
        counts = counters.count_trial(row["action"], row["verdict"], placebo=bool(row["placebo"]), mode=row["mode"], n=row["n"])
        counters.add_counts(connection, counts)
    interrupted = "SELECT at, 'trials', id, 'judged' FROM trials WHERE detail = ? ORDER BY id"
    connection.exec_driver_sql(f"INSERT INTO events (at, kind, subject, state) {interrupted}", (TRIAL_RUNNING,))
    return int(connection.exec_driver_sql("UPDATE trials SET detail = ? WHERE detail = ?", (TRIAL_INTERRUPTED, TRIAL_RUNNING)).rowcount)


def save_judgement(connection: Connection, action: str, metric: str, unit: str, at: int, judgement: Judgement) -> None:
    """Store the judgement of an action on a metric in place of the previous one."""
    estimates = (part for estimate in (judgement.latency, judgement.clean) for part in _estimate(estimate))
    row = (action, metric, at, unit, judgement.treated, judgement.placebos, *_estimate(judgement.effect), judgement.verdict, *estimates)
    connection.exec_driver_sql(_JUDGEMENT, row)


def sync_actions(connection: Connection, actions: Sequence[Action], modes: Mapping[str, str], licence: str) -> None:
    """Make the table of actions match the discovered ones. The trials of a removed action stay."""
    names = {action.name for action in actions}
    for name in connection.exec_driver_sql("SELECT action FROM actions").scalars().all():
        if name not in names:
            connection.exec_driver_sql("DELETE FROM actions WHERE action = ?", (name,))
    for action in actions:
        connection.exec_driver_sql(
            _ACTION, (action.name, action.kind, action.metric, modes[action.name], licence, action.description, action.cost, action.better)
        )


def set_licence(connection: Connection, action: str, licence: str, why: str, at: int) -> None:
    """Set an action's licence with its reason."""
    connection.exec_driver_sql("UPDATE actions SET licence = ?, why = ?, licensed_at = ? WHERE action = ?", (licence, why, at, action))


def grant_initial_licences(connection: Connection) -> None:
    """Let an action that has not been judged yet run automatically, as far as its mode permits."""
    connection.exec_driver_sql("UPDATE actions SET licence = 'auto' WHERE why IS NULL AND licensed_at IS NULL")


def set_mode(connection: Connection, action: str, mode: str) -> None:
    """Set an action's mode so that it survives a restart and overrides podium.toml."""
    stored = fetch_value(connection, "SELECT value FROM meta WHERE key = ?", (MODES_KEY,))
    modes = {**(orjson.loads(stored) if stored else {}), action: mode}
    connection.exec_driver_sql("INSERT OR REPLACE INTO meta VALUES (?, ?)", (MODES_KEY, to_json(modes)))
    connection.exec_driver_sql("UPDATE actions SET mode = ? WHERE action = ?", (mode, action))


def save_active_modes(connection: Connection, modes: Mapping[str, str]) -> None:
    """Store the modes in force, for display."""
    for action, mode in modes.items():
        connection.exec_driver_sql("UPDATE actions SET mode = ? WHERE action = ?", (mode, action))


def save_rule(connection: Connection, name: str, rule: Mapping[str, str], at: int, by: str, reason: str) -> None:
    """Store a rule that was changed on the page or the command line."""
    row = (name, to_json(dict(rule)), at, by, reason)
    connection.exec_driver_sql('INSERT OR REPLACE INTO rules (name, data, changed_at, "by", reason) VALUES (?, ?, ?, ?, ?)', row)


def delete_rule(connection: Connection, name: str) -> bool:
    """Return a rule to podium.toml or its default; False where it was not changed."""
    return bool(connection.exec_driver_sql("DELETE FROM rules WHERE name = ?", (name,)).rowcount)


def _effect(trial: Trial) -> tuple[object, ...]:
    """The columns from before to verdict."""
    effect = trial.effect
    return _finite(effect.before), _finite(effect.after), _finite(effect.effect), effect.low, effect.high, effect.windows, effect.verdict


def _estimate(estimate: EffectEstimate) -> tuple[float | None, float | None, float | None]:
    return _finite(estimate.effect), estimate.low, estimate.high


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
