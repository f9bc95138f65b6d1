"""The sums behind a figure of skill."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Floats, Record

GAIN, GAIN_SQUARED, POWER, ROWS, BLOCKS, BLOCK_SQUARED, LAG_PRODUCTS, OPEN_GAIN, OPEN_POWER, LAST_RESIDUAL = range(10)


@dataclass(frozen=True, slots=True)
class SkillSums(Record):
    """The sums behind a ratio of gain to power and its interval, for (models + ensemble) x horizons x (regimes + all).

    For a forecast, gain is y^2 - (y - f)^2 and power is y^2, so that the ratio is R2; for declined trades, gain is in bps and power is their number.
    A block is a run of ticks over all symbols, so that correlated symbols count once. Its residual is its gain less its power times the ratio
    before it (see evidence.skill). All sums are in one array because they are updated together.
    """

    sums: Floats  # (10, M + 1, H, R + 1)

    @property
    def gain(self) -> Floats:
        """(M + 1, H, R + 1), as all sums below."""
        return np.asarray(self.sums[GAIN])

    @property
    def gain_squared(self) -> Floats:
        """Sum over rows of their squared gain."""
        return np.asarray(self.sums[GAIN_SQUARED])

    @property
    def power(self) -> Floats:
        """Sum of y^2."""
        return np.asarray(self.sums[POWER])

    @property
    def rows(self) -> Floats:
        """Number of forecasts scored."""
        return np.asarray(self.sums[ROWS])

    @property
    def blocks(self) -> Floats:
        """Number of complete blocks."""
        return np.asarray(self.sums[BLOCKS])

    @property
    def block_squared(self) -> Floats:
        """Sum of the squared residuals of the blocks."""
        return np.asarray(self.sums[BLOCK_SQUARED])

    @property
    def lag_products(self) -> Floats:
        """Sum of the products of each block's residual with that of the previous block."""
        return np.asarray(self.sums[LAG_PRODUCTS])

    @property
    def open_gain(self) -> Floats:
        """Gain of the current block."""
        return np.asarray(self.sums[OPEN_GAIN])

    @property
    def open_power(self) -> Floats:
        """Power of the current block."""
        return np.asarray(self.sums[OPEN_POWER])

    @property
    def last_residual(self) -> Floats:
        """Residual of the previous block."""
        return np.asarray(self.sums[LAST_RESIDUAL])
