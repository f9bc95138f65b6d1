"""What the optimizer does, did and came to: what fires, its actions with what their trials say together, trials and the readings round them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sqlalchemy import Connection, text

from engine.domain.record import Floats
from engine.store.read.reader import Reader, SqlValue, fetch_all, fetch_frame
from engine.store.write.optimizer import ASKS, TRIAL_RUNNING

SECOND = 1_000_000_000  # ns
MAX_TRIALS = 5_000  # newest trials that sums and counts are taken over
MAX_FIRINGS = 1_000  # newest entries of the rules that are looked at
MAX_CONTROL_WINDOWS = 60  # idle windows of a run that are drawn
CONTEXT_SECONDS = 300.0  # s before and after a run that are shown
QUESTION_MAX_AGE = 700 * SECOND  # how old a question may be that still waits
MAX_SAMPLES = 2_000  # samples of a window

_NEWEST = f"SELECT * FROM (SELECT * FROM trials ORDER BY id DESC LIMIT {MAX_TRIALS})"
_BY_COIN = "t.placebo = 0 AND t.mode <> 'manual'"
_COLUMNS = (
    'SELECT id, at, action, "trigger", mode, placebo, metric, unit, before, after, effect, low, high, windows, verdict, undone, '
    'amount, amount_unit, detail, "by", reason, seconds, also, chance, compared'
)


@dataclass(frozen=True, slots=True)
class TrialWindows:
    """The windows of a trial in seconds, and when those it was compared with began (ns UTC)."""

    before: float
    after: float
    pause: float | None  # between them; None for as long as the action took
    starts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NeighbouringTrial:
    """Another trial, as a mark beside one."""

    at: int  # ns UTC
    seconds: float
    action: str
    placebo: bool


@dataclass(frozen=True, slots=True)
class TrialDetails:
    """One trial with the readings round it; what is no longer kept is empty."""

    row: dict[str, SqlValue]
    windows: TrialWindows | None  # None where it was not kept
    readings: pd.DataFrame  # at, value: of its metric, from AROUND before to AROUND after it
    others: tuple[NeighbouringTrial, ...]  # trials in that span
    treated_window: tuple[Floats, Floats] | None  # seconds from its beginning, value: before and after, as far as kept sample by sample
    control_windows: tuple[tuple[Floats, Floats], ...]  # the same of the windows it was compared with, at most DRAWN of them


def read_firings(reader: Reader) -> pd.DataFrame:
    """The newest word of every rule: id, at, rule, kind, metric, value, threshold, state, answer; and `now`, `now_at`, `unit` of its metric."""
    with reader.reading() as connection:
        told = fetch_frame(
            connection,
            "SELECT id, at, rule, kind, metric, value, threshold, state, answer FROM triggers WHERE id IN "
            f"(SELECT max(id) FROM (SELECT id, rule FROM triggers ORDER BY id DESC LIMIT {MAX_FIRINGS}) GROUP BY rule) ORDER BY id DESC",
        )
        newest = _newest(connection) if len(told) else {}
    values = [newest.get(str(metric), (None, None, None)) for metric in told["metric"]]
    return told.join(pd.DataFrame(values, columns=["now", "now_at", "unit"], index=told.index))


def read_questions(reader: Reader, now: int) -> pd.DataFrame:
    """What waits for a person: id, at, rule, metric, value, answer of the firings that ask, oldest first."""
    return reader.frame(
        "SELECT id, at, rule, metric, value, answer FROM (SELECT * FROM triggers ORDER BY id DESC LIMIT :limit) WHERE answer LIKE :asks "
        "AND at >= :since ORDER BY id",
        {"limit": MAX_FIRINGS, "asks": f"{ASKS} %", "since": now - QUESTION_MAX_AGE},
    )


def read_running_trials(reader: Reader) -> pd.DataFrame:
    """Trials the optimizer has begun and not ended: id, at, action, trigger, placebo, metric; none while no engine runs."""
    return reader.frame(
        'SELECT id, at, action, "trigger", placebo, metric FROM (SELECT * FROM trials ORDER BY id DESC LIMIT 20) WHERE detail = :detail ORDER BY id',
        {"detail": TRIAL_RUNNING},
    )


def read_actions(reader: Reader) -> pd.DataFrame:
    """Every action with its licence, its last run, how many treated and placebo windows it has, and what they say together of one metric: the one
    most of them were judged on. Runs by hand are counted apart."""
    return reader.frame(f"""
        SELECT a.action, a.kind, a.cures, a.mode, a.licence, a.about, a.why, a.licensed_at, a.cost, a.better,
               count(CASE WHEN {_BY_COIN} THEN 1 END) AS treated, count(CASE WHEN t.placebo = 1 THEN 1 END) AS placebos,
               count(CASE WHEN t.mode = 'manual' THEN 1 END) AS by_hand, max(CASE WHEN t.placebo = 0 THEN t.at END) AS last_at,
               count(CASE WHEN {_BY_COIN} AND t.verdict = 'helped' THEN 1 END) AS helped,
               count(CASE WHEN {_BY_COIN} AND t.verdict = 'harmed' THEN 1 END) AS harmed,
               j.metric, j.unit, j.effect, j.low, j.high, j.verdict, j.treated AS judged_treated, j.placebos AS judged_placebos, j.at AS judged_at,
               j.latency, j.latency_low, j.latency_high, j.honest, j.honest_low, j.honest_high
        FROM actions a
        LEFT JOIN ({_NEWEST}) t ON t.action = a.action
        LEFT JOIN (SELECT *, row_number() OVER (PARTITION BY action ORDER BY treated DESC, metric) AS place FROM judgements) j
            ON j.action = a.action AND j.place = 1
        GROUP BY a.action ORDER BY a.kind, a.action""")


def read_trials(reader: Reader, *, limit: int, kind: str = "all", action: str | None = None) -> pd.DataFrame:
    """The newest trials, newest first; kind: all, treated (by the optimizer), placebo, by hand."""
    wanted = {"treated": "placebo = 0 AND mode <> 'manual'", "placebo": "placebo = 1", "by hand": "mode = 'manual'"}.get(kind, "1 = 1")
    params: dict[str, SqlValue] = {"limit": limit}
    if action is not None:
        wanted, params = f"{wanted} AND action = :action", params | {"action": action}
    return reader.frame(f"{_COLUMNS} FROM ({_NEWEST}) WHERE {wanted} ORDER BY id DESC LIMIT :limit", params)


def read_trial(reader: Reader, number: int) -> TrialDetails | None:
    """One trial with the readings round it; None where there is none of that number."""
    with reader.reading() as connection:
        kept = connection.execute(text(f"{_COLUMNS} FROM trials WHERE id = :id"), {"id": number}).mappings().first()
        if kept is None:
            return None
        row: dict[str, SqlValue] = dict(kept)
        at, took = int(row["at"] or 0), float(row["seconds"] or 0.0)
        begin, end = at - round(CONTEXT_SECONDS * SECOND), at + round((took + CONTEXT_SECONDS) * SECOND)
        shape, source, name = _shape(row["compared"]), *_named(str(row["metric"] or ""))
        readings = _readings(connection, source, name, begin, end)
        found = fetch_all(
            connection,
            "SELECT at, coalesce(seconds, 0.0), action, placebo FROM trials WHERE at >= :begin AND at <= :end AND id <> :id ORDER BY at LIMIT 200",
            begin=begin, end=end, id=number,
        )  # fmt: skip
        others = tuple(NeighbouringTrial(int(one[0]), float(one[1]), str(one[2]), bool(one[3])) for one in found)
        pause = took if shape is None or shape.pause is None else shape.pause
        own, idle = _windows(connection, (source, name), at, pause, shape)
    return TrialDetails(row, shape, readings, others, own, idle)


def read_metric_history(reader: Reader, metric: str, since: int, until: int) -> pd.DataFrame:
    """A metric over a span of at most a day or so, as finely as it is kept: at (ns UTC ascending), value."""
    with reader.reading() as connection:
        return _readings(connection, *_named(metric), since, until, limit=20_000)


def read_changed_rules(reader: Reader) -> pd.DataFrame:
    """The rules that were changed from the page or the command line: name, data, changed_at, by, reason."""
    return reader.frame('SELECT name, data, changed_at, "by", reason FROM rules ORDER BY name LIMIT 200')


def _readings(connection: Connection, source: str, name: str, since: int, until: int, *, limit: int = MAX_SAMPLES) -> pd.DataFrame:
    sql = "SELECT at, value, unit FROM v_readings WHERE source = :source AND name = :name AND at >= :since AND at <= :until ORDER BY at LIMIT :limit"
    return fetch_frame(connection, sql, {"source": source, "name": name, "since": since, "until": until, "limit": limit})


def _windows(
    connection: Connection, metric: tuple[str, str], at: int, pause: float, shape: TrialWindows | None
) -> tuple[tuple[Floats, Floats] | None, tuple[tuple[Floats, Floats], ...]]:
    """The trial's own window and those it was compared with, sample by sample as far as they are kept so."""
    if shape is None:
        return None, ()
    length = round((shape.before + pause + shape.after) * SECOND)
    own = _samples(connection, metric, at - round(shape.before * SECOND), length, shape.before)
    few = shape.starts[:: max(1, -(-len(shape.starts) // MAX_CONTROL_WINDOWS))]
    told = (_samples(connection, metric, start, length, shape.before) for start in few)
    return own, tuple(one for one in told if one is not None)


def _samples(connection: Connection, metric: tuple[str, str], begin: int, length: int, before: float) -> tuple[Floats, Floats] | None:
    """Seconds from where the action begins (or would have), and values."""
    sql = "SELECT at, value FROM readings_raw WHERE at >= :begin AND at <= :end AND source = :source AND name = :name ORDER BY at LIMIT :limit"
    found = fetch_all(connection, sql, begin=begin, end=begin + length, source=metric[0], name=metric[1], limit=MAX_SAMPLES)
    if len(found) < 2:
        return None
    at, values = (np.array(column, dtype=np.float64) for column in zip(*found, strict=True))
    return (at - begin) / SECOND - before, values


def _shape(kept: SqlValue) -> TrialWindows | None:
    if not isinstance(kept, str):
        return None
    told = json.loads(kept)
    pause = told.get("pause")
    return TrialWindows(
        float(told["before"]), float(told["after"]), None if pause is None else float(pause), tuple(int(start) for start in told["starts"])
    )


def _newest(connection: Connection) -> dict[str, tuple[float | None, int, str]]:
    """Each metric's newest value of the last two minutes of readings, when, and its unit."""
    sql = """
        SELECT source || '.' || name, value, max(at), unit FROM readings_raw
        WHERE at >= (SELECT max(at) FROM readings_raw) - :span GROUP BY source, name"""
    return {str(name): (value, int(at), str(unit)) for name, value, at, unit in fetch_all(connection, sql, span=120 * SECOND)}


def _named(metric: str) -> tuple[str, str]:
    source, _, name = metric.partition(".")
    return source, name
