"""Readings in four tiers, what the rules fired, what trials together say of an action, recoveries, drills, and alerts that are delivered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _texts(*names: str, null: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=null) for name in names]


def _wholes(*names: str, null: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=null) for name in names]


def _reals(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Float(53)) for name in names]


def upgrade() -> None:
    """Adds the tables, and columns to those of ticks, trials, actions and alerts."""
    for table in ("readings_ten", "readings_hour"):
        op.create_table(
            table,
            *(sa.Column(name, sa.Text, primary_key=True) for name in ("source", "name")),
            sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
            *_texts("unit"), *_reals("low", "mean", "high"), *_wholes("n"),
            sqlite_with_rowid=False,
        )  # fmt: skip
    op.create_table(
        "triggers", sa.Column("id", Id, primary_key=True),
        *_wholes("at"), *_texts("rule", "kind", "metric"), *_reals("value", "threshold"), *_texts("state"), *_texts("answer", null=True),
    )  # fmt: skip
    op.create_index("ix_triggers_at", "triggers", ["at"])
    op.create_table("rules", sa.Column("name", sa.Text, primary_key=True), *_texts("data"), *_wholes("changed_at"), *_texts("by", "reason"))
    op.create_table(
        "judgements",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("action", "metric")),
        *_wholes("at"), *_texts("unit"), *_wholes("treated", "placebos"), *_reals("effect", "low", "high"), *_texts("verdict"),
        *_reals("latency", "latency_low", "latency_high", "honest", "honest_low", "honest_high"),
    )  # fmt: skip
    op.create_table(
        "recoveries", sa.Column("id", Id, primary_key=True),
        *_wholes("at"), *_texts("component", "fault"), *_texts("how", null=True), *_wholes("tries"), *_wholes("recovered_at", null=True),
    )  # fmt: skip
    op.create_index("ix_recoveries_at", "recoveries", ["at"])
    op.create_table("drills", sa.Column("id", Id, primary_key=True), *_wholes("at", "passed"), *_reals("seconds"), *_texts("detail"))
    op.create_table("silences", sa.Column("id", Id, primary_key=True), *_wholes("at", "until"), *_texts("rule", "by", "reason"))
    op.create_table(
        "deliveries", sa.Column("id", Id, primary_key=True),
        sa.Column("alert", sa.BigInteger, nullable=False), *_wholes("at"), *_texts("kind", "target", "message", "status"), *_wholes("tries"),
        *_wholes("next_at", "sent_at", null=True), *_texts("error", null=True),
    )  # fmt: skip
    op.create_index("ix_deliveries_status_next_at", "deliveries", ["status", "next_at"])
    for table, column in (
        ("ticks", sa.Column("machine", sa.Text)),
        ("trials", sa.Column("also", sa.Text)), ("trials", sa.Column("chance", sa.Float(53))),
        ("trials", sa.Column("compared", sa.Text)), ("actions", sa.Column("cost", sa.Text)), ("actions", sa.Column("better", sa.BigInteger)),
        ("actions", sa.Column("why", sa.Text)), ("actions", sa.Column("licensed_at", sa.BigInteger)),
        ("alerts", sa.Column("acked_at", sa.BigInteger)), ("alerts", sa.Column("value", sa.Float(53))),
        ("alerts", sa.Column("escalated_at", sa.BigInteger)),
    ):  # fmt: skip
        op.add_column(table, column)
