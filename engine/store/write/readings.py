"""Readings in four tiers: each second for two hours, then by 10 seconds, by the minute and by the hour; rolled up as they are written."""

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
    """Readings by buckets of one width."""

    table: str
    width: int  # ns
    retention: int  # ns
    alignment: int  # ns: only whole ones of these are dropped, so that the next tier begins where this one ends


READING_TIERS = (
    ReadingTier("readings_ten", 10 * SECOND, 2 * DAY, MINUTE),
    ReadingTier("readings_minute", MINUTE, 60 * DAY, HOUR),
    ReadingTier("readings_hour", HOUR, 730 * DAY, HOUR),
)
PRUNE_MINUTES = 60  # minutes in which every series is looked at for what is too old

_RAW = "INSERT OR REPLACE INTO readings_raw (at, source, name, value, unit) VALUES (?, ?, ?, ?, ?)"
# Buckets are made from the tier below, never added to, so making one again changes nothing; fewer readings than before (the clock went back by more
# than the tier below is kept) replace none.
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
    """Writes readings. What it remembers is only what the store says as well: a new one goes on where another stopped, or was killed."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str], tuple[int, str]] | None = None  # id and unit
        self._minutes: set[int] = set()  # begun and not rolled up yet
        self._hours: set[int] = set()
        self._looked: int | None = None  # the minute in which old readings were last looked for

    def save(self, connection: Connection, told: Sequence[Reading]) -> None:
        """Keeps readings, whenever each was taken, and rolls up what they close. A value that is not a number is no reading."""
        known = [reading for reading in told if math.isfinite(reading.value)]
        if not known:
            return
        if self._series is None:
            self._take_up(connection)
        self._name(connection, {(reading.source, reading.name): reading.unit for reading in known})
        connection.exec_driver_sql(_RAW, [(one.at, one.source, one.name, one.value, one.unit) for one in known])
        now = known[-1].at
        self._minutes.update({reading.at - reading.at % MINUTE for reading in known})
        self._close(connection, now)

    def _take_up(self, connection: Connection) -> None:
        """Reads what there is, and which buckets were left open."""
        found = connection.exec_driver_sql("SELECT source, name, id, unit FROM series").fetchall()
        self._series = {(str(row[0]), str(row[1])): (int(row[2]), str(row[3])) for row in found}
        last = find_newest_bucket(connection, READING_TIERS[1])
        rows = connection.exec_driver_sql("SELECT DISTINCT at / ? * ? FROM readings_raw WHERE at >= ?", (MINUTE, MINUTE, last))
        self._minutes = {int(row[0]) for row in rows}
        rows = connection.exec_driver_sql(
            "SELECT DISTINCT m.at / ? * ? FROM series s CROSS JOIN readings_minute m ON m.series = s.id AND m.at >= ?",
            (HOUR, HOUR, find_newest_bucket(connection, READING_TIERS[2])),
        )
        self._hours = {int(row[0]) for row in rows}

    def _name(self, connection: Connection, units: dict[tuple[str, str], str]) -> None:
        """Gives every new series its number."""
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
        """Rolls up every bucket but those `now` lies in, then drops what is too old."""
        closed = sorted(self._minutes - {now - now % MINUTE})
        if not closed:
            return
        ends = (closed[0], closed[-1] + MINUTE)  # what lies between them and was closed before comes out the same again
        connection.exec_driver_sql(_TEN, ends)
        connection.exec_driver_sql(_MINUTE, ends)
        self._minutes.difference_update(closed)
        self._hours.update({at - at % HOUR for at in closed})
        over = sorted(self._hours - {now - now % HOUR})
        if over:
            connection.exec_driver_sql(_HOUR, (over[0], over[-1] + HOUR))
            self._hours.difference_update(over)
        # what a clock that ran ahead has left would be the newest reading for as long as it ran ahead
        connection.exec_driver_sql("DELETE FROM readings_raw WHERE at < ?", ((now - RAW_RETENTION) // MINUTE * MINUTE,))
        connection.exec_driver_sql("DELETE FROM readings_raw WHERE at >= ?", (now + MINUTE,))
        self._forget(connection, now)

    def _forget(self, connection: Connection, now: int) -> None:
        """Drops what is too old of the series whose turn it is: each once an hour, so that no write has much to do."""
        assert self._series is not None
        minute = now // MINUTE
        passed = 1 if self._looked is None else abs(minute - self._looked)
        self._looked = minute
        drop_expired(connection, (number for number, _ in self._series.values() if (minute - number) % PRUNE_MINUTES < passed), now)


def list_series(connection: Connection) -> list[int]:
    """The number of every series there is."""
    return [int(row[0]) for row in connection.exec_driver_sql("SELECT id FROM series ORDER BY id")]


def find_newest_bucket(connection: Connection, tier: ReadingTier) -> int:
    """Where the newest bucket of a tier begins, 0 without one."""
    found = fetch_value(connection, f"SELECT max((SELECT max(t.at) FROM {tier.table} t WHERE t.series = s.id)) FROM series s")
    return int(found or 0)


def drop_expired(connection: Connection, numbers: Iterable[int], now: int) -> None:
    """Forgets what is kept no longer of some series, in every tier but the first."""
    rows = [(number, now) for number in numbers]
    for tier in READING_TIERS if rows else ():
        cut = [(number, (at - tier.retention) // tier.alignment * tier.alignment) for number, at in rows]
        connection.exec_driver_sql(f"DELETE FROM {tier.table} WHERE series = ? AND at < ?", cut)


def drop_before(connection: Connection, number: int, at: int) -> None:
    """Forgets all of one series but its hours that began before `at`."""
    for tier in READING_TIERS[:2]:
        connection.exec_driver_sql(f"DELETE FROM {tier.table} WHERE series = ? AND at < ?", (number, at))


def find_minute_range(connection: Connection) -> tuple[int, int] | None:
    """The first and the last minute there is."""
    found = connection.exec_driver_sql(
        "SELECT min((SELECT min(m.at) FROM readings_minute m WHERE m.series = s.id)), "
        "max((SELECT max(m.at) FROM readings_minute m WHERE m.series = s.id)) FROM series s"
    ).one()
    return None if found[0] is None else (int(found[0]), int(found[1]))
