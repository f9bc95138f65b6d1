"""What a figure of skill is made of."""

from __future__ import annotations

from dataclasses import dataclass

from engine.domain.record import Floats, Record


@dataclass(frozen=True, slots=True)
class Skill(Record):
    """Sums a skill figure is made of, for (models + ensemble) x horizons x (regimes + all).

    gain is y^2 - (y - f)^2, so R2 = sum gain / sum y^2; a block is `horizon` ticks, over all symbols, so that
    overlapping targets and correlated symbols count once (see evidence.skill).
    """

    rows: Floats  # (M + 1, H, R + 1)
    gain: Floats  # (M + 1, H, R + 1)
    gain_squared: Floats  # (M + 1, H, R + 1) by row
    power: Floats  # (M + 1, H, R + 1) sum of y^2
    blocks: Floats  # (M + 1, H, R + 1)
    block_squared: Floats  # (M + 1, H, R + 1) sum of squared block gains
    open_gain: Floats  # (M + 1, H, R + 1) the running block
