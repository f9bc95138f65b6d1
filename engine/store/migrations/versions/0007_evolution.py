"""The recipe and the origin of each version of a model, and the tables of evolution."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _wholes(*names: str, null: bool = False) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=null) for name in names]


def _reals(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Float(53)) for name in names]


def upgrade() -> None:
    """Gives the artifacts there are an empty recipe, which stands for the default recipe of their model."""
    for column in ("recipe", "origin"):
        op.add_column("artifacts", sa.Column(column, sa.Text, nullable=False, server_default=""))
    for column in ("shadows", "arms"):
        op.add_column("ticks", sa.Column(column, sa.Text, nullable=True))
    op.create_table(
        "evolutions", sa.Column("id", Id, primary_key=True), sa.Column("session", sa.Integer, sa.ForeignKey("sessions.id"), nullable=False),
        *_wholes("number", "at", "began"), *_texts("trigger", "detail", "strategy", "model", "version", "parent", "state", "verdict"),
        *_reals("evidence", "threshold"), *_wholes("decided_at", "decided", null=True),
    )  # fmt: skip
    op.create_index("uq_evolutions_session_number", "evolutions", ["session", "number"], unique=True)
    op.create_table(
        "contest_points",
        *(sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False) for name in ("session", "number", "horizon", "tick")),
        *_reals("r2_gain", "not_better", "not_worse", "worse_than_margin", "better_than_margin", "threshold"),
        *_wholes("blocks", "clipped", "differing"), *_reals("differing_bps"),
        sqlite_with_rowid=False,
    )  # fmt: skip
    op.create_table(
        "findings", *(sa.Column(name, sa.Text, primary_key=True) for name in ("dimension", "condition")),
        sa.Column("horizon", sa.BigInteger, primary_key=True, autoincrement=False), sa.Column("measure", sa.Text, primary_key=True),
        *_texts("unit"), *_reals("estimate", "low", "high"), *_wholes("n"), *_reals("q"),
    )  # fmt: skip
    op.create_table(
        "drift", *(sa.Column(name, sa.Text, primary_key=True) for name in ("subject", "column")), *_reals("ks", "q"), *_texts("place"),
        *_wholes("drifted"),
    )  # fmt: skip
