"""The optimizer's rules, actions and trials, with judgements and the readings around each trial."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sqlalchemy import Connection

from engine.domain.record import Floats
from engine.store.read.reader import Reader, SqlValue, fetch_all, fetch_first, fetch_frame
from engine.store.write.optimizer import ASKS, TRIAL_RUNNING

SECOND = 1_000_000_000  # ns
MAX_TRIALS = 5_000  # newest trials, over which sums and counts are taken
MAX_FIRINGS = 1_000  # newest firings that are searched
MAX_CONTROL_WINDOWS = 60  # control windows of a trial on a chart
CONTEXT_SECONDS = 300.0  # s shown before and after a trial
QUESTION_MAX_AGE = 700 * SECOND  # age at which a question expires
MAX_SAMPLES = 2_000  # samples of a window at most

_NEWEST = f"SELECT * FROM (SELECT * FROM trials ORDER BY id DESC LIMIT {MAX_TRIALS})"
_BY_COIN = "t.placebo = 0 AND t.mode <> 'manual'"
QUESTIONS = """
    SELECT id, at, rule, metric, value, answer FROM (SELECT * FROM triggers ORDER BY id DESC LIMIT :limit)
    WHERE answer LIKE :asks AND at >= :since ORDER BY id"""
RUNNING_TRIALS = """
    SELECT id, at, action, "trigger", placebo, metric FROM (SELECT * FROM trials ORDER BY id DESC LIMIT 20) WHERE detail = :detail ORDER BY id"""
_COLUMNS = (
    'SELECT id, at, action, "trigger", mode, placebo, metric, unit, before, after, effect, low, high, windows, verdict, undone, '
    'amount, amount_unit, detail, "by", reason, seconds, guards, probability, comparison'
)


@dataclass(frozen=True, slots=True)
class TrialWindows:
    """The windows of a trial in seconds, and the starts of its control windows (ns UTC)."""

    before: float
    after: float
    pause: float | None  # between the two; None for the duration of the action
    starts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NeighbouringTrial:
    """Another trial in the same span, as a mark on the chart."""

    at: int  # ns UTC
    seconds: float
    action: str
    placebo: bool


@dataclass(frozen=True, slots=True)
class TrialDetails:
    """One trial with the readings around it; empty where they are no longer stored."""

    row: dict[str, SqlValue]
    windows: TrialWindows | None  # None where it was not stored
    readings: pd.DataFrame  # at, value, unit of its metric, from CONTEXT_SECONDS before to CONTEXT_SECONDS after the trial
    others: tuple[NeighbouringTrial, ...]  # trials in that span
    treated_window: tuple[Floats, Floats] | None  # seconds from the start of the action, value; None without raw samples
    control_windows: tuple[tuple[Floats, Floats], ...]  # the same of its control windows, at most MAX_CONTROL_WINDOWS


def read_firings(reader: Reader) -> pd.DataFrame:
    """The newest firing of every rule: id, at, rule, kind, metric, value, threshold, state, answer; and `now`, `now_at`, `unit` of its metric."""
    with reader.reading() as connection:
        frame = fetch_frame(
            connection,
            "SELECT id, at, rule, kind, metric, value, threshold, state, answer FROM triggers WHERE id IN "
            f"(SELECT max(id) FROM (SELECT id, rule FROM triggers ORDER BY id DESC LIMIT {MAX_FIRINGS}) GROUP BY rule) ORDER BY id DESC",
        )
        newest = _newest(connection) if len(frame) else {}
    values = [newest.get(str(metric), (None, None, None)) for metric in frame["metric"]]
    return frame.join(pd.DataFrame(values, columns=["now", "now_at", "unit"], index=frame.index))


def read_questions(reader: Reader, now: int) -> pd.DataFrame:
    """The firings that wait for a person's approval: id, at, rule, metric, value, answer; oldest first."""
    return reader.frame(QUESTIONS, question_params(now))


def question_params(now: int) -> dict[str, SqlValue]:
    """The parameters of QUESTIONS at `now`, ns UTC."""
    return {"limit": MAX_FIRINGS, "asks": f"{ASKS} %", "since": now - QUESTION_MAX_AGE}


def read_running_trials(reader: Reader) -> pd.DataFrame:
    """Trials that have begun and not ended: id, at, action, trigger, placebo, metric; empty while no engine runs."""
    return reader.frame(RUNNING_TRIALS, {"detail": TRIAL_RUNNING})


def read_actions(reader: Reader) -> pd.DataFrame:
    """Every action with its licence, its last run, its treated and placebo windows, and its judgement on the metric with the most windows.

    Manual runs are counted separately.
    """
    return reader.frame(f"""
        SELECT a.action, a.kind, a.cures, a.mode, a.licence, a.about, a.why, a.licensed_at, a.cost, a.better,
               count(CASE WHEN {_BY_COIN} THEN 1 END) AS treated, count(CASE WHEN t.placebo = 1 THEN 1 END) AS placebos,
               count(CASE WHEN t.mode = 'manual' THEN 1 END) AS by_hand, max(CASE WHEN t.placebo = 0 THEN t.at END) AS last_at,
               count(CASE WHEN {_BY_COIN} AND t.verdict = 'helped' THEN 1 END) AS helped,
               count(CASE WHEN {_BY_COIN} AND t.verdict = 'harmed' THEN 1 END) AS harmed,
               j.metric, j.unit, j.effect, j.low, j.high, j.verdict, j.treated AS judged_treated, j.placebos AS judged_placebos, j.at AS judged_at,
               j.latency, j.latency_low, j.latency_high, j.clean, j.clean_low, j.clean_high
        FROM actions a
        LEFT JOIN ({_NEWEST}) t ON t.action = a.action
        LEFT JOIN (SELECT *, row_number() OVER (PARTITION BY action ORDER BY treated DESC, metric) AS place FROM judgements) j
            ON j.action = a.action AND j.place = 1
        GROUP BY a.action ORDER BY a.kind, a.action""")


def read_trial(reader: Reader, number: int) -> TrialDetails | None:
    """The trial of this number with the readings around it; None without one."""
    with reader.reading() as connection:
        stored = fetch_first(connection, f"{_COLUMNS} FROM trials WHERE id = :id", id=number)
        if stored is None:
            return None
        row: dict[str, SqlValue] = dict(stored)
        at, took = int(row["at"] or 0), float(row["seconds"] or 0.0)
        begin, end = at - round(CONTEXT_SECONDS * SECOND), at + round((took + CONTEXT_SECONDS) * SECOND)
        shape, source, name = _shape(row["comparison"]), *_split(str(row["metric"] or ""))
        readings = _readings(connection, source, name, begin, end)
        neighbours = fetch_all(
            connection,
            "SELECT at, coalesce(seconds, 0.0) AS seconds, action, placebo FROM trials "
            "WHERE at >= :begin AND at <= :end AND id <> :id ORDER BY at LIMIT 200",
            begin=begin, end=end, id=number,
        )  # fmt: skip
        others = tuple(
            NeighbouringTrial(int(other["at"]), float(other["seconds"]), str(other["action"]), bool(other["placebo"])) for other in neighbours
        )
        pause = took if shape is None or shape.pause is None else shape.pause
        own, idle = _windows(connection, (source, name), at, pause, shape)
    return TrialDetails(row, shape, readings, others, own, idle)


def read_metric_history(reader: Reader, metric: str, since: int, until: int) -> pd.DataFrame:
    """A metric over a span of about a day at most, at the finest stored resolution: at (ns UTC ascending), value, unit."""
    with reader.reading() as connection:
        return _readings(connection, *_split(metric), since, until, limit=20_000)


def read_changed_rules(reader: Reader) -> pd.DataFrame:
    """The rules changed on the page or the command line: name, data, changed_at, by, reason."""
    return reader.frame('SELECT name, data, changed_at, "by", reason FROM rules ORDER BY name LIMIT 200')


def _readings(connection: Connection, source: str, name: str, since: int, until: int, *, limit: int = MAX_SAMPLES) -> pd.DataFrame:
    sql = "SELECT at, value, unit FROM v_readings WHERE source = :source AND name = :name AND at >= :since AND at <= :until ORDER BY at LIMIT :limit"
    return fetch_frame(connection, sql, {"source": source, "name": name, "since": since, "until": until, "limit": limit})


def _windows(
    connection: Connection, metric: tuple[str, str], at: int, pause: float, shape: TrialWindows | None
) -> tuple[tuple[Floats, Floats] | None, tuple[tuple[Floats, Floats], ...]]:
    """The trial's own window and its control windows, where raw samples are stored."""
    if shape is None:
        return None, ()
    length = round((shape.before + pause + shape.after) * SECOND)
    own = _samples(connection, metric, at - round(shape.before * SECOND), length, shape.before)
    starts = shape.starts[:: max(1, -(-len(shape.starts) // MAX_CONTROL_WINDOWS))]
    windows = (_samples(connection, metric, start, length, shape.before) for start in starts)
    return own, tuple(window for window in windows if window is not None)


def _samples(connection: Connection, metric: tuple[str, str], begin: int, length: int, before: float) -> tuple[Floats, Floats] | None:
    """Seconds from the start of the action (or where it would start), and values."""
    sql = "SELECT at, value FROM readings_raw WHERE at >= :begin AND at <= :end AND source = :source AND name = :name ORDER BY at LIMIT :limit"
    samples = fetch_frame(connection, sql, {"begin": begin, "end": begin + length, "source": metric[0], "name": metric[1], "limit": MAX_SAMPLES})
    if len(samples) < 2:
        return None
    at, values = (samples[name].to_numpy(dtype=np.float64) for name in ("at", "value"))
    return (at - begin) / SECOND - before, values


def _shape(text: SqlValue) -> TrialWindows | None:
    if not isinstance(text, str):
        return None
    stored = json.loads(text)
    pause = stored.get("pause")
    return TrialWindows(
        float(stored["before"]), float(stored["after"]), None if pause is None else float(pause), tuple(int(start) for start in stored["starts"])
    )


def _newest(connection: Connection) -> dict[str, tuple[float | None, int, str]]:
    """Each metric's newest value of the last two minutes of readings, its time and its unit."""
    sql = """
        SELECT source || '.' || name AS metric, value, max(at) AS at, unit FROM readings_raw
        WHERE at >= (SELECT max(at) FROM readings_raw) - :span GROUP BY source, name"""
    return {str(row["metric"]): (row["value"], int(row["at"]), str(row["unit"])) for row in fetch_all(connection, sql, span=120 * SECOND)}


def _split(metric: str) -> tuple[str, str]:
    source, _, name = metric.partition(".")
    return source, name
