"""What a figure of skill is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Floats, Record

GAIN, GAIN_SQUARED, POWER, ROWS, BLOCKS, BLOCK_SQUARED, LAG_PRODUCTS, OPEN_GAIN, OPEN_POWER, LAST_RESIDUAL = range(10)


@dataclass(frozen=True, slots=True)
class SkillSums(Record):
    """Sums behind a ratio of gain to power and its interval, for (models + ensemble) x horizons x (regimes + all).

    Of a forecast, gain is y^2 - (y - f)^2 and power y^2, so that the ratio is R2; of declined trades, gain is bps and power their number.
    A block is a run of ticks over all symbols, so that correlated symbols count once; its residual is its gain less what the ratio before it made
    of its power (see evidence.skill). They lie in one array, since they grow together.
    """

    sums: Floats  # (10, M + 1, H, R + 1)

    @property
    def gain(self) -> Floats:
        """(M + 1, H, R + 1), as are all below."""
        return np.asarray(self.sums[GAIN])

    @property
    def gain_squared(self) -> Floats:
        """By row."""
        return np.asarray(self.sums[GAIN_SQUARED])

    @property
    def power(self) -> Floats:
        """Sum of y^2."""
        return np.asarray(self.sums[POWER])

    @property
    def rows(self) -> Floats:
        """Forecasts that have come due."""
        return np.asarray(self.sums[ROWS])

    @property
    def blocks(self) -> Floats:
        """Blocks that are over."""
        return np.asarray(self.sums[BLOCKS])

    @property
    def block_squared(self) -> Floats:
        """Sum of their squared residuals."""
        return np.asarray(self.sums[BLOCK_SQUARED])

    @property
    def lag_products(self) -> Floats:
        """Sum of the products of each block's residual and that of the block before."""
        return np.asarray(self.sums[LAG_PRODUCTS])

    @property
    def open_gain(self) -> Floats:
        """Gain of the running block."""
        return np.asarray(self.sums[OPEN_GAIN])

    @property
    def open_power(self) -> Floats:
        """Its power."""
        return np.asarray(self.sums[OPEN_POWER])

    @property
    def last_residual(self) -> Floats:
        """Residual of the block before it."""
        return np.asarray(self.sums[LAST_RESIDUAL])
