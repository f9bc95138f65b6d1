"""The events that programs follow, with what they are about, oldest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from engine.store.read.reader import Reader, fetch_all, fetch_first

KINDS = ("decisions", "alerts", "trials")
_EVENTS = "SELECT id, at, kind, subject, state FROM events WHERE id > :after ORDER BY id LIMIT :limit"
_DECISIONS = """
    SELECT tick, at, symbol, action, intent, target, position, confidence, edge_bps, cost_bps, binding_gate, degraded, regime, tick_ms
    FROM v_decisions WHERE tick = :tick ORDER BY symbol"""
_GATES = "SELECT symbol, gate, value, threshold, passed FROM v_gates WHERE tick = :tick ORDER BY symbol, rung"


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its contents; None where retention has deleted what it is about."""

    id: int
    at: int  # ns UTC, by the wall clock
    kind: str  # of KINDS
    state: str
    data: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class EventRange:
    """The oldest and the newest number; 0 where there is none."""

    oldest: int
    newest: int


def find_event_range(reader: Reader) -> EventRange:
    """The numbers that are stored; the newest is known also where retention has deleted its row. Raises StoreUnreadable."""
    with reader.reading() as connection:
        row = fetch_first(connection, "SELECT (SELECT min(id) FROM events) AS oldest, (SELECT seq FROM sqlite_sequence WHERE name = 'events') AS seq")
    return EventRange(0, 0) if row is None else EventRange(int(row["oldest"] or 0), int(row["seq"] or 0))


def read_events(reader: Reader, after: int, limit: int) -> tuple[StoredEvent, ...]:
    """The events after a number; raises StoreUnreadable."""
    with reader.reading() as connection:
        return tuple(
            StoredEvent(row["id"], row["at"], row["kind"], row["state"], read_contents(connection, row["kind"], row["subject"], row["state"]))
            for row in fetch_all(connection, _EVENTS, after=after, limit=limit)
        )


def read_event(connection: Connection, number: int) -> StoredEvent | None:
    """One event; None where retention has deleted it."""
    rows = fetch_all(connection, "SELECT id, at, kind, subject, state FROM events WHERE id = :number", number=number)
    return next(
        (StoredEvent(r["id"], r["at"], r["kind"], r["state"], read_contents(connection, r["kind"], r["subject"], r["state"])) for r in rows), None
    )


def read_contents(connection: Connection, kind: str, subject: int, state: str) -> Mapping[str, object] | None:
    """What an event is about: the decisions of a tick with their gates, an alert as it was then but for its message, or a trial."""
    if kind == "decisions":
        return _read_decisions(connection, subject)
    row = fetch_first(connection, f"SELECT * FROM v_{kind} WHERE id = :number", number=subject)
    if row is None:
        return None
    contents = dict(row)
    if kind == "alerts":  # as it was then
        contents |= {"state": "resolved" if state == "resolved" else "open", "acked_by": row["acked_by"] if state != "opened" else None}
    return {"event": state, **contents}


def _read_decisions(connection: Connection, tick: int) -> Mapping[str, object] | None:
    rows = fetch_all(connection, _DECISIONS, tick=tick)
    if not rows:
        return None
    gates: dict[str, list[dict[str, object]]] = {}
    for gate in fetch_all(connection, _GATES, tick=tick):
        gates.setdefault(gate["symbol"], []).append({name: gate[name] for name in ("gate", "value", "threshold", "passed")})
    names = tuple(rows[0])[2:]
    decisions = [{**{name: row[name] for name in names}, "gates": gates.get(row["symbol"], [])} for row in rows]
    return {"tick": tick, "at": rows[0]["at"], "decisions": decisions}
