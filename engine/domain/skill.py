"""What a figure of skill is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engine.domain.record import Floats, Record

GAIN, GAIN_SQUARED, POWER, ROWS, BLOCKS, BLOCK_SQUARED, OPEN_GAIN = range(7)


@dataclass(frozen=True, slots=True)
class Skill(Record):
    """Sums a skill figure is made of, for (models + ensemble) x horizons x (regimes + all).

    gain is y^2 - (y - f)^2, so R2 = sum gain / sum y^2; a block is `horizon` ticks, over all symbols, so that
    overlapping targets and correlated symbols count once (see evidence.skill). They lie in one array, since they grow together.
    """

    sums: Floats  # (7, M + 1, H, R + 1)

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
        """Sum of their squared gains."""
        return np.asarray(self.sums[BLOCK_SQUARED])

    @property
    def open_gain(self) -> Floats:
        """Gain of the running block."""
        return np.asarray(self.sums[OPEN_GAIN])
