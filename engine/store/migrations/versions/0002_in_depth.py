"""Incidents of the data, the regret of each gate, and how well spread, depth, impact and volatility are foreseen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Adds three tables."""
    op.create_table(
        "incidents",
        sa.Column("id", Id, primary_key=True),
        sa.Column("session", sa.Integer, sa.ForeignKey("sessions.id"), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("kind", "symbol")),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger),
        sa.Column("detail", sa.Text, nullable=False),
    )
    op.create_index("uq_incidents_session_kind_symbol_since", "incidents", ["session", "kind", "symbol", "since"], unique=True)
    op.create_table(
        "outlook",
        sa.Column("measure", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Float(53)) for name in ("r2", "low", "high")),
        sa.Column("n", sa.BigInteger, nullable=False),
        sa.Column("n_effective", sa.Float(53)),
    )
    op.create_table(
        "regret",
        sa.Column("gate", sa.Text, primary_key=True),
        sa.Column("n", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Float(53)) for name in ("mean_bps", "low", "high", "n_effective")),
    )
