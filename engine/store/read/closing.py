"""The positions that Flatten would close, each with the engine's own estimate of its cost at the newest tick."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.store.read.reader import Reader, fetch_all

_POSITIONS = """
    SELECT symbol, units, coalesce(mark, price) AS price, spread_bps, fee_bps, impact_bps FROM decisions
    WHERE tick = (SELECT max(tick) FROM ticks) AND units <> 0.0 ORDER BY abs(units * coalesce(mark, price)) DESC, symbol"""


@dataclass(frozen=True, slots=True)
class ClosingPosition:
    """A position and what it costs to close it at market; None where the newest tick does not know it."""

    symbol: str
    units: float
    value: float | None  # money, at the mark, at least 0
    half_spread_bps: float | None
    fee_bps: float | None
    impact_bps: float | None  # of the largest order allowed, which is seldom smaller than the position

    @property
    def cost(self) -> float | None:
        """Money, of half the spread, fee and impact; None where any of them is unknown."""
        if self.value is None or self.half_spread_bps is None or self.fee_bps is None or self.impact_bps is None:
            return None
        return self.value * (self.half_spread_bps + self.fee_bps + self.impact_bps) / 1e4


@dataclass(frozen=True, slots=True)
class ClosingEstimate:
    """Every open position, the largest first."""

    positions: tuple[ClosingPosition, ...]

    @property
    def value(self) -> float | None:
        """Money; None where the value of a position is unknown."""
        return _sum(tuple(position.value for position in self.positions))

    @property
    def cost(self) -> float | None:
        """Money; None where the cost of a position is unknown."""
        return _sum(tuple(position.cost for position in self.positions))


def read_closing_estimate(reader: Reader) -> ClosingEstimate:
    """Read the open positions of the newest tick with spread, fee and impact as the engine estimated them there."""
    with reader.reading() as connection:
        rows = fetch_all(connection, _POSITIONS)
    return ClosingEstimate(
        tuple(
            ClosingPosition(
                str(row["symbol"]), float(row["units"]), _money(row["units"], row["price"]),
                None if _finite(row["spread_bps"]) is None else row["spread_bps"] / 2.0, _finite(row["fee_bps"]), _finite(row["impact_bps"]),
            )
            for row in rows
        )
    )  # fmt: skip


def _sum(values: tuple[float | None, ...]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if len(known) == len(values) else None


def _money(units: float, price: float | None) -> float | None:
    return None if _finite(price) is None else abs(float(units) * float(price or 0.0))


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
