"""The recipe that each version of a model was trained with, and the versions in shadow at each tick."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Gives artifacts of before an empty recipe, which stands for the default one of their model, and ticks of before no version in shadow."""
    op.add_column("artifacts", sa.Column("recipe", sa.Text, nullable=False, server_default=""))
    op.add_column("ticks", sa.Column("shadows", sa.Text, nullable=False, server_default="[]"))
