"""Webhooks and their dead letters, for the page Alerts, metrics and doctor."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from engine.domain.webhooks import TARGET
from engine.store.read.reader import Reader, fetch_all, fetch_first, fetch_frame

MAX_WEBHOOKS = 50
_COUNTS = """
    SELECT target, sum(status = 'waiting') AS waiting, sum(status = 'failed') AS dead, max(sent_at) AS sent_at,
           max(CASE WHEN status = 'waiting' AND tries > 0 THEN error END) AS error
    FROM deliveries WHERE event IS NOT NULL GROUP BY target ORDER BY target LIMIT :limit"""
_DEAD = """
    SELECT d.event, d.target, d.tries, d.error, e.at, e.kind, e.state, e.subject FROM deliveries d LEFT JOIN events e ON e.id = d.event
    WHERE d.event IS NOT NULL AND d.status = 'failed' ORDER BY d.id DESC LIMIT :limit"""


@dataclass(frozen=True, slots=True)
class WebhookState:
    """A webhook that is configured, or has letters left."""

    name: str
    events: str  # kinds that it is sent; "" where it is configured no longer
    waiting: int
    dead: int  # letters
    sent_at: int | None  # ns UTC, of those of the last day
    error: str | None  # of what waits


@dataclass(frozen=True, slots=True)
class WebhookOverview:
    """Every webhook, and the newest dead letters."""

    webhooks: tuple[WebhookState, ...]
    dead: pd.DataFrame


def read_webhooks(reader: Reader, *, limit: int) -> WebhookOverview:
    """The state of every webhook, and its dead letters up to `limit`; raises StoreUnreadable."""
    with reader.reading() as connection:
        row = fetch_first(connection, "SELECT value FROM meta WHERE key = 'webhooks'")
        counts = {row["target"].removeprefix(TARGET): row for row in fetch_all(connection, _COUNTS, limit=MAX_WEBHOOKS)}
        dead = fetch_frame(connection, _DEAD, {"limit": limit})
    configured = dict(line.split(": ", 1) for line in (row["value"] if row is not None else "").split("\n") if line)
    names = [*configured, *(name for name in counts if name not in configured)]
    return WebhookOverview(tuple(_build_state(name, configured.get(name, ""), counts.get(name)) for name in names), dead)


def _build_state(name: str, events: str, counts: object) -> WebhookState:
    row = counts if counts is not None else {"waiting": 0, "dead": 0, "sent_at": None, "error": None}
    return WebhookState(name, events, int(row["waiting"]), int(row["dead"]), row["sent_at"], row["error"])  # type: ignore[index]
