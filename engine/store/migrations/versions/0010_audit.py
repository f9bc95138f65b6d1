"""The audit trail, which is only ever added to, and where a command comes from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
_REFUSAL = "RAISE(ABORT, 'the audit trail is only added to')"
_PRUNED = "coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'audit pruned'), 0)"


def upgrade() -> None:
    """Begins the trail empty: what was done before is in the tables of commands and trials. The triggers stop mistakes, the digests find intent."""
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("who", "origin", "kind", "subject", "why")),
        *(sa.Column(name, sa.Text, nullable=True) for name in ("before", "after")),
        sa.Column("digest", sa.Text, nullable=False),
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.execute(f"CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit BEGIN SELECT {_REFUSAL}; END")
    op.execute(f"CREATE TRIGGER audit_undeleted BEFORE DELETE ON audit WHEN OLD.id > {_PRUNED} BEGIN SELECT {_REFUSAL}; END")
    op.add_column("commands", sa.Column("origin", sa.Text, nullable=True))
