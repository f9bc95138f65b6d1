"""Alerts, silences, deliveries, recoveries and drills, as statements inside a caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection

from engine.domain.alerting import FAILED, JOINED, SENT, WAITING, Alert, AlertMessage, Delivery, Drill, DrillCheck, FaultRecovery, Silence
from engine.store.connection import driver_connection, fetch_value
from engine.store.write import audit, events

DAY = 86_400 * 10**9  # ns
RECENT_ALERTS = 300  # newest alerts that are searched for unannounced resolutions
_OPEN, _RESOLVED, _DELIVERED, _SILENCES = 500, 50, 2_000, 200  # rows of one result at most
_COLUMNS = "a.id, a.at, a.rule, a.severity, a.state, a.message, a.acked_by, a.acked_at, a.resolved_at, a.escalated_at"  # as the fields of Alert
_RAISE = """
INSERT INTO alerts (at, rule, severity, state, message, value) VALUES (?, ?, ?, 'open', ?, ?)
ON CONFLICT (rule) WHERE state = 'open' DO UPDATE SET severity = excluded.severity, message = excluded.message,
    value = coalesce(excluded.value, value)
"""
_FIND_OPEN = "SELECT id FROM alerts WHERE rule = ? AND state = 'open'"
_QUEUE = """
INSERT OR IGNORE INTO deliveries (alert, at, kind, target, message, status, tries, next_at) VALUES (?, ?, ?, ?, ?, ?, 0, ?)
"""
_DUE = """
SELECT d.id, d.alert, d.at, d.kind, d.target, d.message, d.status, d.tries, d.next_at, coalesce(a.severity, 'info') AS severity, d.event
FROM deliveries d LEFT JOIN alerts a ON a.id = d.alert
WHERE d.status = 'waiting' AND d.target = ? AND (d.next_at <= ? OR d.next_at > ?) ORDER BY d.next_at, d.id LIMIT ?
"""
_MARK_JOINED = """
    UPDATE deliveries SET sent_at = ? FROM (SELECT alert, kind, target, at FROM deliveries WHERE id = ?) m
    WHERE deliveries.status = ? AND deliveries.at = m.at AND deliveries.kind = m.kind AND deliveries.target = m.target
          AND deliveries.message IN ('sent with alert ' || m.alert, 'told with alert ' || m.alert)"""


def raise_alert(connection: Connection, rule: str, severity: str, message: str, value: float | None, now: int) -> None:
    """Open the rule's alert, or update the one that is open: a rule has one open alert at most."""
    is_open = fetch_value(connection, _FIND_OPEN, (rule,)) is not None
    connection.exec_driver_sql(_RAISE, (now, rule, severity, message, value))
    if not is_open:
        number = int(fetch_value(connection, _FIND_OPEN, (rule,)))
        events.append_event(driver_connection(connection), events.ALERTS, number, events.OPENED, now)


def resolve_alert(connection: Connection, rule: str, now: int) -> None:
    """Resolve the rule's open alert, if there is one."""
    number = fetch_value(connection, _FIND_OPEN, (rule,))
    if number is not None:
        connection.exec_driver_sql("UPDATE alerts SET state = 'resolved', resolved_at = ? WHERE id = ?", (now, number))
        events.append_event(driver_connection(connection), events.ALERTS, int(number), events.RESOLVED, now)


def find_open_alerts(connection: Connection) -> tuple[Alert, ...]:
    """The open alerts, oldest first."""
    return _alerts(connection, f"SELECT {_COLUMNS} FROM alerts a WHERE a.state = 'open' ORDER BY a.id LIMIT {_OPEN}")


def find_critical_alerts(connection: Connection) -> tuple[tuple[str, str], ...]:
    """Rule and message of the open critical alerts, oldest first."""
    sql = f"SELECT rule, message FROM alerts WHERE state = 'open' AND severity = 'critical' ORDER BY id LIMIT {_OPEN}"
    return tuple((str(row["rule"]), str(row["message"])) for row in connection.exec_driver_sql(sql).mappings())


def find_unannounced_resolutions(connection: Connection) -> tuple[Alert, ...]:
    """Resolved alerts that were announced when they opened and not yet when they were resolved."""
    newest = f"(SELECT * FROM alerts ORDER BY id DESC LIMIT {RECENT_ALERTS})"
    announced = "EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = a.id AND d.kind = '{}')"
    conditions = f"a.state = 'resolved' AND {announced.format('opened')} AND NOT {announced.format('resolved')}"
    return _alerts(connection, f"SELECT {_COLUMNS} FROM {newest} a WHERE {conditions} ORDER BY a.id LIMIT {_RESOLVED}")


def find_first_notifications(connection: Connection, alerts: Collection[int], kind: str = "opened") -> dict[int, int]:
    """The time (ns UTC) of the first message of that kind, by alert; alerts without one are left out."""
    if not alerts:
        return {}
    marks = ", ".join("?" * len(alerts))
    sql = f"SELECT alert, min(at) AS at FROM deliveries WHERE alert IN ({marks}) AND kind = ? GROUP BY alert LIMIT {_DELIVERED}"
    return {int(row["alert"]): int(row["at"]) for row in connection.exec_driver_sql(sql, (*alerts, kind)).mappings()}


def acknowledge_alert(connection: Connection, number: int, by: str, now: int) -> Alert | None:
    """Acknowledge an open alert until it is resolved; None where no such alert is open. The first acknowledgement stays."""
    sql = "UPDATE alerts SET acked_by = ?, acked_at = ? WHERE id = ? AND state = 'open' AND acked_by IS NULL"
    if connection.exec_driver_sql(sql, (by, now, number)).rowcount:
        events.append_event(driver_connection(connection), events.ALERTS, number, events.ACKNOWLEDGED, now)
    alerts = _alerts(connection, f"SELECT {_COLUMNS} FROM alerts a WHERE a.id = ? AND a.state = 'open'", (number,))
    return alerts[0] if alerts else None


def mark_escalated(connection: Connection, alerts: Iterable[int], now: int) -> None:
    """Record that these alerts were escalated."""
    for number in alerts:
        connection.exec_driver_sql("UPDATE alerts SET escalated_at = ? WHERE id = ?", (now, number))


def silence_rule(connection: Connection, rule: str, until: int, by: str, reason: str, now: int) -> None:
    """Silence a rule, in place of its current silence."""
    end_silences(connection, rule, now)
    connection.exec_driver_sql('INSERT INTO silences (at, until, rule, "by", reason) VALUES (?, ?, ?, ?, ?)', (now, until, rule, by, reason))


def end_silences(connection: Connection, rule: str, now: int) -> int:
    """End the rule's silences now; return their number."""
    return int(connection.exec_driver_sql("UPDATE silences SET until = ? WHERE rule = ? AND until > ?", (now, rule, now)).rowcount)


def find_silences(connection: Connection, now: int) -> tuple[Silence, ...]:
    """The silences in force, newest first."""
    sql = f'SELECT id, at, until, rule, "by", reason FROM silences WHERE at <= ? AND until > ? ORDER BY id DESC LIMIT {_SILENCES}'
    return tuple(Silence(**row) for row in connection.exec_driver_sql(sql, (now, now)).mappings())


def queue_message(connection: Connection, message: AlertMessage, targets: Sequence[str], now: int) -> None:
    """Queue a message for each target; its other alerts are recorded as joined to it. A message that is already queued is not queued again."""
    first, *others = message.alerts
    rows: list[tuple[Any, ...]] = [(first, now, message.kind, target, message.text, WAITING, now) for target in targets]
    rows += [(other, now, message.kind, target, f"sent with alert {first}", JOINED, None) for other in others for target in targets]
    if rows:
        connection.exec_driver_sql(_QUEUE, rows)


def find_due_deliveries(connection: Connection, target: str, now: int, limit: int, max_pause: int) -> tuple[Delivery, ...]:
    """The messages due for a target, oldest first. One that waits longer than the longest pause (ns) was postponed by another clock and is due."""
    return tuple(Delivery(**row) for row in connection.exec_driver_sql(_DUE, (target, now, now + max_pause, limit)).mappings())


def mark_sent(connection: Connection, numbers: Iterable[int], now: int) -> None:
    """Record that these messages, and those joined to them, were sent."""
    for number in numbers:
        connection.exec_driver_sql(
            "UPDATE deliveries SET status = ?, sent_at = ?, tries = tries + 1, next_at = NULL, error = NULL WHERE id = ?", (SENT, now, number)
        )
        connection.exec_driver_sql(_MARK_JOINED, (now, number, JOINED))


def postpone_deliveries(connection: Connection, numbers: Iterable[int], next_at: int, error: str) -> None:
    """Schedule the next attempt of messages that failed."""
    for number in numbers:
        connection.exec_driver_sql("UPDATE deliveries SET tries = tries + 1, next_at = ?, error = ? WHERE id = ?", (next_at, error, number))


def expedite_deliveries(connection: Connection, now: int) -> int:
    """Make every waiting message due now; return their number."""
    return int(connection.exec_driver_sql("UPDATE deliveries SET next_at = ? WHERE status = 'waiting' AND next_at > ?", (now, now)).rowcount)


def abandon_deliveries(connection: Connection, targets: Sequence[str], before: int) -> int:
    """Give up messages for targets that are no longer configured, and messages from before that time; return their number."""
    marks = ", ".join("?" * len(targets)) or "''"
    waiting = "event IS NULL AND status = 'waiting'"
    sql = f"UPDATE deliveries SET status = ?, next_at = NULL, error = ? WHERE {waiting} AND (target NOT IN ({marks}) OR at < ?)"
    error = "given up: the target is no longer configured, or never answered"
    return int(connection.exec_driver_sql(sql, (FAILED, error, *targets, before)).rowcount)


def count_deliveries(connection: Connection, alert: int) -> tuple[int, int, str | None]:
    """An alert's messages: waiting, sent, and the last error."""
    sql = """SELECT coalesce(sum(status = 'waiting'), 0) AS waiting, coalesce(sum(status = 'sent'), 0) AS sent, max(error) AS error
             FROM deliveries WHERE alert = ?"""
    row = connection.exec_driver_sql(sql, (alert,)).mappings().one()
    return int(row["waiting"]), int(row["sent"]), row["error"]


def save_recovery(connection: Connection, recovery: FaultRecovery, number: int | None) -> int:
    """Store a recovery in a new row, or update the row of that number; return the number."""
    row = (recovery.at, recovery.component, recovery.fault, recovery.how, recovery.tries, recovery.recovered_at)
    if number is not None:
        sql = "UPDATE recoveries SET at = ?, component = ?, fault = ?, how = ?, tries = ?, recovered_at = ? WHERE id = ?"
        connection.exec_driver_sql(sql, (*row, number))
        return number
    connection.exec_driver_sql("INSERT INTO recoveries (at, component, fault, how, tries, recovered_at) VALUES (?, ?, ?, ?, ?, ?)", row)
    return int(fetch_value(connection, "SELECT last_insert_rowid()"))


def close_recoveries(connection: Connection) -> None:
    """Close the recoveries that a dead engine left open; the time of their recovery is unknown."""
    connection.exec_driver_sql("UPDATE recoveries SET how = 'the engine was restarted' WHERE recovered_at IS NULL AND how IS NULL")


def save_drill(connection: Connection, drill: Drill) -> int:
    """Store a drill; return its number."""
    checks = [{"name": check.name, "passed": check.passed, "detail": check.detail, "seconds": check.seconds} for check in drill.checks]
    detail = orjson.dumps({"by": drill.by, "proofs": checks}).decode()
    connection.exec_driver_sql(
        "INSERT INTO drills (at, passed, seconds, detail) VALUES (?, ?, ?, ?)", (drill.at, int(drill.passed), drill.seconds, detail)
    )
    return int(fetch_value(connection, "SELECT last_insert_rowid()"))


def choose_drill_number(connection: Connection) -> int:
    """A number for the next drill's message, larger than that of any drill that was not stored, whose message must not count for another."""
    sql = "SELECT max((SELECT coalesce(max(id), 0) FROM drills), (SELECT coalesce(-min(alert), 0) FROM deliveries)) + 1"
    return int(fetch_value(connection, sql))


def find_last_drill(connection: Connection) -> Drill | None:
    """The newest drill; None before the first."""
    row = connection.exec_driver_sql("SELECT at, passed, seconds, detail FROM drills ORDER BY id DESC LIMIT 1").mappings().first()
    return None if row is None else parse_drill(**row)


def parse_drill(at: int, passed: int, seconds: float | None, detail: str) -> Drill:
    """A drill from its stored row."""
    parts = orjson.loads(detail)
    return Drill(int(at), bool(passed), float(seconds or 0.0), tuple(DrillCheck(**check) for check in parts["proofs"]), str(parts["by"]))


def prune_alerts(connection: Connection, now: int) -> None:
    """Delete old rows by age and number. Open alerts and waiting messages stay."""
    newest = "id NOT IN (SELECT id FROM {0} WHERE {2} ORDER BY id DESC LIMIT {1})"
    for table, days, limit, stays, rows in (
        ("alerts", 90, 5_000, "state = 'open'", "1"), ("deliveries", 30, 20_000, "status = 'waiting'", "event IS NULL"),
        ("recoveries", 365, 5_000, "0", "1"), ("drills", 365, 1_000, "0", "1"),
    ):  # fmt: skip
        old = f"DELETE FROM {table} WHERE {rows} AND NOT ({stays}) AND (at < ? OR {newest.format(table, limit, rows)})"
        _delete(connection, table, old, now - days * DAY, now)
    _delete(connection, "silences", "DELETE FROM silences WHERE until < ?", now - 30 * DAY, now)


def _delete(connection: Connection, table: str, sql: str, before: int, now: int) -> None:
    """Delete a table's old rows and enter their number in the audit trail."""
    rows = connection.exec_driver_sql(sql, (before,)).rowcount
    if rows:
        audit.append_deletion(driver_connection(connection), table, now, rows=rows)


def _alerts(connection: Connection, sql: str, values: tuple[object, ...] = ()) -> tuple[Alert, ...]:
    return tuple(Alert(**row) for row in connection.exec_driver_sql(sql, values).mappings())
