"""Runs by hand are counted apart from the trials that a coin decided."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Moves what is still kept of them; no table changes."""
    by_hand = "SELECT action, verdict, count(*) AS n FROM trials WHERE mode = 'manual' AND placebo = 0 GROUP BY action, verdict"
    op.execute(f"INSERT INTO totals (kind, one, two, value) SELECT 'by hand', action, verdict, n FROM ({by_hand})")
    same = "SELECT h.value FROM totals h WHERE h.kind = 'by hand' AND h.one = totals.one AND h.two = totals.two"
    op.execute(f"UPDATE totals SET value = max(0.0, value - coalesce(({same}), 0.0)) WHERE kind = 'trials'")
    op.execute("DELETE FROM totals WHERE kind = 'trials' AND value = 0.0")
