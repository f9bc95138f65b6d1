"""The recipe that each version of a model was trained with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Gives the artifacts there are an empty recipe, which stands for the default recipe of their model."""
    op.add_column("artifacts", sa.Column("recipe", sa.Text, nullable=False, server_default=""))
