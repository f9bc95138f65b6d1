"""Reads the inputs of the verdict on health from the store."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from engine.health import CLOCK_STEP_KEY, ComponentState, Health, HealthInputs, is_in_future, parse_clock_step
from engine.settings import LIVE_FEEDS
from engine.store.database import connect, path_from_url
from engine.store.errors import StoreError, describe_error, is_full
from engine.store.read.clean_rate import count_recent_clean_ticks
from engine.store.write.alerts import find_critical_alerts


def read_health_inputs(url: str, now: int) -> HealthInputs:
    """The inputs at `now` (ns UTC); raises StoreError, also where there is no store yet."""
    path = path_from_url(url)
    if not path.exists():
        raise StoreError(f"there is no store at {path} yet: start the engine, or check PODIUM_DATABASE_URL")
    if not os.access(path, os.R_OK):
        raise StoreError(f"the store {path} may not be read: check the permissions of the file")
    engine = connect(url, read_only=True, busy_ms=1000)
    try:
        with engine.connect() as connection:
            return replace(_read_inputs(connection, now), is_full=is_full(path))
    except DBAPIError as error:
        raise StoreError(_reason(path, error)) from error
    finally:
        engine.dispose()


def _reason(path: Path, error: DBAPIError) -> str:
    return describe_error(str(path), error.orig) if isinstance(error.orig, sqlite3.Error) else f"the store {path} failed: {error}"


def _read_inputs(connection: Connection, now: int) -> HealthInputs:
    lease = connection.execute(text("SELECT beat, started_at FROM lease WHERE id = 1")).first()
    last = connection.execute(text("SELECT tick, wall, warm FROM ticks ORDER BY tick DESC LIMIT 1")).first()
    clean = count_recent_clean_ticks(connection)
    session = connection.execute(text("SELECT settings, feed, interval_ns FROM sessions ORDER BY id DESC LIMIT 1")).first()
    rows = connection.execute(text("SELECT component, state, since, last_error FROM components ORDER BY component")).all()
    alerts = connection.execute(text("SELECT count(*) FROM alerts WHERE state = 'open'")).scalar_one()
    step = connection.execute(text("SELECT value FROM meta WHERE key = :key"), {"key": CLOCK_STEP_KEY}).scalar()
    return HealthInputs(
        now=now, heartbeat_at=lease.beat if lease else None, started_at=lease.started_at if lease else None,
        tick_interval_seconds=_read_tick_interval(session),
        tick=last.tick if last else None, decided_at=last.wall if last else None,
        components=tuple(ComponentState(row.component, row.state, row.since, row.last_error) for row in rows),
        ticks_counted=clean.ticks, ticks_clean=clean.clean, open_alerts=int(alerts),
        critical_alerts=find_critical_alerts(connection), is_warmup=bool(last.warm) if last else False, clock_step=parse_clock_step(step),
    )  # fmt: skip


def _read_tick_interval(session: Row[Any] | None) -> float:
    if session is not None and session.feed in LIVE_FEEDS:
        return float(session.interval_ns) / 1e9
    values = json.loads(session.settings or "{}") if session is not None else {}
    if not isinstance(values, dict):
        return 0.0
    seconds = values.get("tick_interval_seconds", values.get("pace_seconds"))  # the second name until version 0.4
    return float(seconds or 0.0)


def format_health(inputs: HealthInputs, health: Health) -> dict[str, object]:
    """The answer of /healthz and `status --json`."""
    return {
        "state": health.state, "reasons": list(health.reasons), "heartbeat_age_seconds": compute_age(inputs.now, inputs.heartbeat_at),
        "last_tick": inputs.tick,
        "last_tick_age_seconds": compute_age(inputs.now, inputs.decided_at), "tick_interval_seconds": inputs.tick_interval_seconds,
        "clean_rate": inputs.clean_rate,
        "clock_step": None if inputs.clock_step is None else {"at": inputs.clock_step.at, "seconds": round(inputs.clock_step.seconds, 3)},
        "ticks_counted": inputs.ticks_counted, "open_alerts": inputs.open_alerts,
        "components": {part.component: {"state": part.state, "since": part.since, "last_error": part.last_error} for part in inputs.components},
    }  # fmt: skip


def compute_age(now: int, at: int | None) -> float | None:
    """Seconds since a time (ns UTC); None for never, and for a time in the future, which another clock wrote."""
    return None if at is None or is_in_future(at, now) else round(max(0, now - at) / 1e9, 3)
