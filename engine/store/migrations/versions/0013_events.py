"""Events that programs follow, and their deliveries to webhooks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Begins without events: what was decided before is read from its views."""
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.add_column("deliveries", sa.Column("event", sa.BigInteger, nullable=True))
    op.drop_index("uq_deliveries_alert_kind_target", "deliveries")
    op.create_index(
        "uq_deliveries_alert_kind_target", "deliveries", ["alert", "kind", "target"], unique=True,
        sqlite_where=sa.text("event IS NULL"), postgresql_where=sa.text("event IS NULL"),
    )  # fmt: skip
    op.create_index(
        "uq_deliveries_event_target", "deliveries", ["event", "target"], unique=True,
        sqlite_where=sa.text("event IS NOT NULL"), postgresql_where=sa.text("event IS NOT NULL"),
    )  # fmt: skip
