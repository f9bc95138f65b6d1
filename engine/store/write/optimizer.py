"""What the optimizer keeps besides firings: how trials ended, judgements, licences, modes and rules, as statements inside a caller's transaction."""

from __future__ import annotations

import math
from collections.abc import Mapping

import orjson
from sqlalchemy import Connection

from engine.domain.judging import EffectEstimate, Judgement
from engine.domain.optimization import Trial
from engine.store.connection import fetch_value
from engine.store.write import counters
from engine.store.write.tick_rows import to_json

TRIAL_RUNNING = "under way"  # the detail of a trial that has begun
ASKS, WAITS, TRIES = "asks", "waits:", "tries"  # how an answer begins that is not the last: for a person, for its time, a trial under way
TRIAL_INTERRUPTED = "the engine stopped before it was measured"
MODES_KEY = "modes of actions"  # the key they are kept under

_JUDGEMENT = """
INSERT OR REPLACE INTO judgements (action, metric, at, unit, treated, placebos, effect, low, high, verdict, latency, latency_low, latency_high,
    honest, honest_low, honest_high) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


def save_answer(connection: Connection, number: int, text: str) -> None:
    """What was done about a firing."""
    connection.exec_driver_sql("UPDATE triggers SET answer = ? WHERE id = ?", (text, number))


def finish_trial(connection: Connection, number: int, trial: Trial) -> None:
    """How a trial that was begun has ended."""
    told = trial.effect
    row = (
        trial.unit, _known(told.before), _known(told.after), _known(told.effect), told.low, told.high, told.windows, told.verdict, int(trial.undone),
        _known(trial.amount), trial.amount_unit, trial.detail, trial.seconds, trial.guards, trial.comparison, number,
    )  # fmt: skip
    connection.exec_driver_sql(
        "UPDATE trials SET unit = ?, before = ?, after = ?, effect = ?, low = ?, high = ?, windows = ?, verdict = ?, undone = ?, amount = ?, "
        "amount_unit = ?, detail = ?, seconds = ?, also = ?, compared = ? WHERE id = ?",
        row,
    )
    counters.add_counts(connection, counters.count_trial(trial.action, told.verdict, placebo=trial.placebo, mode=trial.mode))


def close_interrupted_trials(connection: Connection) -> int:
    """What a stop or a kill has left open: trials end without a verdict on them, questions without an answer. Gives how many trials."""
    connection.exec_driver_sql(
        "UPDATE triggers SET answer = 'the engine stopped before it was answered; ' || answer WHERE id IN "
        "(SELECT id FROM triggers ORDER BY id DESC LIMIT 1000) AND (answer LIKE ? OR answer LIKE ? OR answer LIKE ?)",
        tuple(f"{word} %" for word in (ASKS, WAITS, TRIES)),
    )
    left = connection.exec_driver_sql(
        "SELECT action, verdict, placebo, mode, count(*) FROM trials WHERE detail = ? GROUP BY 1, 2, 3, 4", (TRIAL_RUNNING,)
    ).fetchall()
    for action, verdict, placebo, mode, n in left:
        counters.add_counts(connection, counters.count_trial(action, verdict, placebo=bool(placebo), mode=mode, n=n))
    return int(connection.exec_driver_sql("UPDATE trials SET detail = ? WHERE detail = ?", (TRIAL_INTERRUPTED, TRIAL_RUNNING)).rowcount)


def save_judgement(connection: Connection, action: str, metric: str, unit: str, at: int, judgement: Judgement) -> None:
    """Replaces what was said of the action on that metric before."""
    estimates = (part for one_of in (judgement.latency, judgement.clean) for part in _parts(one_of))
    row = (action, metric, at, unit, judgement.treated, judgement.placebos, *_parts(judgement.effect), judgement.verdict, *estimates)
    connection.exec_driver_sql(_JUDGEMENT, row)


def set_licence(connection: Connection, action: str, licence: str, why: str, at: int) -> None:
    connection.exec_driver_sql("UPDATE actions SET licence = ?, why = ?, licensed_at = ? WHERE action = ?", (licence, why, at, action))


def grant_initial_licences(connection: Connection) -> None:
    """An action nobody has judged yet may run by itself, as far as its mode lets it."""
    connection.exec_driver_sql("UPDATE actions SET licence = 'auto' WHERE why IS NULL AND licensed_at IS NULL")


def set_mode(connection: Connection, action: str, mode: str) -> None:
    """Kept, so that it holds after a restart and wins over podium.toml."""
    kept = fetch_value(connection, "SELECT value FROM meta WHERE key = ?", (MODES_KEY,))
    modes = {**(orjson.loads(kept) if kept else {}), action: mode}
    connection.exec_driver_sql("INSERT OR REPLACE INTO meta VALUES (?, ?)", (MODES_KEY, to_json(modes)))
    connection.exec_driver_sql("UPDATE actions SET mode = ? WHERE action = ?", (mode, action))


def save_active_modes(connection: Connection, modes: Mapping[str, str]) -> None:
    """The modes in force, for the page."""
    for action, mode in modes.items():
        connection.exec_driver_sql("UPDATE actions SET mode = ? WHERE action = ?", (mode, action))


def save_rule(connection: Connection, name: str, rule: Mapping[str, str], at: int, by: str, reason: str) -> None:
    """A rule as it was changed from the page or the command line."""
    row = (name, to_json(dict(rule)), at, by, reason)
    connection.exec_driver_sql('INSERT OR REPLACE INTO rules (name, data, changed_at, "by", reason) VALUES (?, ?, ?, ?, ?)', row)


def delete_rule(connection: Connection, name: str) -> bool:
    """Back to podium.toml or the default; False where it was not changed."""
    return bool(connection.exec_driver_sql("DELETE FROM rules WHERE name = ?", (name,)).rowcount)


def _parts(told: EffectEstimate) -> tuple[float | None, float | None, float | None]:
    return _known(told.effect), told.low, told.high


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
