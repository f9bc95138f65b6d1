"""The clean-decision rate: the share of live ticks in which no phase fell back and that had data, told apart by cause."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from engine.evidence.proportions import wilson_interval

RECENT_TICKS = 500  # the newest ticks, whose live ones give the current rate
_RECENT = """
    SELECT count(*) AS ticks, coalesce(sum(degraded <> '[]'), 0) AS degraded, coalesce(sum(no_data = 1 AND degraded = '[]'), 0) AS no_data
    FROM (SELECT degraded, no_data, warm FROM ticks ORDER BY tick DESC LIMIT :newest) WHERE warm = 0"""


@dataclass(frozen=True, slots=True)
class CleanTicks:
    """Live ticks, and how many of them were not clean, by cause."""

    ticks: int
    degraded: int  # in which a phase fell back
    no_data: int = 0  # in which no phase fell back, but for which a live market had no bar in time

    @property
    def clean(self) -> int:
        return self.ticks - self.degraded - self.no_data

    @property
    def rate(self) -> float | None:
        """The clean-decision rate; None without a tick."""
        return self.clean / self.ticks if self.ticks else None

    @property
    def band(self) -> tuple[float, float] | None:
        """95 % interval of the rate; None without a tick."""
        return wilson_interval(self.clean / self.ticks, self.ticks) if self.ticks else None


def count_recent_clean_ticks(connection: Connection) -> CleanTicks:
    """Count the live ticks among the newest 500, and those among them that were not clean."""
    row = connection.execute(text(_RECENT), {"newest": RECENT_TICKS}).mappings().one()
    return CleanTicks(int(row["ticks"]), int(row["degraded"]), int(row["no_data"]))
