"""Component states, as statements inside a caller's transaction."""

from __future__ import annotations

from sqlalchemy import Connection

_COMPONENT = """
INSERT INTO components (component, state, since, last_error, beat) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (component) DO UPDATE SET
    since = CASE WHEN state = excluded.state THEN since ELSE excluded.since END, state = excluded.state,
    last_error = nullif(coalesce(excluded.last_error, last_error), ''), beat = excluded.beat
"""


def set_component(connection: Connection, name: str, state: str, error: str | None, now: int) -> None:
    """Set a component's state and heartbeat. `since` moves only when the state changes, and an empty error clears the last."""
    connection.exec_driver_sql(_COMPONENT, (name, state, now, error, now))
