"""Reads from the store what health is judged from."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from engine.health import CLOCK_STEP_KEY, ComponentState, Health, HealthInputs, is_in_future, parse_clock_step
from engine.store.database import connect, path_from_url
from engine.store.errors import StoreError, describe_error, is_full
from engine.store.write.alerts import find_critical_alerts

RECENT_TICKS = 500  # ticks, of which the live ones are what the honest-decision rate is taken over


def read_health_inputs(url: str, now: int) -> HealthInputs:
    """The engine's vitals as the store has them at `now`; raises StoreFailed, also where there is no store yet."""
    path = path_from_url(url)
    if not path.exists():
        raise StoreError(f"there is no store at {path} yet: start the engine, or check PODIUM_DATABASE_URL")
    if not os.access(path, os.R_OK):
        raise StoreError(f"the store {path} may not be read: check the permissions of the file")
    engine = connect(url, read_only=True, busy_ms=1000)
    try:
        with engine.connect() as connection:
            return replace(_vitals(connection, now), is_full=is_full(path))
    except DBAPIError as error:
        raise StoreError(_reason(path, error)) from error
    finally:
        engine.dispose()


def _reason(path: Path, error: DBAPIError) -> str:
    return describe_error(str(path), error.orig) if isinstance(error.orig, sqlite3.Error) else f"the store {path} failed: {error}"


def _vitals(connection: Connection, now: int) -> HealthInputs:
    lease = connection.execute(text("SELECT beat, started_at FROM lease WHERE id = 1")).first()
    last = connection.execute(text("SELECT tick, wall, warm FROM ticks ORDER BY tick DESC LIMIT 1")).first()
    counted, honest = connection.execute(
        text(
            "SELECT count(*), coalesce(sum(degraded = '[]'), 0) FROM (SELECT degraded, warm FROM ticks ORDER BY tick DESC LIMIT :last) WHERE warm = 0"
        ),
        {"last": RECENT_TICKS},
    ).one()
    settings = connection.execute(text("SELECT settings FROM sessions ORDER BY id DESC LIMIT 1")).scalar()
    parts = connection.execute(text("SELECT component, state, since, last_error FROM components ORDER BY component")).all()
    alerts = connection.execute(text("SELECT count(*) FROM alerts WHERE state = 'open'")).scalar_one()
    step = connection.execute(text("SELECT value FROM meta WHERE key = :key"), {"key": CLOCK_STEP_KEY}).scalar()
    return HealthInputs(
        now=now, heartbeat_at=lease.beat if lease else None, started_at=lease.started_at if lease else None, tick_interval_seconds=_pace(settings),
        tick=last.tick if last else None, decided_at=last.wall if last else None,
        components=tuple(ComponentState(one.component, one.state, one.since, one.last_error) for one in parts),
        ticks_counted=int(counted), ticks_clean=int(honest), open_alerts=int(alerts),
        critical_alerts=find_critical_alerts(connection), is_warmup=bool(last.warm) if last else False, clock_step=parse_clock_step(step),
    )  # fmt: skip


def _pace(settings: str | None) -> float:
    told = json.loads(settings or "{}")
    return float(told.get("tick_interval_seconds", 0.0)) if isinstance(told, dict) else 0.0


def format_health(vitals: HealthInputs, health: Health) -> dict[str, object]:
    """What /healthz and `status --json` tell."""
    return {
        "state": health.state, "reasons": list(health.reasons), "heartbeat_age_seconds": compute_age(vitals.now, vitals.heartbeat_at),
        "last_tick": vitals.tick,
        "last_tick_age_seconds": compute_age(vitals.now, vitals.decided_at), "tick_interval_seconds": vitals.tick_interval_seconds, "clean_rate": vitals.clean_rate,
        "clock_step": None if vitals.clock_step is None else {"at": vitals.clock_step.at, "seconds": round(vitals.clock_step.seconds, 3)},
        "ticks_counted": vitals.ticks_counted, "open_alerts": vitals.open_alerts,
        "components": {one.component: {"state": one.state, "since": one.since, "last_error": one.last_error} for one in vitals.components},
    }  # fmt: skip


def compute_age(now: int, at: int | None) -> float | None:
    """Seconds since then; None for never, and for a time in the future, which another clock wrote."""
    return None if at is None or is_in_future(at, now) else round(max(0, now - at) / 1e9, 3)
