"""Tokens of programs, by the digest of their secret, and the keys by which a command is accepted once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Begins without tokens."""
    op.create_table(
        "tokens",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger, nullable=True),
        sa.Column("revoked_at", sa.BigInteger, nullable=True),
    )
    op.create_index("uq_tokens_digest", "tokens", ["digest"], unique=True)
    op.add_column("commands", sa.Column("request_key", sa.Text, nullable=True))
    op.create_index(
        "uq_commands_account_request_key", "commands", ["account", "request_key"], unique=True,
        sqlite_where=sa.text("request_key IS NOT NULL"), postgresql_where=sa.text("request_key IS NOT NULL"),
    )  # fmt: skip
