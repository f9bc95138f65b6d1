"""Alerts, silences, deliveries, recoveries and drills, as statements inside a caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection

from engine.domain.alerting import FAILED, JOINED, SENT, WAITING, Alert, AlertMessage, Delivery, Drill, DrillCheck, FaultRecovery, Silence
from engine.store.connection import fetch_value

DAY = 86_400 * 10**9  # ns
RECENT_ALERTS = 300  # of the newest alerts, those that may still be told as over
_OPEN, _RESOLVED, _DELIVERED, _SILENCES, _DRILLS = 500, 50, 2_000, 200, 1  # rows of one answer
_COLUMNS = "a.id, a.at, a.rule, a.severity, a.state, a.message, a.acked_by, a.acked_at, a.resolved_at, a.escalated_at"
_RAISE = """
INSERT INTO alerts (at, rule, severity, state, message, value) VALUES (?, ?, ?, 'open', ?, ?)
ON CONFLICT (rule) WHERE state = 'open' DO UPDATE SET severity = excluded.severity, message = excluded.message, value = excluded.value
"""
_QUEUE = """
INSERT OR IGNORE INTO deliveries (alert, at, kind, target, message, status, tries, next_at) VALUES (?, ?, ?, ?, ?, ?, 0, ?)
"""
_DUE_NOW = """
SELECT d.id, d.alert, d.at, d.kind, d.target, d.message, d.status, d.tries, d.next_at, coalesce(a.severity, 'info')
FROM deliveries d LEFT JOIN alerts a ON a.id = d.alert
WHERE d.status = 'waiting' AND d.target = ? AND (d.next_at <= ? OR d.next_at > ?) ORDER BY d.next_at, d.id LIMIT ?
"""


def raise_alert(connection: Connection, rule: str, severity: str, message: str, value: float | None, now: int) -> None:
    """Opens the rule's alert, or renews the words of the one that is open."""
    connection.exec_driver_sql(_RAISE, (now, rule, severity, message, value))


def find_open_alerts(connection: Connection) -> tuple[Alert, ...]:
    """Oldest first."""
    return _alerts(connection.exec_driver_sql(f"SELECT {_COLUMNS} FROM alerts a WHERE a.state = 'open' ORDER BY a.id LIMIT {_OPEN}"))


def find_critical_alerts(connection: Connection) -> tuple[tuple[str, str], ...]:
    """Rule and message of the critical alerts that are open, oldest first."""
    sql = f"SELECT rule, message FROM alerts WHERE state = 'open' AND severity = 'critical' ORDER BY id LIMIT {_OPEN}"
    return tuple((str(rule), str(message)) for rule, message in connection.exec_driver_sql(sql))


def find_unannounced_resolutions(connection: Connection) -> tuple[Alert, ...]:
    """Alerts that are over, of which somebody was told that they were open and nobody that they are over."""
    newest = f"(SELECT * FROM alerts ORDER BY id DESC LIMIT {RECENT_ALERTS})"
    told = "EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = a.id AND d.kind = '{}')"
    sql = f"SELECT {_COLUMNS} FROM {newest} a WHERE a.state = 'resolved' AND {told.format('opened')} AND NOT {told.format('resolved')}"
    return _alerts(connection.exec_driver_sql(f"{sql} ORDER BY a.id LIMIT {_RESOLVED}"))


def find_first_notifications(connection: Connection, alerts: Collection[int], kind: str = "opened") -> dict[int, int]:
    """When a message of that kind was first made for each of the alerts, of those it was made for."""
    if not alerts:
        return {}
    marks = ", ".join("?" * len(alerts))
    sql = f"SELECT alert, min(at) FROM deliveries WHERE alert IN ({marks}) AND kind = ? GROUP BY alert LIMIT {_DELIVERED}"
    return {int(row[0]): int(row[1]) for row in connection.exec_driver_sql(sql, (*alerts, kind))}


def acknowledge_alert(connection: Connection, number: int, by: str, now: int) -> Alert | None:
    """Until it is resolved; None where no such alert is open. Who was first stays."""
    connection.exec_driver_sql("UPDATE alerts SET acked_by = ?, acked_at = ? WHERE id = ? AND state = 'open' AND acked_by IS NULL", (by, now, number))
    found = _alerts(connection.exec_driver_sql(f"SELECT {_COLUMNS} FROM alerts a WHERE a.id = ? AND a.state = 'open'", (number,)))
    return found[0] if found else None


def mark_escalated(connection: Connection, alerts: Iterable[int], now: int) -> None:
    for number in alerts:
        connection.exec_driver_sql("UPDATE alerts SET escalated_at = ? WHERE id = ?", (now, number))


def silence_rule(connection: Connection, rule: str, until: int, by: str, reason: str, now: int) -> None:
    """In the place of what silences the rule now."""
    end_silences(connection, rule, now)
    connection.exec_driver_sql('INSERT INTO silences (at, until, rule, "by", reason) VALUES (?, ?, ?, ?, ?)', (now, until, rule, by, reason))


def end_silences(connection: Connection, rule: str, now: int) -> int:
    """Ends the rule's silences now; how many there were."""
    return int(connection.exec_driver_sql("UPDATE silences SET until = ? WHERE rule = ? AND until > ?", (now, rule, now)).rowcount)


def find_silences(connection: Connection, now: int) -> tuple[Silence, ...]:
    """Those in force."""
    sql = f'SELECT id, at, until, rule, "by", reason FROM silences WHERE at <= ? AND until > ? ORDER BY id DESC LIMIT {_SILENCES}'
    return tuple(Silence(*row) for row in connection.exec_driver_sql(sql, (now, now)))


_TOLD_WITH = """
    UPDATE deliveries SET sent_at = ? FROM (SELECT alert, kind, target, at FROM deliveries WHERE id = ?) m
    WHERE deliveries.status = ? AND deliveries.at = m.at AND deliveries.kind = m.kind AND deliveries.target = m.target
          AND deliveries.message = 'told with alert ' || m.alert"""


def queue_message(connection: Connection, message: AlertMessage, targets: Sequence[str], now: int) -> None:
    """A message for each target; the other alerts it covers are noted as told with it. What was queued before is not queued again."""
    first, *others = message.alerts
    rows: list[tuple[Any, ...]] = [(first, now, message.kind, target, message.text, WAITING, now) for target in targets]
    rows += [(other, now, message.kind, target, f"told with alert {first}", JOINED, None) for other in others for target in targets]
    if rows:
        connection.exec_driver_sql(_QUEUE, rows)


def find_due_deliveries(connection: Connection, target: str, now: int, limit: int, max_pause: int) -> tuple[Delivery, ...]:
    """What is to be sent to a target now, oldest first. What waits for more than the longest pause (ns) was put off by another clock and is due."""
    return tuple(Delivery(*row) for row in connection.exec_driver_sql(_DUE_NOW, (target, now, now + max_pause, limit)))


def mark_sent(connection: Connection, numbers: Iterable[int], now: int) -> None:
    for number in numbers:
        connection.exec_driver_sql(
            "UPDATE deliveries SET status = ?, sent_at = ?, tries = tries + 1, next_at = NULL, error = NULL WHERE id = ?", (SENT, now, number)
        )
        connection.exec_driver_sql(_TOLD_WITH, (now, number, JOINED))


def postpone_deliveries(connection: Connection, numbers: Iterable[int], next_at: int, error: str) -> None:
    """Those that were tried and failed."""
    for number in numbers:
        connection.exec_driver_sql("UPDATE deliveries SET tries = tries + 1, next_at = ?, error = ? WHERE id = ?", (next_at, error, number))


def expedite_deliveries(connection: Connection, now: int) -> int:
    """What waits for its next try is tried at once; how many."""
    return int(connection.exec_driver_sql("UPDATE deliveries SET next_at = ? WHERE status = 'waiting' AND next_at > ?", (now, now)).rowcount)


def abandon_deliveries(connection: Connection, targets: Sequence[str], before: int) -> int:
    """Ends what waits for a target that is set no more, or has waited since before that time; how many."""
    marks = ", ".join("?" * len(targets)) or "''"
    sql = f"UPDATE deliveries SET status = ?, next_at = NULL, error = ? WHERE status = 'waiting' AND (target NOT IN ({marks}) OR at < ?)"
    return int(connection.exec_driver_sql(sql, (FAILED, "given up: the target is set no more, or never answered", *targets, before)).rowcount)


def count_deliveries(connection: Connection, alert: int) -> tuple[int, int, str | None]:
    """Of an alert's messages: how many wait, how many were sent, and the last error."""
    sql = "SELECT coalesce(sum(status = 'waiting'), 0), coalesce(sum(status = 'sent'), 0), max(error) FROM deliveries WHERE alert = ?"
    row = connection.exec_driver_sql(sql, (alert,)).one()
    return int(row[0]), int(row[1]), row[2]


def save_recovery(connection: Connection, recovery: FaultRecovery, number: int | None) -> int:
    """A new row, or the one of that number anew; gives its number."""
    row = (recovery.at, recovery.component, recovery.fault, recovery.how, recovery.tries, recovery.recovered_at)
    if number is not None:
        sql = "UPDATE recoveries SET at = ?, component = ?, fault = ?, how = ?, tries = ?, recovered_at = ? WHERE id = ?"
        connection.exec_driver_sql(sql, (*row, number))
        return number
    connection.exec_driver_sql("INSERT INTO recoveries (at, component, fault, how, tries, recovered_at) VALUES (?, ?, ?, ?, ?, ?)", row)
    return int(fetch_value(connection, "SELECT last_insert_rowid()"))


def close_recoveries(connection: Connection) -> None:
    """What a dead engine left open: when it was well again nobody knows."""
    connection.exec_driver_sql("UPDATE recoveries SET how = 'the engine was restarted' WHERE recovered_at IS NULL AND how IS NULL")


def save_drill(connection: Connection, drill: Drill) -> int:
    """Gives its number."""
    parts = [{"name": one.name, "passed": one.passed, "detail": one.detail, "seconds": one.seconds} for one in drill.checks]
    detail = orjson.dumps({"by": drill.by, "proofs": parts}).decode()
    connection.exec_driver_sql(
        "INSERT INTO drills (at, passed, seconds, detail) VALUES (?, ?, ?, ?)", (drill.at, int(drill.passed), drill.seconds, detail)
    )
    return int(fetch_value(connection, "SELECT last_insert_rowid()"))


def choose_drill_number(connection: Connection) -> int:
    """A number for the next drill's message, beyond that of any drill that was not kept: what was sent for one proves nothing of another."""
    return int(
        fetch_value(connection, "SELECT max((SELECT coalesce(max(id), 0) FROM drills), (SELECT coalesce(-min(alert), 0) FROM deliveries)) + 1")
    )


def find_last_drill(connection: Connection) -> Drill | None:
    row = connection.exec_driver_sql(f"SELECT at, passed, seconds, detail FROM drills ORDER BY id DESC LIMIT {_DRILLS}").first()
    return None if row is None else parse_drill(*row)


def parse_drill(at: int, passed: int, seconds: float | None, detail: str) -> Drill:
    """A drill as it was saved."""
    told = orjson.loads(detail)
    return Drill(int(at), bool(passed), float(seconds or 0.0), tuple(DrillCheck(**one) for one in told["proofs"]), str(told["by"]))


def prune_alerts(connection: Connection, now: int) -> None:
    """Drops what is old, or too much; what is open or waits stays."""
    newest = "id NOT IN (SELECT id FROM {0} ORDER BY id DESC LIMIT {1})"
    for table, days, most, stays in (
        ("alerts", 90, 5_000, "state = 'open'"), ("deliveries", 30, 20_000, "status = 'waiting'"),
        ("recoveries", 365, 5_000, "0"), ("drills", 365, 1_000, "0"),
    ):  # fmt: skip
        connection.exec_driver_sql(f"DELETE FROM {table} WHERE NOT ({stays}) AND (at < ? OR {newest.format(table, most)})", (now - days * DAY,))
    connection.exec_driver_sql("DELETE FROM silences WHERE until < ?", (now - 30 * DAY,))


def _alerts(rows: Iterable[Any]) -> tuple[Alert, ...]:
    return tuple(Alert(*row) for row in rows)
