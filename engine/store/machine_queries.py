"""Readings of the machine, trials of the optimizer and commands, for the pages that operate the engine."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd

from engine.store.reader import Reader, rows, told_first

SECOND = 1_000_000_000  # ns
RAW_KEPT = 7_200 * SECOND  # raw readings are kept for 2 h, minutes for 30 days
POINTS = 240  # of a line at most
Named = tuple[str, str]  # source, name


def current(reader: Reader) -> pd.DataFrame:
    """The newest sample of every reading: at, source, name, value, unit."""
    return reader.frame("SELECT at, source, name, value, unit FROM readings_raw WHERE at = (SELECT max(at) FROM readings_raw) ORDER BY source, name")


def lines(reader: Reader, wanted: Sequence[Named], since: int, until: int) -> pd.DataFrame:
    """Readings over a span of wall time in at most 240 steps: source, name, unit, at (start of the step), low, mean, high.

    Up to 20 minutes come from the raw samples, more from the means of minutes. A step without a reading has no row.
    """
    step = max((until - since) // POINTS, 1)
    with reader.reading() as connection:
        if until - since <= 1_200 * SECOND:
            names = json.dumps([f"{source}.{name}" for source, name in wanted])
            sql = """
                SELECT r.source, r.name, min(r.unit) AS unit, (r.at / :step) * :step AS at,
                       min(r.value) AS low, avg(r.value) AS mean, max(r.value) AS high
                FROM readings_raw r WHERE r.at >= :since AND r.at <= :until AND r.source || '.' || r.name IN (SELECT value FROM json_each(:names))
                GROUP BY r.source, r.name, r.at / :step ORDER BY 1, 2, 4"""
        else:
            names = json.dumps([list(one) for one in wanted])
            step = max(step, 60 * SECOND)
            sql = """
                SELECT m.source, m.name, min(m.unit) AS unit, (m.at / :step) * :step AS at, min(m.low) AS low, sum(m.mean * m.n) / sum(m.n) AS mean,
                       max(m.high) AS high
                FROM json_each(:names) w CROSS JOIN readings_minute m
                    ON m.source = json_extract(w.value, '$[0]') AND m.name = json_extract(w.value, '$[1]') AND m.at >= :since AND m.at <= :until
                GROUP BY m.source, m.name, m.at / :step ORDER BY 1, 2, 4"""
        return rows(connection, sql, {"names": names, "since": since, "until": until, "step": step})


def actions(reader: Reader) -> pd.DataFrame:
    """Every action with what its trials came to: counts by verdict, the last run, the sum of what it changed itself."""
    return reader.frame("""
        SELECT a.action, a.kind, a.cures, a.mode, a.licence, a.about, count(t.id) AS trials, max(t.at) AS last_at, sum(t.amount) AS amount,
               max(t.amount_unit) AS amount_unit, count(CASE WHEN t.verdict = 'helped' THEN 1 END) AS helped,
               count(CASE WHEN t.verdict = 'no measurable effect' THEN 1 END) AS no_effect, count(CASE WHEN t.verdict = 'harmed' THEN 1 END) AS harmed
        FROM actions a LEFT JOIN (SELECT * FROM trials WHERE placebo = 0 ORDER BY id DESC LIMIT 5000) t ON t.action = a.action
        GROUP BY a.action, a.kind, a.cures, a.mode, a.licence, a.about ORDER BY a.kind, a.action""")


def trials(reader: Reader, *, limit: int) -> pd.DataFrame:
    """The newest trials that were no placebo, newest first."""
    return reader.frame(
        'SELECT id, at, action, "trigger", mode, metric, unit, before, after, effect, low, high, windows, verdict, undone, '
        'amount, amount_unit, detail, "by", reason, seconds FROM trials WHERE placebo = 0 ORDER BY id DESC LIMIT :limit',
        {"limit": limit},
    )


def commands(reader: Reader, *, limit: int, name: str | None = None) -> pd.DataFrame:
    """The newest commands, newest first."""
    where = "" if name is None else "WHERE name = :name"
    params: dict[str, int | float | str | None] = {"limit": limit} | ({} if name is None else {"name": name})
    return reader.frame(
        'SELECT id, at, name, args, "by", reason, status, result, started_at, finished_at, progress, note '
        f"FROM commands {where} ORDER BY id DESC LIMIT :limit",
        params,
    )


def alerts(reader: Reader, *, limit: int) -> pd.DataFrame:
    """The newest alerts, open ones first."""
    return reader.frame(
        "SELECT id, at, rule, severity, state, message FROM alerts ORDER BY state = 'open' DESC, id DESC LIMIT :limit", {"limit": limit}
    )


def last_training(reader: Reader) -> tuple[int, float | None, int, str] | None:
    """When the newest artifact was trained (ns UTC), how long it took in s, rows, version; None before the first."""
    with reader.reading() as connection:
        found = told_first(connection, "SELECT trained_at, seconds, rows, version FROM artifacts ORDER BY id DESC LIMIT 1")
    return None if found is None else (int(found[0]), found[1], int(found[2]), str(found[3]))
