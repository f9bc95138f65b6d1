"""Data faults as rows of `incidents`: a row is written when a fault begins and updated when it ends."""

from __future__ import annotations

from engine.domain.tick import Tick
from engine.store.write.tick_rows import Row

UPSERT_INCIDENT = """
INSERT INTO incidents (session, kind, symbol, since, until, detail) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (session, kind, symbol, since) DO UPDATE SET until = excluded.until
"""
# Incidents that a finished session left open are known up to its last tick.
CLOSE_UNFINISHED = """
UPDATE incidents SET until = COALESCE((SELECT max(at) FROM ticks WHERE ticks.session = incidents.session), since),
detail = detail || '; it lasted when its session ended' WHERE until IS NULL AND session < ?
"""


def build_incident_rows(tick: Tick) -> list[Row]:
    """The rows of incidents that began or ended with this tick."""
    changes = tick.outcome.market_state.incident_state.changes
    return [(tick.session, incident.kind, incident.symbol, incident.since, incident.until, incident.detail) for incident in changes]
