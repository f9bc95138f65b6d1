"""Alerts, silences, messages, drills and recoveries for the pages, at a cost that does not grow with the history."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from engine.domain.alerting import Drill
from engine.store.read.reader import Reader, fetch_all, fetch_first, fetch_frame, fetch_scalar
from engine.store.write.alerts import parse_drill

RECENT_DELIVERIES = 2_000  # newest messages that are searched for a target's state
BY_SEVERITY = "CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, id DESC"  # the most severe first, then the newest
_ALERTS = "a.id, a.at, a.rule, a.severity, a.state, a.message, a.acked_by, a.acked_at, a.resolved_at, a.escalated_at"
_SILENCED = "(SELECT max(s.until) FROM silences s WHERE (s.rule = a.rule OR s.rule = 'all') AND s.at <= :now AND s.until > :now) AS silenced"
_NOTIFIED = """(SELECT max(CASE WHEN d.status <> 'failed' THEN coalesce(d.sent_at, 0) END) FROM deliveries d
WHERE d.alert = a.id AND d.kind = 'opened') AS notified_at"""
_DRILLS = "SELECT at, passed, seconds, detail FROM drills ORDER BY id DESC LIMIT :limit"


@dataclass(frozen=True, slots=True)
class AlertOverview:
    """All figures of the Alerts page, of one snapshot."""

    open: pd.DataFrame  # with silenced (ns UTC until, None) and notified_at (ns UTC; 0: message waits, None: nobody)
    past: pd.DataFrame
    silences: pd.DataFrame
    targets: pd.DataFrame  # the newest message of each target
    waiting: int  # messages
    drills: tuple[Drill, ...]


def read_alerts(reader: Reader, now: int, *, past: int) -> AlertOverview:
    """Open alerts, the newest resolved ones up to `past`, and the state of delivery, at `now` (ns UTC)."""
    with reader.reading() as connection:
        open_alerts = fetch_frame(
            connection,
            f"SELECT {_ALERTS}, {_SILENCED}, {_NOTIFIED} FROM alerts a WHERE a.state = 'open' ORDER BY {BY_SEVERITY} LIMIT 100",
            {"now": now},
        )
        resolved = fetch_frame(
            connection,
            f"SELECT {_ALERTS} FROM (SELECT * FROM alerts ORDER BY id DESC LIMIT :searched) a WHERE a.state <> 'open' ORDER BY a.id DESC LIMIT :past",
            {"searched": past * 5, "past": past},
        )
        silences = fetch_frame(
            connection,
            'SELECT id, at, until, rule, "by", reason FROM silences WHERE at <= :now AND until > :now ORDER BY id DESC LIMIT 50',
            {"now": now},
        )
        newest = f"(SELECT * FROM deliveries WHERE event IS NULL ORDER BY id DESC LIMIT {RECENT_DELIVERIES})"
        targets = fetch_frame(
            connection,
            f"SELECT target, status, kind, at, sent_at, next_at, tries, error, max(id) AS id FROM {newest} WHERE tries > 0 GROUP BY target",
        )
        waiting = int(fetch_scalar(connection, "SELECT count(*) FROM deliveries WHERE status = 'waiting' AND event IS NULL"))
        drills = tuple(parse_drill(**drill) for drill in fetch_all(connection, _DRILLS, limit=10))
    return AlertOverview(open_alerts, resolved, silences, targets, waiting, drills)


def read_last_drill(reader: Reader) -> Drill | None:
    """The newest drill; None before the first."""
    with reader.reading() as connection:
        drill = fetch_first(connection, _DRILLS, limit=1)
    return None if drill is None else parse_drill(**drill)


def read_recoveries(reader: Reader, *, limit: int) -> pd.DataFrame:
    """The newest faults, lasting ones first."""
    return reader.frame(
        "SELECT id, at, component, fault, how, tries, recovered_at FROM (SELECT * FROM recoveries ORDER BY id DESC LIMIT :limit) "
        "ORDER BY recovered_at IS NULL AND how IS NULL DESC, id DESC",
        {"limit": limit},
    )
