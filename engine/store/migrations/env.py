"""Run by Alembic: applies the migrations on the connection that database.prepare passes."""

from __future__ import annotations

from alembic import context

from engine.store.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
