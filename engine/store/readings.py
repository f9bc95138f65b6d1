"""Readings in two tiers: as they came for two hours, by the minute for 30 days; rolled up as they are written."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlalchemy import Connection

from engine.domain.tuning import Reading

MINUTE = 60 * 10**9
RAW_KEPT = 2 * 60 * MINUTE
MINUTES_KEPT = 30 * 24 * 60 * MINUTE

_RAW = "INSERT OR REPLACE INTO readings_raw (at, source, name, value, unit) VALUES (?, ?, ?, ?, ?)"
_ROLL_UP = """
INSERT INTO readings_minute (source, name, at, unit, low, mean, high, n) VALUES (?, ?, ?, ?, ?, ?, ?, 1)
ON CONFLICT (source, name, at) DO UPDATE SET
    low = min(low, excluded.low), high = max(high, excluded.high), mean = mean + (excluded.mean - mean) / (n + 1), n = n + 1
"""


def save(connection: Connection, told: Sequence[Reading]) -> None:
    """A value that is not a number is no reading."""
    known = [reading for reading in told if math.isfinite(reading.value)]
    if not known:
        return
    connection.exec_driver_sql(_RAW, [(one.at, one.source, one.name, one.value, one.unit) for one in known])
    connection.exec_driver_sql(
        _ROLL_UP, [(one.source, one.name, one.at - one.at % MINUTE, one.unit, one.value, one.value, one.value) for one in known]
    )
    connection.exec_driver_sql("DELETE FROM readings_raw WHERE at < ?", (max(one.at for one in known) - RAW_KEPT,))


def series(connection: Connection) -> list[tuple[str, str, int]]:
    """Every (source, name) there is with its oldest minute; each is found by one step through the key."""
    found: list[tuple[str, str, int]] = []
    last = ("", "")
    while row := connection.exec_driver_sql(
        "SELECT source, name, at FROM readings_minute WHERE (source, name) > (?, ?) ORDER BY source, name, at LIMIT 1", last
    ).first():
        found.append((str(row[0]), str(row[1]), int(row[2])))
        last = found[-1][:2]
    return found


def drop_before(connection: Connection, source: str, name: str, at: int) -> None:
    """Forgets the minutes of one series that began before `at`."""
    connection.exec_driver_sql("DELETE FROM readings_minute WHERE source = ? AND name = ? AND at < ?", (source, name, at))
