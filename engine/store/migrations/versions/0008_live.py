"""Live markets: ticks without data, the times of a tick's inputs, and the state of streams."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Gives the ticks there are no times of their inputs: none was live."""
    op.add_column("ticks", sa.Column("no_data", sa.BigInteger, nullable=False, server_default=sa.text("0")))
    op.add_column("ticks", sa.Column("read_at", sa.BigInteger, nullable=True))
    op.add_column("ticks", sa.Column("clock_offset", sa.BigInteger, nullable=True))
    op.add_column("ticks", sa.Column("input_ages", sa.Text, nullable=True))
    op.create_index("ix_ticks_no_data", "ticks", ["tick"], sqlite_where=sa.text("no_data = 1"), postgresql_where=sa.text("no_data = 1"))
    op.create_table(
        "stream_status",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("symbol", "stream")),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=True),
        sa.Column("messages", sa.BigInteger, nullable=False),
        sa.Column("messages_per_second", sa.Float(53)),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("reconnects", "gaps", "late_trades", "revised_candles", "filled_bars")),
        *(sa.Column(name, sa.Float(53)) for name in ("latency_p50_ms", "latency_p99_ms")),
        sa.Column("problem", sa.Text, nullable=True),
        sa.Column("problem_since", sa.BigInteger, nullable=True),
        sqlite_with_rowid=False,
    )
