"""The state of a live market's streams, as statements inside a caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

from sqlalchemy import Connection

from engine.domain.live import StreamStatus
from engine.store import schema
from engine.store.connection import build_insert

_INSERT = build_insert(schema.STREAM_STATUS)


def replace_streams(connection: Connection, streams: Sequence[StreamStatus]) -> None:
    """Replace the state of every stream."""
    connection.exec_driver_sql("DELETE FROM stream_status")
    if streams:
        connection.exec_driver_sql(_INSERT, [astuple(stream) for stream in streams])
