"""What the rules of alerts look at, read in one short snapshot beside the writer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import Connection

from engine.domain.alerting import AlertInputs
from engine.evidence.staleness import MIN_FROZEN_BARS
from engine.explain import describe_fault
from engine.store import database
from engine.store.errors import translate_errors
from engine.store.write import alerts

HOUR = 3_600 * 10**9  # ns
STORE_MOVED_KEY = "store moved"  # the fact under which it is kept that the file was deleted or replaced: when (ns UTC), and what was done
CLEAN_RATE_TICKS = 500  # the honest rate is taken over the live ones among them


class FactsReader:
    """Reads the store on a connection of its own; raises StoreFailed."""

    def __init__(self, url: str, *, busy_ms: int = 300) -> None:
        self._path = database.path_from_url(url)
        self._engine = database.connect(url, read_only=True, busy_ms=busy_ms)

    def close(self) -> None:
        self._engine.dispose()

    def read(self, facts: AlertInputs) -> AlertInputs:
        """The facts with what the store knows."""
        with translate_errors(str(self._path)), self._engine.begin() as connection:
            return _moved(connection, _drill(connection, _trials(connection, _ticks(connection, facts))))


def _ticks(connection: Connection, facts: AlertInputs) -> AlertInputs:
    last = connection.exec_driver_sql("SELECT tick, wall, warm, session FROM ticks ORDER BY tick DESC LIMIT 1").first()
    if last is None:
        return facts
    tick, wall, warm, session = (int(part) for part in last)
    counted, honest = connection.exec_driver_sql(
        "SELECT count(*), coalesce(sum(degraded = '[]'), 0) FROM (SELECT degraded, warm FROM ticks ORDER BY tick DESC LIMIT ?) WHERE warm = 0",
        (CLEAN_RATE_TICKS,),
    ).one()
    gated = _fresh_data(connection, tick)
    sql = "SELECT kind, symbol FROM incidents WHERE session = ? AND until IS NULL ORDER BY id LIMIT 50"
    open_ones = tuple(f"{kind.replace('_', ' ')} {'everywhere' if symbol in {'*', ''} else symbol}" for kind, symbol in
                      connection.exec_driver_sql(sql, (session,)))  # fmt: skip
    trained = connection.exec_driver_sql(
        "SELECT coalesce((SELECT max(trained_to) FROM artifacts WHERE session = ?), (SELECT min(first_tick) FROM runs WHERE session = ?))",
        (session, session),
    ).scalar()
    return replace(
        facts, last_decided_at=wall, is_warmup=bool(warm), ticks=int(counted), clean_ticks=int(honest),
        symbols=len(gated), fresh_symbols=sum(is_open for _, is_open, _ in gated),
        faulty_symbols=tuple(f"{symbol}: {fault}" for symbol, _, fault in gated if fault),
        incidents=open_ones, failed_gates=_shut(connection, tick, session), ticks_since_training=None if trained is None else tick - int(trained),
    )  # fmt: skip


def _fresh_data(connection: Connection, tick: int) -> list[tuple[str, bool, str | None]]:
    """Each symbol, whether its gate "fresh data" was open, and the fault of the data that shut it, in words; a gate without a value says nothing.

    A bar or a book that has repeated for fewer bars than an incident takes shuts the gate and is not worth an alert: it counts as open here.
    """
    sql = """SELECT symbol, coalesce(json_extract(gates, '$.passed[0]') = 1 OR json_extract(gates, '$.value[0]') IS NULL, fresh),
             json_extract(gates, '$.fault'), json_extract(gates, '$.value[0]') FROM decisions WHERE tick = ? ORDER BY symbol"""
    gated = []
    for symbol, is_open, fault, bars in connection.exec_driver_sql(sql, (tick,)):
        doubted = fault is not None and fault.startswith("stale") and bars is not None and bars < MIN_FROZEN_BARS
        gated.append((str(symbol), bool(is_open) or doubted, None if fault is None or doubted else describe_fault(fault, bars)))
    return gated


def _shut(connection: Connection, tick: int, session: int) -> tuple[tuple[str, float | None, float | None], ...]:
    """The gates that were shut for the first symbol; those that alerts look at are the same for every symbol."""
    row = connection.exec_driver_sql(
        "SELECT d.gates, s.gates FROM decisions d JOIN sessions s ON s.id = ? WHERE d.tick = ? ORDER BY d.symbol LIMIT 1", (session, tick)
    ).first()
    if row is None or row[1] is None:
        return ()
    told: dict[str, Any] = orjson.loads(row[0])
    names = told.get("names") or [gate["name"] for gate in orjson.loads(row[1])]
    rungs = zip(names, told["value"], told["limit"], told["passed"], strict=False)
    return tuple((str(name), value, limit) for name, value, limit, passed in rungs if not passed)


def _trials(connection: Connection, facts: AlertInputs) -> AlertInputs:
    sql = "SELECT DISTINCT action FROM trials WHERE at >= ? AND verdict = 'harmed' AND placebo = 0 AND mode <> 'manual' LIMIT 20"
    harmed = [f"{action} harmed" for (action,) in connection.exec_driver_sql(sql, (facts.now - HOUR,))]
    sql = "SELECT action FROM actions WHERE licence = 'quarantined' AND coalesce(why, '') NOT LIKE 'set by %' ORDER BY action LIMIT 20"
    return replace(facts, harmed=(*harmed, *(f"{action} is quarantined" for (action,) in connection.exec_driver_sql(sql))))


def _drill(connection: Connection, facts: AlertInputs) -> AlertInputs:
    last = alerts.find_last_drill(connection)
    if last is None or last.passed:
        return facts
    return replace(facts, failed_drill="; ".join(f"{one.name}: {one.detail}" for one in last.checks if not one.passed))


def _moved(connection: Connection, facts: AlertInputs) -> AlertInputs:
    kept = connection.exec_driver_sql("SELECT value FROM meta WHERE key = ?", (STORE_MOVED_KEY,)).scalar()
    if kept is None:
        return facts
    at, words = orjson.loads(kept)
    return replace(facts, store_moved=str(words) if facts.now - int(at) < HOUR else None)
