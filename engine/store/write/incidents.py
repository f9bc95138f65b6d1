"""Faults of the data as rows of `incidents`: one when it begins, the same one again when it has ended."""

from __future__ import annotations

from engine.domain.tick import Tick
from engine.store.write.tick_rows import Row

UPSERT_INCIDENT = """
INSERT INTO incidents (session, kind, symbol, since, until, detail) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (session, kind, symbol, since) DO UPDATE SET until = excluded.until
"""
# what an ended session left open is known to its last tick and no further
CLOSE_UNFINISHED = """
UPDATE incidents SET until = COALESCE((SELECT max(at) FROM ticks WHERE ticks.session = incidents.session), since),
detail = detail || '; it lasted when its session ended' WHERE until IS NULL AND session < ?
"""


def build_incident_rows(tick: Tick) -> list[Row]:
    """The rows of what began or ended with this tick."""
    return [(tick.session, one.kind, one.symbol, one.since, one.until, one.detail) for one in tick.outcome.market_state.incident_state.changes]
