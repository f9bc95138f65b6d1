"""Estimates as they were known: every table of skill, of declined trades and of the book's forecasts, by the tick that stored it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Creates the table empty: earlier estimates were replaced and are not known any more."""
    op.create_table(
        "estimates",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("tick", sa.BigInteger, primary_key=True),
        sa.Column("rows", sa.Text, nullable=False),
    )
