"""People who log in at an identity provider: what names them there, and what their role was chosen by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Every account so far is a local one."""
    op.add_column("users", sa.Column("subject", sa.Text, nullable=True))
    op.add_column("users", sa.Column("facts", sa.Text, nullable=True))
    op.create_index("uq_users_subject", "users", ["subject"], unique=True, sqlite_where=sa.text("subject IS NOT NULL"),
                    postgresql_where=sa.text("subject IS NOT NULL"))  # fmt: skip
