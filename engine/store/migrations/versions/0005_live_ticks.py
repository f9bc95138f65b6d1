"""Indices for what is asked every second: which ticks the warm-up decided, the largest drawdown, and the intents of what was acted on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """No row changes."""
    op.create_index("ix_ticks_warm", "ticks", ["tick"], sqlite_where=sa.text("warm = 1"), postgresql_where=sa.text("warm = 1"))
    op.create_index("ix_ticks_session_drawdown", "ticks", ["session", "drawdown"])
    acted = sa.text("action <> 'hold'")
    op.drop_index("ix_decisions_acted", "decisions")
    op.create_index("ix_decisions_acted", "decisions", ["tick", "symbol", "position", "target"], sqlite_where=acted, postgresql_where=acted)
