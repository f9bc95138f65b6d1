"""Readings in four tiers: raw for two hours, then by 10 seconds, by minute and by hour; rolled up as they are written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from engine.domain.optimization import Reading
from engine.store.connection import fetch_value

SECOND = 10**9  # ns
MINUTE, HOUR, DAY = 60 * SECOND, 3_600 * SECOND, 86_400 * SECOND
RAW_RETENTION = 2 * HOUR


@dataclass(frozen=True, slots=True)
class ReadingTier:
    """Readings averaged over buckets of one width."""

    table: str
    width: int  # ns
    retention: int  # ns
    alignment: int  # ns: only whole multiples are dropped, so that the next tier begins where this one ends


READING_TIERS = (
    ReadingTier("readings_ten", 10 * SECOND, 2 * DAY, MINUTE),
    ReadingTier("readings_minute", MINUTE, 60 * DAY, HOUR),
    ReadingTier("readings_hour", HOUR, 730 * DAY, HOUR),
)
PRUNE_MINUTES = 60  # in which every series is pruned once

_RAW = "INSERT OR REPLACE INTO readings_raw (at, source, name, value, unit) VALUES (?, ?, ?, ?, ?)"
# A bucket is computed from the tier below and never added to, so computing it again changes nothing. Fewer readings than before (the clock was set
# back by more than the retention of the tier below) do not replace it.
_KEEP = """
ON CONFLICT (series, at) DO UPDATE SET low = excluded.low, mean = excluded.mean, high = excluded.high, n = excluded.n WHERE excluded.n >= n
"""
_TEN = f"""
INSERT INTO readings_ten (series, at, low, mean, high, n)
SELECT s.id, r.at / {READING_TIERS[0].width} * {READING_TIERS[0].width}, min(r.value), avg(r.value), max(r.value), count(*)
FROM readings_raw r CROSS JOIN series s ON s.source = r.source AND s.name = r.name
WHERE r.at >= ? AND r.at < ? GROUP BY s.id, r.at / {READING_TIERS[0].width} {_KEEP}
"""


def _rolled_up(above: ReadingTier, below: ReadingTier) -> str:
    return f"""
INSERT INTO {above.table} (series, at, low, mean, high, n)
SELECT t.series, t.at / {above.width} * {above.width}, min(t.low), sum(t.mean * t.n) / sum(t.n), max(t.high), sum(t.n)
FROM series s CROSS JOIN {below.table} t ON t.series = s.id AND t.at >= ? AND t.at < ?
WHERE true GROUP BY t.series, t.at / {above.width} {_KEEP}
"""


_MINUTE, _HOUR = _rolled_up(READING_TIERS[1], READING_TIERS[0]), _rolled_up(READING_TIERS[2], READING_TIERS[1])


class ReadingsWriter:
    """Writes readings. Its memory repeats what is in the store, so a new writer continues where another stopped or was killed."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], tuple[int, str]] | None = None  # id and unit
        self._minutes: set[int] = set()  # begun, not rolled up yet
        self._hours: set[int] = set()
        self._pruned: int | None = None  # the minute of the last pruning

    def save(self, connection: Connection, readings: Sequence[Reading]) -> None:
        """Store readings, whenever each was taken, and roll up the buckets they close. NaN is no reading."""
        known = [reading for reading in readings if math.isfinite(reading.value)]
        if not known:
            return
        if self._series is None:
            self._load(connection)
        self._name(connection, {(reading.source, reading.name): reading.unit for reading in known})
        connection.exec_driver_sql(_RAW, [(reading.at, reading.source, reading.name, reading.value, reading.unit) for reading in known])
        now = known[-1].at
        self._minutes.update({reading.at - reading.at % MINUTE for reading in known})
        self._close(connection, now)

    def _load(self, connection: Connection) -> None:
        """Load the known series and the buckets that were left open."""
        known = connection.exec_driver_sql("SELECT source, name, id, unit FROM series").mappings()
        self._series = {(str(row["source"]), str(row["name"])): (int(row["id"]), str(row["unit"])) for row in known}
        last = find_newest_bucket(connection, READING_TIERS[1])
        minutes = connection.exec_driver_sql("SELECT DISTINCT at / ? * ? FROM readings_raw WHERE at >= ?", (MINUTE, MINUTE, last)).scalars()
        self._minutes = {int(minute) for minute in minutes}
        hours = connection.exec_driver_sql(
            "SELECT DISTINCT m.at / ? * ? FROM series s CROSS JOIN readings_minute m ON m.series = s.id AND m.at >= ?",
            (HOUR, HOUR, find_newest_bucket(connection, READING_TIERS[2])),
        ).scalars()
        self._hours = {int(hour) for hour in hours}

    def _name(self, connection: Connection, units: dict[tuple[str, str], str]) -> None:
        """Number every new series."""
        assert self._series is not None
        for (source, name), unit in units.items():
            known = self._series.get((source, name))
            if known is not None and known[1] == unit:
                continue
            connection.exec_driver_sql(
                "INSERT INTO series (source, name, unit) VALUES (?, ?, ?) ON CONFLICT (source, name) DO UPDATE SET unit = excluded.unit",
                (source, name, unit),
            )
            number = fetch_value(connection, "SELECT id FROM series WHERE source = ? AND name = ?", (source, name))
            self._series[source, name] = (int(number), unit)

    def _close(self, connection: Connection, now: int) -> None:
        """Roll up every bucket that `now` does not lie in, then delete old readings."""
        closed = sorted(self._minutes - {now - now % MINUTE})
        if not closed:
            return
        ends = (closed[0], closed[-1] + MINUTE)  # buckets between them that were closed before are computed again, to the same result
        connection.exec_driver_sql(_TEN, ends)
        connection.exec_driver_sql(_MINUTE, ends)
        self._minutes.difference_update(closed)
        self._hours.update({at - at % HOUR for at in closed})
        over = sorted(self._hours - {now - now % HOUR})
        if over:
            connection.exec_driver_sql(_HOUR, (over[0], over[-1] + HOUR))
            self._hours.difference_update(over)
        # readings from a clock that ran ahead would remain the newest for as long as it ran ahead
        connection.exec_driver_sql("DELETE FROM readings_raw WHERE at < ?", ((now - RAW_RETENTION) // MINUTE * MINUTE,))
        connection.exec_driver_sql("DELETE FROM readings_raw WHERE at >= ?", (now + MINUTE,))
        self._prune(connection, now)

    def _prune(self, connection: Connection, now: int) -> None:
        """Delete old buckets of the series whose turn it is: each once per hour, so that every write stays short."""
        assert self._series is not None
        minute = now // MINUTE
        passed = 1 if self._pruned is None else abs(minute - self._pruned)
        self._pruned = minute
        drop_expired(connection, (number for number, _ in self._series.values() if (minute - number) % PRUNE_MINUTES < passed), now)


def list_series(connection: Connection) -> list[int]:
    """The number of every series."""
    return [int(number) for number in connection.exec_driver_sql("SELECT id FROM series ORDER BY id").scalars()]


def find_newest_bucket(connection: Connection, tier: ReadingTier) -> int:
    """The start of a tier's newest bucket; 0 without one."""
    newest = fetch_value(connection, f"SELECT max((SELECT max(t.at) FROM {tier.table} t WHERE t.series = s.id)) FROM series s")
    return int(newest or 0)


def drop_expired(connection: Connection, numbers: Iterable[int], now: int) -> None:
    """Delete expired buckets of some series, in every tier."""
    rows = [(number, now) for number in numbers]
    for tier in READING_TIERS if rows else ():
        cut = [(number, (at - tier.retention) // tier.alignment * tier.alignment) for number, at in rows]
        connection.exec_driver_sql(f"DELETE FROM {tier.table} WHERE series = ? AND at < ?", cut)


def drop_before(connection: Connection, number: int, at: int) -> None:
    """Delete one series' buckets from before `at`, except its hours."""
    for tier in READING_TIERS[:2]:
        connection.exec_driver_sql(f"DELETE FROM {tier.table} WHERE series = ? AND at < ?", (number, at))


def find_minute_range(connection: Connection) -> tuple[int, int] | None:
    """The first and the last stored minute; None without one."""
    row = (
        connection.exec_driver_sql(
            "SELECT min((SELECT min(m.at) FROM readings_minute m WHERE m.series = s.id)) AS first, "
            "max((SELECT max(m.at) FROM readings_minute m WHERE m.series = s.id)) AS last FROM series s"
        )
        .mappings()
        .one()
    )
    return None if row["first"] is None else (int(row["first"]), int(row["last"]))
