"""Outside bots: their designs and states, the intents that they posted, and their equity at each tick."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Begins without bots."""
    op.create_table(
        "bots",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("session", sa.Integer, sa.ForeignKey("sessions.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("added_at", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.BigInteger, nullable=False),
        sa.Column("intents", sa.BigInteger, nullable=False),
        sa.Column("late", sa.BigInteger, nullable=False),
        sa.Column("refused", sa.BigInteger, nullable=False),
        sa.Column("tick", sa.BigInteger, nullable=True),
        sa.Column("equity", sa.Float(53)),
        sa.Column("engine_gain", sa.Float(53)),
        sa.Column("own_gain", sa.Float(53)),
        sa.Column("pairs", sa.BigInteger, nullable=False),
        sa.Column("mean_gain", sa.Float(53)),
        sa.Column("log_e_better", sa.Float(53)),
        sa.Column("log_e_worse", sa.Float(53)),
        sa.Column("log_threshold", sa.Float(53)),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("verdict_tick", sa.BigInteger, nullable=True),
        sa.Column("data", sa.LargeBinary, nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_bots_session_name", "bots", ["session", "name"], unique=True)
    op.create_table(
        "bot_intents",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("bot", sa.BigInteger, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("target", sa.Float(53)),
        sa.Column("bar", sa.BigInteger, nullable=False),
        sa.Column("sent_for", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        sa.Column("request_key", sa.Text, nullable=False),
        sa.Column("tick", sa.BigInteger, nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index("uq_bot_intents_sender_request_key", "bot_intents", ["sender", "request_key"], unique=True)
    op.create_index("ix_bot_intents_waiting", "bot_intents", ["bar"], sqlite_where=sa.text("tick IS NULL"), postgresql_where=sa.text("tick IS NULL"))
    op.create_index("ix_bot_intents_at", "bot_intents", ["at"])
    op.create_table(
        "bot_ticks",
        sa.Column("tick", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("bot", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("equity", sa.Float(53)),
        sa.Column("gain", sa.Float(53)),
        sa.Column("log_e_better", sa.Float(53)),
        sqlite_with_rowid=False,
    )
