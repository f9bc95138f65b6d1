"""What pages show of alerts, silences, messages, drills and recoveries: bounded, however much there is."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from engine.domain.alerting import Drill
from engine.store.read.reader import Reader, fetch_first, fetch_frame
from engine.store.write.alerts import parse_drill

RECENT_DELIVERIES = 2_000  # of the newest messages, those that are looked at for a target's state
_ALERTS = "a.id, a.at, a.rule, a.severity, a.state, a.message, a.acked_by, a.acked_at, a.resolved_at, a.escalated_at"
_QUIET = "(SELECT max(s.until) FROM silences s WHERE (s.rule = a.rule OR s.rule = 'all') AND s.at <= :now AND s.until > :now) AS silenced"
_TOLD = """(SELECT max(CASE WHEN d.status <> 'failed' THEN coalesce(d.sent_at, 0) END) FROM deliveries d
WHERE d.alert = a.id AND d.kind = 'opened') AS told"""


@dataclass(frozen=True, slots=True)
class AlertOverview:
    """All that the page of alerts shows, of one snapshot."""

    open: pd.DataFrame  # with silenced (ns UTC until, None) and told (ns UTC, 0: waits, None: nobody)
    past: pd.DataFrame
    silences: pd.DataFrame
    targets: pd.DataFrame  # the newest message of each
    waiting: int  # messages
    drills: tuple[Drill, ...]


def read_alerts(reader: Reader, now: int, *, past: int) -> AlertOverview:
    with reader.reading() as connection:
        standing = fetch_frame(
            connection, f"SELECT {_ALERTS}, {_QUIET}, {_TOLD} FROM alerts a WHERE a.state = 'open' ORDER BY a.id DESC LIMIT 100", {"now": now}
        )
        over = fetch_frame(
            connection,
            f"SELECT {_ALERTS} FROM (SELECT * FROM alerts ORDER BY id DESC LIMIT :wide) a WHERE a.state <> 'open' ORDER BY a.id DESC LIMIT :past",
            {"wide": past * 5, "past": past},
        )
        quiet = fetch_frame(
            connection,
            'SELECT id, at, until, rule, "by", reason FROM silences WHERE at <= :now AND until > :now ORDER BY id DESC LIMIT 50',
            {"now": now},
        )
        newest = f"(SELECT * FROM deliveries ORDER BY id DESC LIMIT {RECENT_DELIVERIES})"
        targets = fetch_frame(
            connection,
            f"SELECT target, status, kind, at, sent_at, next_at, tries, error, max(id) AS id FROM {newest} WHERE tries > 0 GROUP BY target",
        )
        waiting = fetch_first(connection, "SELECT count(*) FROM deliveries WHERE status = 'waiting'")
        drills = fetch_frame(connection, "SELECT at, passed, seconds, detail FROM drills ORDER BY id DESC LIMIT 10")
    told = tuple(parse_drill(*row) for row in drills.itertuples(index=False))
    return AlertOverview(standing, over, quiet, targets, int(waiting[0]) if waiting else 0, told)


def read_last_drill(reader: Reader) -> Drill | None:
    with reader.reading() as connection:
        found = fetch_first(connection, "SELECT at, passed, seconds, detail FROM drills ORDER BY id DESC LIMIT 1")
    return None if found is None else parse_drill(*found)


def read_recoveries(reader: Reader, *, limit: int) -> pd.DataFrame:
    """The newest faults, those that last first."""
    return reader.frame(
        "SELECT id, at, component, fault, how, tries, recovered_at FROM (SELECT * FROM recoveries ORDER BY id DESC LIMIT :limit) "
        "ORDER BY recovered_at IS NULL AND how IS NULL DESC, id DESC",
        {"limit": limit},
    )
