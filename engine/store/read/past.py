"""The store as of a past tick: temporary views that bound every table, so that a read sees only what was stored by then.

A temporary view hides the table of its name in one connection, so no query changes. Each bound is a range of an index.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, Table

from engine.store import schema, views
from engine.store.connection import build_insert, driver_connection

ESTIMATED = (schema.SKILL, schema.DECLINED, schema.LIQUIDITY_FORECAST)  # stored for each tick in the table estimates
TRIAL_PENDING = "under way"  # the verdict of a trial, and its detail, before it was judged
NOT_STORED = "not stored"  # a state that was replaced after the past tick: the store has the newest only
OUTCOMES, OUTCOMES_NOW = "decisions", "main.decisions"
_MINUTES = 60_000_000_000  # ns


@dataclass(frozen=True, slots=True)
class PastTick:
    """A stored tick that the store is read as of."""

    tick: int
    at: int  # ns UTC, market time
    wall: int  # ns UTC, when it was decided
    session: int
    knows_now: bool = False  # what was open then is judged by what is known now: estimates, resolutions, verdicts

    def to_text(self) -> str:
        return f"{self.tick} {self.at} {self.wall} {self.session} {int(self.knows_now)}"


def parse_past(text: str) -> PastTick:
    """Return the past tick that `to_text` wrote."""
    tick, at, wall, session, knows_now = map(int, text.split())
    return PastTick(tick, at, wall, session, bool(knows_now))


def bind_past(connection: Connection, past: PastTick) -> None:
    """Bound every table of this connection by the past tick; raises DBAPIError where the store cannot be read."""
    newest = connection.exec_driver_sql(_NEWEST_FILL, (past.tick,)).scalar()
    driver = driver_connection(connection)
    for name, select in build_selects(past, newest if newest is not None else -1).items():
        driver.execute(f"CREATE TEMP VIEW {name} AS {select}")
    if not past.knows_now:
        for table in ESTIMATED:
            _restore_estimates(driver, table, past.tick)
    connection.execution_options(outcomes=OUTCOMES_NOW if past.knows_now else OUTCOMES)
    for name, body in views.VIEWS["sqlite"].items():
        known = body.replace(f"LEFT JOIN {OUTCOMES} f", f"LEFT JOIN {choose_outcomes(connection)} f")
        driver.execute(f"CREATE TEMP VIEW {name} AS {known}")


def choose_outcomes(connection: Connection) -> str:
    """Return the table that outcomes of decisions are read from."""
    name: str = connection.get_execution_options().get("outcomes", OUTCOMES)
    return name


def choose_known_table(connection: Connection, table: str) -> str:
    """Return the name to read what followed a decision under: not bounded where that is judged by what is known now."""
    return f"main.{table}" if choose_outcomes(connection) == OUTCOMES_NOW else table


_NEWEST_FILL = "SELECT id FROM fills WHERE tick <= ? ORDER BY tick DESC, id DESC LIMIT 1"


def build_selects(past: PastTick, newest_fill: int) -> dict[str, str]:
    """Return the SELECT of each table that is bounded, by name."""
    tick, wall, at = past.tick, past.wall, past.at
    by_tick = f"tick <= {tick}"
    version = "value" if past.knows_now else "CASE key WHEN 'version' THEN 'past' ELSE value END"
    bounded = {
        **{table.name: _select(table, by_tick) for table in (schema.TICKS, schema.MARKET_SNAPSHOTS, schema.DECISIONS, schema.CHECKPOINTS)},
        "fills": _select(schema.FILLS, f"{by_tick} AND id <= {newest_fill}"),
        "contest_points": _select(schema.CONTEST_POINTS, by_tick),
        "sessions": _select(schema.SESSIONS, f"id <= {past.session}", {name: _of_run(name, tick) for name in ("settings", "fingerprint")}),
        "runs": _select(schema.RUNS, f"first_tick <= {tick}"),
        "artifacts": _select(schema.ARTIFACTS, f"trained_at <= {wall}"),
        **{table.name: _select(table, f"at <= {wall}") for table in (schema.READINGS_RAW, schema.TRIGGERS, schema.SILENCES, schema.DRILLS)},
        "audit": _select(schema.AUDIT, f"at <= {wall}"),
        "judgements": _select(schema.JUDGEMENTS, "1" if past.knows_now else f"at <= {wall}"),
        **_select_replaced(wall),
        **{
            f"readings_{name}": f"SELECT * FROM main.readings_{name} WHERE at <= {wall - length}"
            for name, length in (("ten", _MINUTES // 6), ("minute", _MINUTES), ("hour", 60 * _MINUTES))
        },
        "meta": f"SELECT key, {version} AS value FROM main.meta WHERE key NOT LIKE 'execution.%'",
    }
    return bounded | _select_open(past, "" if past.knows_now else f" AND {{}} <= {wall}", at)


def _select_open(past: PastTick, then: str, at: int) -> dict[str, str]:
    """Return the SELECT of each table whose rows are completed after they were stored."""
    tick, wall = past.tick, past.wall
    by_wall = f"at <= {wall}"
    resolved, finished = f"resolved_at IS NOT NULL{then.format('resolved_at')}", f"finished_at IS NOT NULL{then.format('finished_at')}"
    sent = f"sent_at IS NOT NULL{then.format('sent_at')}"
    undated = "('sent')" if past.knows_now else "('sent', 'failed')"  # no time is stored of giving up
    tried = "1" if past.knows_now else sent
    started, recovered = f"started_at <= {wall}", f"recovered_at IS NOT NULL{then.format('recovered_at')}"
    judged = "1" if past.knows_now else f"{_TRIAL_END} <= {wall}"
    ended = "1" if past.knows_now else f"until <= {at}"
    decided = "1" if past.knows_now else f"decided <= {tick}"
    return {
        "alerts": _select(schema.ALERTS, by_wall, {
            "state": f"CASE WHEN {resolved} THEN state ELSE 'open' END", "resolved_at": _when(resolved, "resolved_at"),
            **{name: _when(f"acked_at <= {wall}", name) for name in ("acked_by", "acked_at")},
            "escalated_at": _when(f"escalated_at <= {wall}", "escalated_at"),
        }),
        "commands": _select(schema.COMMANDS, by_wall, {
            "status": f"CASE WHEN {finished} THEN status WHEN {started} THEN 'running' ELSE 'queued' END",
            **{name: _when(finished, name) for name in ("result", "finished_at", "note")},
            "started_at": _when(started, "started_at"), "progress": f"CASE WHEN {finished} THEN progress WHEN {started} THEN 0.0 END",
        }),
        "deliveries": _select(schema.DELIVERIES, by_wall, {
            "status": f"CASE WHEN status IN {undated} AND NOT ({sent}) THEN 'waiting' ELSE status END",
            "tries": f"CASE WHEN {tried} THEN tries ELSE 0 END", "next_at": _when(tried, "next_at"),
            **{name: _when(sent, name) for name in ("sent_at", "error")},
        }),
        "recoveries": _select(schema.RECOVERIES, by_wall, {name: _when(recovered, name) for name in ("how", "recovered_at")}),
        "incidents": _select(schema.INCIDENTS, f"since <= {at} AND session <= {past.session}", {"until": _when(ended, "until")}),
        "evolutions": _select(schema.EVOLUTIONS, f"session <= {past.session} AND began <= {tick}", {
            "state": f"CASE WHEN {decided} THEN state ELSE 'racing' END", "verdict": f"CASE WHEN {decided} THEN verdict ELSE '' END",
            **{name: _when(decided, name) for name in ("evidence", "threshold", "decided_at", "decided")},
        }),
        "trials": _select(schema.TRIALS, by_wall, {
            **{name: _when(judged, name) for name in _JUDGED},
            **{name: f"CASE WHEN {judged} THEN {name} ELSE '{TRIAL_PENDING}' END" for name in ("verdict", "detail")},
            "undone": f"CASE WHEN {judged} THEN undone ELSE 0 END", "seconds": f"CASE WHEN {judged} THEN seconds ELSE 0.0 END",
        }),
    }  # fmt: skip


def _select_replaced(wall: int) -> dict[str, str]:
    """Return the SELECT of each table that has the newest state only; what was replaced after the past tick is not stored."""
    licensed = f"licensed_at <= {wall}"
    return {
        "components": _select(schema.COMPONENTS, "1", {
            "state": f"CASE WHEN since <= {wall} THEN state ELSE '{NOT_STORED}' END", "last_error": "NULL",
        }),
        "actions": _select(schema.ACTIONS, "1", {
            "licence": f"CASE WHEN licensed_at > {wall} THEN '{NOT_STORED}' ELSE licence END", "why": _when(licensed, "why"),
            "licensed_at": _when(licensed, "licensed_at"),
        }),
    }  # fmt: skip


# What a trial is stored with once it is judged.
_JUDGED = ("after", "effect", "low", "high", "windows", "guards", "comparison", "amount")
# A trial is judged after the action has run and the readings after it are in.
_TRIAL_END = "at + CAST(1e9 * (coalesce(seconds, 0.0) + coalesce(json_extract(comparison, '$.after'), 0.0)) AS INTEGER)"


def _select(table: Table, condition: str, replaced: Mapping[str, str] | None = None) -> str:
    """Return the SELECT of a table's rows that meet a condition, with some columns replaced by expressions."""
    new = replaced or {}
    columns = ", ".join(f'{new[column.name]} AS "{column.name}"' if column.name in new else f'"{column.name}"' for column in table.columns)
    return f"SELECT {columns} FROM main.{table.name} WHERE {condition}"


def _when(condition: str, column: str) -> str:
    return f"CASE WHEN {condition} THEN {column} END"


def _of_run(column: str, tick: int) -> str:
    """Return a session's value by the newest of its runs up to a tick."""
    newest = f"SELECT r.{column} FROM main.runs r WHERE r.session = sessions.id AND r.first_tick <= {tick} ORDER BY r.id DESC LIMIT 1"
    return f"coalesce(({newest}), {column})"


def _restore_estimates(driver: sqlite3.Connection, table: Table, tick: int) -> None:
    """Make a temporary table of the rows as they were; empty where none is stored for the tick or before."""
    columns = ", ".join(f'"{column.name}" {column.type.compile()}' for column in table.columns)
    driver.execute(f"CREATE TEMP TABLE {table.name} ({columns})")
    sql = "SELECT rows FROM main.estimates WHERE kind = ? AND tick <= ? ORDER BY tick DESC LIMIT 1"
    row = driver.execute(sql, (table.name, tick)).fetchone()
    if row is not None:
        driver.executemany(build_insert(table), orjson.loads(row[0]))
