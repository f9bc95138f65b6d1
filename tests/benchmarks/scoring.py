"""What came, to score several forecasts against on the same rows, with intervals by day blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from engine.domain.record import Floats, Ints
from engine.domain.tick import Tick
from engine.evidence import scoring

DAY = 86_400 * 10**9  # ns


class Figure(NamedTuple):
    """A figure in per cent with its 95 % interval over days."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:+.3f} % ({self.low:+.3f}..{self.high:+.3f})"


@dataclass
class Came:
    """Prices and volatilities, tick by tick."""

    at: list[int] = field(default_factory=list)
    price: list[Floats] = field(default_factory=list)
    sigma: list[Floats] = field(default_factory=list)

    def add(self, tick: Tick) -> None:
        self.at.append(tick.inputs.at)
        self.price.append(tick.training_row.price)
        self.sigma.append(tick.training_row.sigma)

    def target(self, horizon: int) -> Floats:
        """(T, S)"""
        price, sigma = np.stack(self.price), np.stack(self.sigma)
        came = np.full_like(price, np.nan)
        came[:-horizon] = scoring.forecast_target(price[horizon:], price[:-horizon], sigma[:-horizon], horizon)
        return came

    def r2(self, said: Floats, horizon: int, rows: Floats) -> Figure:
        """R2 of forecasts (T, S) over the rows where `rows` is finite too."""
        gain, power = self._sums(said, horizon, rows)
        return self._figure(gain, power)

    def difference(self, one: Floats, other: Floats, horizon: int, rows: Floats) -> Figure:
        """R2 of the one less that of the other, paired by day."""
        gain, power = self._sums(one, horizon, rows)
        return self._figure(gain - self._sums(other, horizon, rows)[0], power)

    def _sums(self, said: Floats, horizon: int, rows: Floats) -> tuple[Floats, Floats]:
        came = self.target(horizon)
        both = np.isfinite(came) & np.isfinite(said) & np.isfinite(rows)
        y, f = np.where(both, came, 0.0), np.where(both, said, 0.0)
        return (f * (2.0 * y - f)).sum(axis=1), (y * y).sum(axis=1)

    def _figure(self, gain: Floats, power: Floats) -> Figure:
        days: Ints = np.unique(np.array(self.at) // DAY, return_inverse=True)[1]
        gains, powers = np.bincount(days, gain), np.bincount(days, power)
        value = gains.sum() / powers.sum()
        reach = 1.96 * np.sqrt(((gains - value * powers) ** 2).sum()) / powers.sum()
        return Figure(*(100.0 * float(part) for part in (value, value - reach, value + reach)))
