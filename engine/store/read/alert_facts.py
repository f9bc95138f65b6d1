"""The inputs of the alert rules, read in one short snapshot beside the writer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import Connection

from engine import units
from engine.domain.alerting import ALL, AlertInputs
from engine.evidence.staleness import MIN_FROZEN_BARS
from engine.explain import describe_fault
from engine.store import database
from engine.store.errors import translate_errors
from engine.store.read.clean_rate import count_recent_clean_ticks
from engine.store.read.reader import fetch_all, fetch_first, fetch_scalar
from engine.store.write import alerts

HOUR = 3_600 * 10**9  # ns
MAX_VERSION_LENGTH = 80  # characters of the versions that a message names
STORE_MOVED_KEY = "store moved"  # key of the fact that the file was deleted or replaced: time (ns UTC) and response


class FactsReader:
    """Reads the store on its own connection; raises StoreError."""

    def __init__(self, url: str, *, busy_ms: int = 300) -> None:
        self._path = database.path_from_url(url)
        self._engine = database.connect(url, read_only=True, busy_ms=busy_ms)

    def close(self) -> None:
        self._engine.dispose()

    def read(self, facts: AlertInputs) -> AlertInputs:
        """The inputs, completed with what the store knows."""
        with translate_errors(str(self._path)), self._engine.begin() as connection:
            known = _drill(connection, _trials(connection, _reverts(connection, _ticks(connection, facts))))
            return _store_moved(connection, _failed_logins(connection, known))


def _ticks(connection: Connection, facts: AlertInputs) -> AlertInputs:
    last = fetch_first(connection, "SELECT tick, wall, warm, session FROM ticks ORDER BY tick DESC LIMIT 1")
    if last is None:
        return facts
    tick, session = int(last["tick"]), int(last["session"])
    clean = count_recent_clean_ticks(connection)
    gates = _fresh_data(connection, tick)
    incidents = fetch_all(
        connection, "SELECT kind, symbol FROM incidents WHERE session = :session AND until IS NULL ORDER BY id LIMIT 50", session=session
    )
    trained = fetch_scalar(
        connection,
        "SELECT coalesce((SELECT max(trained_to) FROM artifacts WHERE session = :session), "
        "(SELECT min(first_tick) FROM runs WHERE session = :session))",
        session=session,
    )
    return replace(
        facts, last_decided_at=int(last["wall"]), is_warmup=bool(last["warm"]), ticks=clean.ticks, clean_ticks=clean.ticks - clean.degraded,
        symbols=len(gates), fresh_symbols=sum(is_open for _, is_open, _ in gates),
        faulty_symbols=tuple(f"{symbol}: {fault}" for symbol, _, fault in gates if fault),
        incidents=tuple(f"{row['kind'].replace('_', ' ')} {'everywhere' if row['symbol'] in {'*', ''} else row['symbol']}" for row in incidents),
        failed_gates=_failed_gates(connection, tick, session), ticks_since_training=None if trained is None else tick - int(trained),
    )  # fmt: skip


def _fresh_data(connection: Connection, tick: int) -> list[tuple[str, bool, str | None]]:
    """Each symbol, whether its gate "fresh data" passed, and the data fault that failed it, in words; a gate without a value is ignored.

    A bar or a book that has repeated for fewer bars than an incident takes fails the gate and deserves no alert: it counts as passed here.
    """
    sql = """SELECT symbol, coalesce(json_extract(gates, '$.passed[0]') = 1 OR json_extract(gates, '$.value[0]') IS NULL, fresh) AS passed,
             json_extract(gates, '$.fault') AS fault, json_extract(gates, '$.value[0]') AS bars FROM decisions WHERE tick = :tick ORDER BY symbol"""
    gates = []
    for row in fetch_all(connection, sql, tick=tick):
        fault, bars = row["fault"], row["bars"]
        is_suspect = fault is not None and fault.startswith("stale") and bars is not None and bars < MIN_FROZEN_BARS
        reason = None if fault is None or is_suspect else describe_fault(fault, bars)
        gates.append((str(row["symbol"]), bool(row["passed"]) or is_suspect, reason))
    return gates


def _failed_gates(connection: Connection, tick: int, session: int) -> tuple[tuple[str, float | None, float | None], ...]:
    """The gates that failed for the first symbol, with value and limit; those that alerts look at are the same for every symbol."""
    row = fetch_first(
        connection,
        "SELECT d.gates AS results, s.gates AS gates FROM decisions d JOIN sessions s ON s.id = :session "
        "WHERE d.tick = :tick ORDER BY d.symbol LIMIT 1",
        session=session,
        tick=tick,
    )
    if row is None or row["gates"] is None:
        return ()
    results: dict[str, Any] = orjson.loads(row["results"])
    names = results.get("names") or [gate["name"] for gate in orjson.loads(row["gates"])]
    gates = zip(names, results["value"], results["limit"], results["passed"], strict=False)
    return tuple((str(name), value, limit) for name, value, limit, passed in gates if not passed)


def _trials(connection: Connection, facts: AlertInputs) -> AlertInputs:
    sql = "SELECT DISTINCT action FROM trials WHERE at >= :since AND verdict = 'harmed' AND placebo = 0 AND mode <> 'manual' LIMIT 20"
    harmed = fetch_all(connection, sql, since=facts.now - HOUR)
    sql = "SELECT action FROM actions WHERE licence = 'quarantined' AND coalesce(why, '') NOT LIKE 'set by %' ORDER BY action LIMIT 20"
    quarantined = fetch_all(connection, sql)
    harmed_actions = [*(f"{row['action']} harmed" for row in harmed), *(f"{row['action']} is quarantined" for row in quarantined)]
    return replace(facts, harmed=tuple(harmed_actions))


def _reverts(connection: Connection, facts: AlertInputs) -> AlertInputs:
    """Returns by hand have no figures, and deserve no alert."""
    sql = """SELECT e.model, e.strategy, e.version, e.evidence, e.threshold
             FROM (SELECT * FROM evolutions ORDER BY id DESC LIMIT 200) e JOIN ticks t ON t.tick = e.decided AND t.session = e.session
             WHERE e.state = 'reverted' AND e.evidence IS NOT NULL AND t.wall >= :since ORDER BY e.id DESC LIMIT 20"""
    return replace(facts, reverted=tuple(_describe_revert(**row) for row in fetch_all(connection, sql, since=facts.now - HOUR)))


def _describe_revert(model: str, strategy: str, version: str, evidence: float, threshold: float) -> str:
    changed = version if len(version) <= MAX_VERSION_LENGTH else f"{version[:MAX_VERSION_LENGTH]}..."
    figures = f"e-value {units.format_number(evidence, 0)} of {units.format_number(threshold, 0)}"
    return f"{changed} ({strategy} of {'all models' if model == ALL else model}) was worse than the versions before ({figures})"


def _drill(connection: Connection, facts: AlertInputs) -> AlertInputs:
    last = alerts.find_last_drill(connection)
    if last is None or last.passed:
        return facts
    return replace(facts, failed_drill="; ".join(f"{check.name}: {check.detail}" for check in last.checks if not check.passed))


def _failed_logins(connection: Connection, facts: AlertInputs) -> AlertInputs:
    sql = "SELECT count(*) FROM audit WHERE at >= :since AND kind = 'log-in' AND subject = 'failed'"
    return replace(facts, failed_logins=int(fetch_scalar(connection, sql, since=facts.now - HOUR)))


def _store_moved(connection: Connection, facts: AlertInputs) -> AlertInputs:
    value = fetch_scalar(connection, "SELECT value FROM meta WHERE key = :key", key=STORE_MOVED_KEY)
    if value is None:
        return facts
    at, message = orjson.loads(value)
    return replace(facts, store_moved=str(message) if facts.now - int(at) < HOUR else None)
